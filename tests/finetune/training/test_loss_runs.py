"""Losses in runs: every pass that trains uses them, micro-batches add up, and shares are trained as log-odds."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from helpers.small_tasks import labels_task, numbers_task, reviews_task, shares_task, steps_task, train
from helpers.tagged_sentences import tokens_task
from scipy.special import expit
from torch import nn
from torch.nn import functional as F

from adv import METHODS, Clean
from adv.steps.fixed import FixedAttack
from finetune.config import Recipe
from finetune.errors import UserError
from finetune.tasks import kind_for
from finetune.tasks.task import Rows
from finetune.training.bench import Bench
from finetune.training.keep import keep
from finetune.training.loop import Training
from finetune.training.losses import fitting
from finetune.training.steps import epoch_steps
from finetune.training.views import attacked
from studies.checking.look import look

ROWS = 24
FOCAL = {"loss": "focal", "focal_gamma": 1.0, "class_weights": "balanced"}


@pytest.fixture(scope="module")
def bench():
    task = reviews_task()
    made = Bench(task, Recipe())
    uneven = np.r_[np.flatnonzero(task.train.labels == 0)[:5], np.flatnonzero(task.train.labels == 1)[: ROWS - 5]]
    made.train = made.encode(task.train.take(uneven))
    return made


def first_moments(bench, method, **options):
    """AdamW's mean gradient after one step over all rows, without dropout."""
    training = Training(bench, Recipe(epochs=1, max_grad_norm=1e9, **options), method)
    for module in training.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    list(training.epochs())
    return torch.cat([state["exp_avg"].flatten() for state in training.optimiser.state_dict()["state"].values()])


@pytest.mark.parametrize(
    "settings", [{"class_weights": "balanced", "label_smoothing": 0.1}, FOCAL], ids=["smoothed", "focal"]
)
@pytest.mark.parametrize(("size", "accumulation"), [(7, 4), (1, ROWS)])
def test_micro_batches_add_up_to_one_large_batch(bench, settings, size, accumulation):
    whole = first_moments(bench, Clean(), batch_size=ROWS, **settings)
    parts = first_moments(bench, Clean(), batch_size=size, gradient_accumulation=accumulation, **settings)
    assert whole.norm() > 0.005
    torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-6)


def test_the_loop_trains_the_loss_by_hand(bench):
    recipe = Recipe(epochs=1, batch_size=ROWS, **FOCAL)
    model = bench.models.build(0).to(bench.device)
    batch = bench.train.batch(np.arange(ROWS), bench.device)
    training = Training(bench, recipe, Clean())
    for made in (model, training.model):
        for module in made.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    p = logits.softmax(-1)[range(ROWS), batch["labels"]]
    weight = torch.tensor([ROWS / (2 * 5), ROWS / (2 * (ROWS - 5))])[batch["labels"]]
    expected = float((-weight * (1 - p) * p.log()).mean().detach())
    assert next(training.epochs()).loss == pytest.approx(expected, rel=1e-5)


def gradients(method, model, batch, forward):
    model.zero_grad()
    torch.manual_seed(1)
    objective = method.backward(model, batch, forward=forward)
    return objective, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("name", METHODS)
