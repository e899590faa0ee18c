"""The score of an ensemble, as trials are scored, and the nested estimate that the selection did not see."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.small_tasks import labels_task, numbers_task, reviews_task, steps_task

from finetune.errors import Diverged
from finetune.tasks import kind_for, measures_for
from finetune.tasks.metrics import evaluate
from finetune.tasks.own_metric import read_own
from finetune.tasks.task import Rows, Task
from finetune.training.oof import Oof
from studies.results.blending import Pool, alike, blend
from studies.running import split_error

COUNT = 90
FOLDS = np.arange(COUNT) % 3
RNG = np.random.default_rng(0)


def task(kind, labels, names, folds=FOLDS, **more):
    rows = Rows([f"text {number}" for number in range(len(labels))], None, labels)
    return Task("made", kind, names, rows, rows, rows, fold_of=folds, **more)


def oof(raw, folds=FOLDS):
    return Oof(np.asarray(raw), folds, 0.0, "m", "f")


CLASSES = np.arange(COUNT) % 2


def logits(right):
    """Logits of two classes, of which the right one is a little likelier where ``right`` is true."""
    high = np.where(right, CLASSES, 1 - CLASSES)
    return np.stack([1.0 - high, high], -1)[None].astype("float32")


def random_models(many, seed=1):
    return [oof(logits(np.random.default_rng(seed + number).random(COUNT) < 0.5)) for number in range(many)]


def test_random_models_seem_good_together_and_are_not():
    """What selection promises on its own rows is luck: on rows that it did not see, nothing is left."""
    pool = Pool(task("classification", CLASSES, ("bad", "good")), "accuracy", True)
    promised, held = [], []
    for seed in (100, 200, 300):
        parts = [pool.part(one) for one in random_models(30, seed)]
        picked, nested = pool.pick(parts, 12), pool.nested(parts, 12)
        assert picked.score >= picked.alone[picked.best]
        assert 0.02 < nested.error < 0.15
        promised.append(picked.score)
        held.append(nested.ensemble)
    assert min(promised) > 0.6
    assert np.mean(promised) > 0.65
    assert 0.42 < np.mean(held) < 0.58


def test_models_with_errors_of_their_own_are_better_together():
    rng = np.random.default_rng(3)
    pool = Pool(task("classification", CLASSES, ("bad", "good")), "accuracy", True)
    parts = [pool.part(oof(logits(rng.random(COUNT) < 0.75))) for _ in range(9)]
    picked, nested = pool.pick(parts, 20), pool.nested(parts, 20)
    assert picked.score > 0.9
    assert nested.ensemble > nested.single + 0.05
    assert (picked.score - nested.ensemble) > 0  # and still too good


def test_rows_of_one_group_are_drawn_together():
    """Every row stands three times: drawn one by one they seem to be three times as many."""
    thrice = np.repeat(np.arange(30), 3)
    folds, rng = (np.arange(30) % 3)[thrice], np.random.default_rng(2)
    labels = rng.normal(size=(30, 1)).astype("float32")[thrice]
    raws = [oof(labels[None] + rng.normal(size=(30, 1))[thrice], folds) for _ in range(3)]
    errors = []
    for groups in (None, thrice):
        pool = Pool(task("regression", labels, ("joy",), folds, groups=groups), "rmse", False)
        errors.append(pool.nested([pool.part(one) for one in raws], 4).error)
    assert errors[1] > 1.3 * errors[0] > 0


def test_one_trial_scores_as_the_search_does():
    right = RNG.random(COUNT) < 0.7
    labels = task("classification", CLASSES, ("bad", "good"))
    raw = logits(right)
    part = Pool(labels, "accuracy", True).part(oof(raw))
    rows = np.arange(COUNT)
    accuracy = Pool(labels, "accuracy", True)
    assert accuracy.judged(accuracy.output(part, rows), rows) == np.mean(right)
    loss = Pool(labels, "log_loss", False)
    shares = np.exp(1) / (1 + np.exp(1))
    expected = -np.mean(np.log(np.where(right, shares, 1 - shares)))
    assert loss.judged(loss.output(part, rows), rows) == pytest.approx(expected)


def test_seeds_and_members_are_averaged_as_probabilities():
    one, two = np.array([0.0, 0.0]), np.array([0.0, 2.0])
    raw = np.stack([np.tile(one, (COUNT, 1)), np.tile(two, (COUNT, 1))]).astype("float32")
    pool = Pool(task("classification", CLASSES, ("bad", "good")), "accuracy", True)
    high = (0.5 + np.exp(2) / (1 + np.exp(2))) / 2
    part = pool.part(oof(raw))
    assert part[5].tolist() == pytest.approx([1 - high, high])
    mixed = blend([part, np.full((COUNT, 2), 0.5)], [0.25, 0.75])
    assert mixed[0].tolist() == pytest.approx([0.75 * 0.5 + 0.25 * (1 - high), 0.75 * 0.5 + 0.25 * high])


def test_targets_are_averaged_as_they_are():
    labels = RNG.normal(size=(COUNT, 2)).astype("float32")
    pool = Pool(task("regression", labels, ("joy", "fear")), "rmse", False)
    parts = [pool.part(oof(labels[None] + away)) for away in (3.0, -1.0, 8.0)]
    picked = pool.pick(parts, 8)
    assert picked.counts == (1, 3, 0)
    assert picked.score == pytest.approx(0, abs=1e-6)
    assert picked.alone == pytest.approx((3, 1, 8), abs=1e-6)
    nested = pool.nested(parts, 8)
    assert (nested.single, nested.ensemble) == pytest.approx((1, 0), abs=1e-6)
    assert nested.error == pytest.approx(0, abs=1e-6)


def test_thresholds_are_settled_on_the_ensemble_and_not_on_the_held_out_fold():
    """Labels at 0.3 of the mean probability: thresholds for 0.5 miss all of them."""
    labels = (RNG.random((COUNT, 2)) < 0.5).astype("float32")
    tuned = task("multilabel", labels, ("a", "b"), form="tuned")
    shares = np.where(labels > 0, 0.3, 0.1)
    raw = np.log(shares / (1 - shares))[None].astype("float32")
    parts = [Pool(tuned, "macro_f1", True).part(oof(raw + away)) for away in (0.1, -0.1)]
    pool = Pool(tuned, "macro_f1", True)
    assert pool.pick(parts, 4).score == 1
    assert pool.nested(parts, 4).ensemble == 1
    assert pool.chosen(blend(parts, (0.5, 0.5)), pool.rows).shape == (2,)
    plain = Pool(task("multilabel", labels, ("a", "b")), "macro_f1", True)
    assert plain.pick(parts, 4).score == 0
    assert plain.chosen(parts[0], plain.rows) is None


def test_a_held_out_fold_has_no_part_in_its_thresholds():
    """Labels of fold 0 lie below the cut that fold 1 needs, and all rows of fold 1 above the cut of fold 0."""
    labels, folds = (RNG.random((COUNT, 2)) < 0.4).astype("float32"), np.arange(COUNT) % 2
    shares = np.where(folds[:, None] == 0, np.where(labels > 0, 0.3, 0.1), np.where(labels > 0, 0.9, 0.6))
    pool = Pool(task("multilabel", labels, ("a", "b"), folds, form="tuned"), "macro_f1", True)
    nested = pool.nested([pool.part(oof(np.log(shares / (1 - shares))[None].astype("float32"), folds))] * 2, 3)
    there, missed = labels[folds == 1].sum(0), labels[folds == 0].sum(0)
    wrong = (labels[folds == 1] == 0).sum(0)
    assert nested.single == pytest.approx(np.mean(2 * there / (2 * there + wrong + missed)), rel=1e-6)
    assert nested.ensemble == nested.single


def test_the_mean_over_folds():
    right = np.arange(COUNT) < 45
    folds = np.where(np.arange(COUNT) < 15, 0, 1)
    folded = task("classification", CLASSES, ("bad", "good"), folds)
    rows = np.arange(COUNT)
    for mean, expected in ((False, 0.5), (True, (1.0 + 30 / 75) / 2)):
        pool = Pool(folded, "accuracy", True, mean)
        assert pool.judged(pool.output(pool.part(oof(logits(right), folds)), rows), rows) == pytest.approx(expected)
        assert pool.nested([pool.part(oof(logits(right), folds))] * 2, 3).ensemble == pytest.approx(expected)


def test_tags_of_words_with_sentences_of_unlike_length():
    names = ("O", "B-X")
    lengths = np.array([3, 1, 2] * 4)
    labels = np.full((12, 3), -1)
    for row, length in enumerate(lengths):
        labels[row, :length] = np.arange(length) % 2
    folds = np.arange(12) % 3
    raw = np.where(labels[..., None] >= 0, np.eye(2)[labels], np.nan)[None].astype("float32")
    pool = Pool(task("tokens", labels, names, folds), "entity_f1", True)
    wide = np.pad(raw, ((0, 0), (0, 0), (0, 2), (0, 0)), constant_values=np.nan)
    parts = alike([pool.part(oof(raw, folds)), pool.part(oof(1 - wide, folds))])
    assert [part.shape for part in parts] == [(12, 5, 2)] * 2
    picked = pool.pick(parts, 3)
    assert picked.counts == (1, 0)
    assert (picked.score, pool.nested(parts, 3).ensemble) == (1, 1)
    assert picked.alone[1] == 0


def test_a_metric_of_the_users_own(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def cost(labels, predictions):\n    return (predictions.argmax(1) != labels).sum()\n")
    own = read_own(f"{file}:cost:minimize")
    pool = Pool(task("classification", CLASSES, ("bad", "good"), own=(own,)), own.name, False)
    parts = [pool.part(oof(logits(np.arange(COUNT) % 9 != number))) for number in (0, 1, 2)]
    assert pool.pick(parts, 5).alone == (10, 10, 10)
    assert pool.pick(parts, 5).score == 0


def test_predictions_that_are_not_finite_are_refused():
    broken = logits(np.ones(COUNT, bool))
    broken[0, 3] = np.inf
    with pytest.raises(Diverged):
        Pool(task("classification", CLASSES, ("bad", "good")), "accuracy", True).part(oof(broken))


KINDS = {
    "classes": reviews_task(),
    "numbers": numbers_task(),
    "labels": labels_task(),
    "thresholds": labels_task("tuned"),
    "steps": steps_task(),
    "steps as classes": steps_task("classes"),
    "steps as a number": steps_task("number"),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_and_metric(name, monkeypatch):
    """A trial alone has the value that the search gives it, and no mixture of trials is worse than the best."""
    monkeypatch.setattr(split_error, "DRAWS", 2)
    rows = KINDS[name].train.take(np.arange(36))
    count = len(rows)
    folded = replace(KINDS[name], train=rows, validation=rows, fold_of=np.arange(count) % 3)
    kind, labels = kind_for(folded), folded.train.labels
    width = len(kind.outputs(folded.names))
    noise = np.random.default_rng(4).normal(size=(3, 1, count, width))
    if kind.raw_as == "values":
        noise = labels.reshape(count, width) + noise * (1, 2, 3)[:1]
    raws = [oof(raw.astype("float32"), folded.fold_of) for raw in noise]
    for metric, measure in measures_for(folded).items():
        pool = Pool(folded, metric, measure.direction == "maximize")
        parts = [pool.part(one) for one in raws]
        picked, nested = pool.pick(parts, 3), pool.nested(parts, 3)
        expected = []
        for one in raws:
            output = kind.decided(one.raw[0])
            output = kind.settled(output, kind.settle(labels, output)) if kind.settles else output
            expected.append(evaluate(folded, labels, output)[metric])
        assert picked.alone == pytest.approx(expected, rel=1e-6, abs=1e-9), metric
        best = max(picked.alone) if pool.maximize else min(picked.alone)
        assert picked.score >= best if pool.maximize else picked.score <= best, metric
        assert np.isfinite([nested.single, nested.ensemble]).all(), metric
