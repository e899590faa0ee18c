"""Several runs that are judged together: expected values are worked out by hand or by scikit-learn."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from helpers.folded_tasks import FOLD_OF, RECIPE, folded, series_of, trained
from helpers.small_tasks import labels_task, numbers_task, reviews_task, steps_task
from scipy.special import expit, softmax
from sklearn.metrics import f1_score, log_loss, roc_auc_score, root_mean_squared_error

from adv import FGM, Clean
from finetune.config import Recipe
from finetune.folds import Folds
from finetune.tasks.task import Rows, Task
from finetune.training.bench import Bench
from finetune.training.epoch import Epoch, metrics_of, value_of
from finetune.training.loop import Training
from finetune.training.series import Ended, Part, Series, smallest, stacked


def made(series: Series, raw: np.ndarray) -> list[Ended]:
    """Runs that said this about the rows, (seeds, rows, ...), without training."""
    fold_of = np.zeros(raw.shape[1], int) if series.task.fold_of is None else series.task.fold_of
    history = [Epoch(0, {"accuracy": 0.5}, {}, 0.1, 1.0)]
    return [Ended(part, history, raw[part.seed][fold_of == part.fold]) for part in series.parts]


def test_runs_are_all_folds_with_the_first_seed_then_with_the_next():
    series = series_of(folded(reviews_task()), Folds(folds=3, seeds=2))
    assert [(part.number, part.fold, part.seed) for part in series.parts] == [
        (0, 0, 0), (1, 1, 0), (2, 2, 0), (3, 0, 1), (4, 1, 1), (5, 2, 1),
    ]  # fmt: skip


def test_a_run_is_that_of_its_fold_alone_with_the_seed_of_its_number():
    task, recipe = folded(reviews_task()), Recipe(epochs=1, batch_size=32, seed=7)
    series = series_of(task, Folds(folds=3, seeds=2), recipe)
    training = series.training(series.parts[4], FGM(epsilon=0.5))
    found = [epoch.metrics for epoch in training.epochs()]
    left, held = np.flatnonzero(FOLD_OF != 1), np.flatnonzero(FOLD_OF == 1)
    alone = replace(task, train=task.train.take(left), validation=task.train.take(held), fold_of=None)
    by_hand = Training(Bench(alone, recipe), recipe.model_copy(update={"seed": 8}), FGM(epsilon=0.5))
    assert found == [epoch.metrics for epoch in by_hand.epochs()]


def test_the_last_seed_of_all_is_followed_by_the_first():
    series = series_of(folded(reviews_task()), Folds(folds=3, seeds=2), Recipe(epochs=1, seed=2**32 - 1))
    assert [series.recipe_of(part).seed for part in series.parts] == [2**32 - 1] * 3 + [0] * 3


def test_pooled_scores_are_those_of_scikit_learn_on_all_rows_and_a_mean_of_the_seeds():
    series = series_of(folded(reviews_task()), Folds(folds=3, seeds=2))
    ended = trained(series)
    labels, values = series.task.train.labels, []
    for seed in (0, 1):
        said = np.full((len(labels), 2), np.nan)
        for run in ended[3 * seed : 3 * seed + 3]:
            said[run.part.fold == FOLD_OF] = run.raw
        said, likely = said.argmax(1), softmax(said.astype(np.float64), 1)
        scores = (labels == said).mean(), f1_score(labels, said, average="macro"), log_loss(labels, likely)
        values.append([*scores, roc_auc_score(labels, likely[:, 1])])
    found = metrics_of(series.combined(ended))
    names = ("accuracy", "macro_f1", "log_loss", "roc_auc")
    assert [found[name] for name in names] == pytest.approx(np.mean(values, axis=0), rel=1e-9)
    assert found["roc_auc"] != pytest.approx(np.mean([value_of(run.history, "roc_auc") for run in ended]), rel=1e-6)


def test_the_mean_is_that_of_the_folds_and_seeds_whatever_their_size():
    series = series_of(folded(reviews_task()), Folds(folds=3, seeds=2, fold_score="mean"))
    ended = trained(series)
    by_hand = [(series.task.train.labels[run.part.fold == FOLD_OF] == run.raw.argmax(1)).mean() for run in ended]
    assert value_of(series.combined(ended), "accuracy") == pytest.approx(np.mean(by_hand), rel=1e-12)
    pooled = series_of(series.task, Folds(folds=3, seeds=2))
    assert value_of(pooled.combined(ended), "accuracy") != pytest.approx(np.mean(by_hand), rel=1e-6)


def test_seeds_without_folds_are_a_mean_of_plain_runs():
    task = reviews_task()
    series = series_of(task, Folds(seeds=3))
    ended = trained(series)
    alone = []
    for seed in (0, 1, 2):
        training = Training(Bench(task, RECIPE), RECIPE.model_copy(update={"seed": seed}), Clean())
        alone.append([epoch.metrics["log_loss"] for epoch in training.epochs()][-1])
    assert value_of(series.combined(ended), "log_loss") == pytest.approx(np.mean(alone), rel=1e-12)
    assert series.raw(ended).shape == (3, 64, 2)
    assert not series.pooled


def test_targets_in_their_units_are_pooled_in_the_order_of_the_rows():
    series = series_of(folded(numbers_task()), Folds(folds=3), metric="rmse")
    ended = trained(series)
    said = series.raw(ended)[0]
    assert [said[run.part.fold == FOLD_OF].tolist() for run in ended] == [run.raw.tolist() for run in ended]
    expected = np.sqrt(np.mean((series.task.train.labels - said) ** 2))
    assert value_of(series.combined(ended), "rmse") == pytest.approx(expected, rel=1e-6)
    assert value_of(series.combined(ended), "rmse words") == pytest.approx(
        root_mean_squared_error(series.task.train.labels[:, 0], said[:, 0]), rel=1e-6
    )


def test_thresholds_are_chosen_on_all_rows_where_these_are_judged_together():
    """One label: the highest F1 of all rows together is that of the best of all cuts, found by trying each."""
    rng = np.random.default_rng(3)
    truth, said = rng.random((40, 3)) < 0.3, rng.normal(-1, 1, (1, 40, 3)).astype(np.float32)
    said[0] += truth * 0.8 + FOLD_OF[:, None] * 0.7  # folds that are shifted against each other
    rows = Rows([f"text {i}" for i in range(40)], None, truth.astype(np.float32))
    task = folded(Task("labels", "multilabel", ("a", "b", "c"), rows, rows, rows, form="tuned"))

    def best(rows_, label):
        cuts = np.sort(said[0, rows_, label])
        tried = [*(cuts - 1e-4), cuts[-1] + 1]
        return max(f1_score(truth[rows_, label], said[0, rows_, label] > cut, zero_division=0.0) for cut in tried)

    pooled = series_of(task, Folds(folds=3), metric="macro_f1")
    expected = np.mean([best(np.arange(40), label) for label in range(3)])
    found = value_of(pooled.combined(made(pooled, said)), "macro_f1")
    assert found == pytest.approx(expected, rel=1e-6)
    assert found < np.mean([best(np.flatnonzero(fold == FOLD_OF), label) for fold in range(3) for label in range(3)])


def test_labels_with_thresholds_are_trained_and_each_fold_alone_chooses_its_own_for_the_mean():
    series = series_of(folded(labels_task("tuned")), Folds(folds=3, fold_score="mean"), metric="macro_f1")
    ended = trained(series)
    assert [run.raw.ndim for run in ended] == [2, 2, 2]
    means = np.mean([value_of(run.history, "macro_f1") for run in ended])
    assert value_of(series.combined(ended), "macro_f1") == pytest.approx(means, rel=1e-12)


def test_classes_with_an_order_are_pooled():
    series = series_of(folded(steps_task("cumulative")), Folds(folds=3), metric="mae")
    ended = trained(series)
    said = (expit(series.raw(ended)[0]) > 0.5).sum(1)
    assert value_of(series.combined(ended), "mae") == pytest.approx(np.abs(said - series.task.train.labels).mean(), rel=1e-6)


def test_sentences_of_different_length_are_pooled():
    words = [3, 1, 7, 2, 5, 4, 6, 2, 8, 3] * 4
    tags = np.full((40, 8), -1, np.int16)
    for row, count in enumerate(words):
        tags[row, :count] = np.arange(count) % 2
    rows = Rows([" ".join(f"w{i}" for i in range(count)) for count in words], None, tags)
    task = folded(Task("tags", "tokens", ("O", "X"), rows, rows, rows))
    series = series_of(task, Folds(folds=3), metric="token_accuracy")
    ended = trained(series)
    said = series.raw(ended)[0]
    assert np.isfinite(said[:, :, 0]).sum(1).tolist() == words
    right = [(said[row, :count].argmax(1) == tags[row, :count]).sum() for row, count in enumerate(words)]
    assert value_of(series.combined(ended), "token_accuracy") == pytest.approx(sum(right) / sum(words), rel=1e-9)


def test_rows_with_fewer_words_are_filled_up():
    found = stacked([np.ones((2, 3, 4), np.float32), np.zeros((1, 5, 4), np.float32)])
    assert found.shape == (3, 5, 4)
    assert np.isnan(found[:2, 3:]).all()
    assert not np.isnan(found[2]).any()


@pytest.mark.parametrize("fold_score", ["pooled", "mean"])
def test_what_the_first_runs_are_worth_is_about_their_rows_alone(fold_score):
    series = series_of(folded(reviews_task()), Folds(folds=3, seeds=2, fold_score=fold_score))
    rng = np.random.default_rng(0)
    raw = rng.normal(0, 1, (2, 40, 2)).astype(np.float32)
    right = raw.argmax(2) == series.task.train.labels
    ended = [
        replace(run, history=[Epoch(0, {"accuracy": right[run.part.seed][run.part.fold == FOLD_OF].mean()}, {}, 0.1, 1.0)])
        for run in made(series, raw)
    ]
    first = [right[0][fold == FOLD_OF].mean() for fold in range(3)]
    second = [right[1][fold == FOLD_OF].mean() for fold in range(3)]
    together = {
        "mean": [first[0], np.mean(first[:2]), np.mean(first), np.mean([*first, second[0]])],
        # Of a seed with a part of its folds the part counts: a third of a seed here.
        "pooled": [
            first[0],
            right[0][FOLD_OF < 2].mean(),
            right[0].mean(),
            (3 * right[0].mean() + second[0]) / 4,
        ],
    }
    worth = [value_of(series.combined(ended[:many]), "accuracy") for many in (1, 2, 3, 4)]
    assert worth == pytest.approx(together[fold_score], rel=1e-12)
    assert value_of(series.combined(ended), "accuracy") == pytest.approx(
        np.mean([right.mean(1)]) if fold_score == "pooled" else np.mean([*first, *second]), rel=1e-12
    )


def test_a_history_has_means_of_what_is_measured_and_sums_of_what_is_spent_and_counted():
    series = series_of(reviews_task(), Folds(seeds=2))
    raw = np.zeros((1, 64, 2), np.float32)
    told = [{"relative": 0.1, "nonfinite": 1.0, "attacked": 3.0}, {"relative": 0.3, "nonfinite": 0.0, "attacked": 4.0}]
    histories = [
        [Epoch(0, {"accuracy": 0.4 + i / 5}, {}, 1.0 + i, 2.0), Epoch(1, {"accuracy": 0.5}, told[i], 3.0, 4.0 + i)]
        for i in (0, 1)
    ]
    runs = [Ended(Part(i, 0, i), histories[i], raw[0]) for i in (0, 1)]
    first, last = series.combined(runs)
    assert first == Epoch(0, {"accuracy": pytest.approx(0.5)}, {}, 1.5, 4.0)
    assert (last.seconds, last.loss) == (9.0, 3.0)
    assert last.diagnostics == {"relative": pytest.approx(0.2), "nonfinite": 1.0, "attacked": 7.0}


def test_without_a_run_there_is_no_history():
    assert series_of(reviews_task(), Folds(seeds=2)).combined([]) == []


def test_views_are_means_over_the_folds_beside_pooled_metrics():
    series = series_of(folded(reviews_task()), Folds(folds=3), metric="noisy_accuracy", views=("noisy",))
    ended = trained(series)
    means = np.mean([run.history[-1].metrics["noisy_accuracy"] for run in ended])
    assert value_of(series.combined(ended), "noisy_accuracy") == pytest.approx(means, rel=1e-12)


@pytest.mark.parametrize("score", ["best", "soup"])
def test_chosen_evaluations_are_scored_and_their_weights_predict(score):
    recipe = Recipe(epochs=2, batch_size=8, evals_per_epoch=2, score=score)
    series = series_of(folded(reviews_task()), Folds(folds=3), recipe)
    ended = trained(series)
    for run in ended:
        right = (series.task.train.labels[run.part.fold == FOLD_OF] == run.raw.argmax(1)).mean()
        assert value_of(run.history, "accuracy") == pytest.approx(right, rel=1e-12)
    history = series.combined(ended)
    assert len(history) == 4
    assert value_of(history, "accuracy") == pytest.approx(
        (series.task.train.labels == series.raw(ended)[0].argmax(1)).mean()
    )
    assert history[-1].chosen == tuple(sorted({number for run in ended for number in run.history[-1].chosen}))


def test_a_run_that_was_saved_is_the_same(tmp_path):
    series = series_of(folded(reviews_task()), Folds(folds=3), Recipe(epochs=2, batch_size=32, score="best"))
    run = trained(series)[1]
    run.save(tmp_path / "run.safetensors")
    again = Ended.load(tmp_path / "run.safetensors", run.part)
    assert (again.part, again.history) == (run.part, run.history)
    assert again.raw.tobytes() == run.raw.tobytes()
    run.save(tmp_path / "marked.safetensors", "mine")
    for mark, there in ((None, True), ("mine", True), ("another", False)):
        assert (Ended.load(tmp_path / "marked.safetensors", run.part, mark) is not None) == there
    content = (tmp_path / "run.safetensors").read_bytes()
    (tmp_path / "run.safetensors").write_bytes(content[: len(content) // 2])
    assert Ended.load(tmp_path / "run.safetensors", run.part) is None
    assert Ended.load(tmp_path / "none.safetensors", run.part) is None
    series.training(run.part, Clean()).save(tmp_path / "state.safetensors")
    assert Ended.load(tmp_path / "state.safetensors", run.part) is None


def test_runs_are_asked_in_the_precision_in_which_they_are_scored():
    series = series_of(folded(reviews_task()), Folds(folds=3), RECIPE.model_copy(update={"precision": "bf16"}), "log_loss")
    series.parts = series.parts[:1]
    (run,) = trained(series)
    labels, likely = series.task.train.labels[FOLD_OF == 0], softmax(run.raw.astype(np.float64), 1)
    assert value_of(run.history, "log_loss") == pytest.approx(log_loss(labels, likely), rel=1e-6)


def test_the_fold_with_the_most_rows_leaves_the_fewest_to_train_on():
    assert smallest(folded(reviews_task(), np.array([0] * 9 + [1] * 20 + [2] * 11))) == 1
    assert smallest(reviews_task()) == 0


def test_no_row_is_scored_by_a_model_that_saw_it():
    series = series_of(folded(reviews_task()), Folds(folds=3))
    for part in series.parts:
        bench = series.training(part, Clean()).bench
        assert not set(bench.task.train.texts) & set(bench.task.validation.texts)
        assert len(bench.task.train) + len(bench.task.validation) == 40
    assert all(one != other for one, other in pairwise(series.parts))