def test_with_nothing_to_perturb_every_method_has_the_gradient_of_the_recipes_loss(bench, name):
    kind = METHODS[name]
    model = bench.models.build(0).to(bench.device).train()
    batch, forward = bench.train.batch(np.arange(8), bench.device), bench.forward_of(Recipe(**FOCAL))
    clean = gradients(Clean(), model, batch, forward)
    other = gradients(Clean(), model, batch, bench.forward_of(Recipe()))
    assert not torch.allclose(clean[1], other[1], rtol=0.1)
    for settings in kind.null or [{}]:
        method = kind(**settings)
        method.follow(torch.optim.AdamW(model.parameters()))
        found = gradients(method, model, batch, forward)
        torch.testing.assert_close(found[0], clean[0], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(found[1], clean[1], rtol=1e-3, atol=1e-6)
    attacked = gradients(kind(), model, batch, forward)
    assert torch.isfinite(attacked[1]).all()


FORMS = {
    "classes": reviews_task,
    "numbers": numbers_task,
    "shares": shares_task,
    "labels": labels_task,
    "steps": steps_task,
    "steps as classes": partial(steps_task, "classes"),
    "steps as a number": partial(steps_task, "number"),
    "tokens": tokens_task,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_kind_takes_its_losses(form):
    """Each has a gradient of its own; a batch has no loss for labels that it does not have."""
    task, found = FORMS[form](), []
    names = [
        name for name in fitting(kind_for(task)) if (name == "bce") == (form == "shares") or form in ("labels", "steps")
    ]
    weighted = [] if kind_for(task).problem == "regression" else [{"class_weights": "balanced"}]
    for settings in [*({"loss": name} for name in names), *weighted]:
        bench = Bench(task, Recipe(**settings))
        model = bench.models.build(0).to(bench.device).eval()
        batch = bench.train.batch(np.arange(8), bench.device)
        objective, slopes = gradients(Clean(), model, batch, bench.forward_of(Recipe(**settings)))
        assert torch.isfinite(objective)
        assert all(not torch.allclose(slopes, other, rtol=0.01) for other in found)
        found.append(slopes)
    assert len(found) == (1 if form == "shares" else 2) + len(weighted)


def test_micro_batches_of_tokens_add_up_too():
    bench = Bench(tokens_task(), Recipe())
    settings = FOCAL | {"label_smoothing": 0.0}
    many = len(bench.train)
    whole = first_moments(bench, Clean(), batch_size=many, **settings)
    parts = first_moments(bench, Clean(), batch_size=5, gradient_accumulation=many, **settings)
    assert whole.norm() > 1e-4
    torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-6)


def test_check_looks_at_the_recipes_loss(bench):
    recipe = Recipe(**FOCAL)
    facts = look(bench, recipe, "fgm", {}).facts
    micro = next(epoch_steps(bench.train, recipe, 0, Clean(), bench.device)).micros[0]
    model = bench.models.build(0).train()
    torch.manual_seed(micro.seed)
    expected = bench.forward_of(recipe)(model, micro.batch)["loss"].detach()
    assert facts.clean.objective == pytest.approx(float(expected), rel=1e-5)
    assert facts.gap > 0


@pytest.mark.parametrize("targets", [1, 2])
def test_shares_are_trained_as_log_odds_and_predicted_as_shares(targets, tmp_path):
    task, recipe = shares_task(targets), Recipe(epochs=3, loss="bce")
    bench = Bench(task, recipe)
    torch.testing.assert_close(bench.train.labels, torch.from_numpy(task.train.labels))
    training = train(bench, recipe, METHODS["fgm"](epsilon=0.1))
    losses = [epoch.loss for epoch in training.history]
    assert losses[-1] < losses[0]
    predicted = bench.predict(training.model, bench.validation)
    assert predicted.shape == task.validation.labels.shape
    assert ((predicted > 0) & (predicted < 1)).all()
    assert training.history[-1].metrics["rmse"] < 0.5
    notes = keep(bench, training.model, tmp_path)
    assert [note for note in notes if "log-odds" in note]
    assert not [note for note in notes if "does NOT" in note or "cannot" in note]
    assert "torch.sigmoid(logits)" in (tmp_path / "README.md").read_text()


def test_the_robust_view_of_shares_attacks_their_own_loss():
    task, recipe = shares_task(2), Recipe(epochs=2, loss="bce")
    bench = Bench(task, recipe, ("robust",))
    training = train(bench, recipe, Clean())

    def entropy(answer):
        predicted = bench.predict(training.model, bench.validation, answer=answer)
        truth = task.validation.labels
        return -(truth * np.log(predicted) + (1 - truth) * np.log(1 - predicted)).mean()

    # The squared distance between log-odds and shares pulls many of them towards the truth.
    own, plain_numbers = entropy(bench._attacked()), entropy(attacked(bench.models.tokenizer))
    assert own > plain_numbers
    assert own > entropy(attacked(bench.models.tokenizer, FixedAttack(epsilon=0.0)))
    predicted = bench.predict(training.model, bench.validation, answer=bench._attacked())
    errors = np.sqrt(np.mean((predicted - task.validation.labels) ** 2, axis=0))
    assert training.history[-1].metrics["robust_mcrmse"] == pytest.approx(errors.mean(), rel=1e-4)


def test_the_robust_view_of_classes_attacks_the_same_loss_in_every_trial(bench):
    watched = Bench(reviews_task(), Recipe(), ("robust",))
    other = Bench(reviews_task(), Recipe(**FOCAL), ("robust",))
    model = watched.models.build(0).to(watched.device)
    args = (model, watched.validation, watched.task.validation, Recipe())
    assert watched.score(*args) == other.score(*args)


def test_the_first_step_on_shares_is_torchs_bce():
    bench = Bench(shares_task(1), Recipe(loss="bce"))
    training = Training(bench, Recipe(epochs=1, batch_size=64, loss="bce"), Clean())
    for module in training.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        batch = bench.train.batch(np.arange(64), bench.device)
        logits = training.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    assert expit(logits.numpy()) == pytest.approx(bench.predict(training.model, bench.train), rel=1e-5)
    expected = float(F.binary_cross_entropy_with_logits(logits, batch["labels"]))
    assert next(training.epochs()).loss == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("low", "high"), [(-0.1, 1.0), (0.0, 1.1), (0.0, 5.0), (-1.0, -0.5), (0.0, 1e6)])
def test_targets_that_are_no_shares_are_refused_before_a_model_is_read(low, high):
    task = shares_task(2)
    labels = task.train.labels.copy()
    labels[0, 1], labels[1, 1] = low, high
    broken = replace(task, train=Rows(task.train.texts, None, labels))
    with pytest.raises(UserError, match="needs targets from 0 to 1, but those of commas go from"):
        Bench(broken, Recipe(loss="bce", model="there_is_none"))


def test_a_bench_of_other_units_is_refused():
    bench = Bench(shares_task(1), Recipe())
    with pytest.raises(UserError, match="make another Bench"):
        Training(bench, Recipe(loss="bce"), Clean())


def test_the_line_about_class_weights():
    task = reviews_task()
    few = np.r_[np.flatnonzero(task.train.labels == 0)[:1], np.flatnonzero(task.train.labels == 1)[:19]]
    bench = Bench(replace(task, train=task.train.take(few)), Recipe(class_weights="balanced"))
    rare, usual = task.names
    line = f"class_weights='balanced': a row of a class counts from 0.526 ({usual}) to 10 ({rare}), by the train rows"
    assert line in bench.notes
    assert not [note for note in Bench(task, Recipe()).notes if "class_weights" in note]


def test_the_line_about_class_weights_of_classes_with_an_order():
    labels = steps_task().train.labels
    few, many = ((labels < step).sum() / (labels >= step).sum() for step in (1, 2))
    [line] = [note for note in Bench(steps_task(), Recipe(class_weights="balanced")).notes if "class_weights" in note]
    ends = f"from {few:.3g} (above short) to {many:.3g} (above middling)"
    assert line == f"class_weights='balanced': a row counts {ends}, by the train rows"
