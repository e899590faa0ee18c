"""``every``: one of n batches is attacked as ever, and the others train clean."""

from collections import Counter

import pytest
import torch
from helpers.by_hand import bitwise, unmasked
from helpers.small_tasks import assert_same_state, reviews_task, state_of
from helpers.tiny_models import Bag, batch_for, build
from helpers.watched_steps import gradients, grads_of, watch

from adv import AWP, FGM, METHODS, SAM, Clean, Precision, SettingError
from adv.steps.spaced import Spaced
from finetune.config import Recipe
from finetune.training.bench import Bench
from finetune.training.loop import Training
from studies.checking.look import look

SPACED = sorted(name for name, kind in METHODS.items() if issubclass(kind, Spaced))


def step(method, model, batch):
    """The gradients of the method's next step, and its objective."""
    model.zero_grad()
    torch.manual_seed(3)
    loss = method.backward(model, batch)
    return grads_of(model), loss


def cross_entropy(model, embedded, labels):
    """The loss of a bag of words, from its embeddings."""
    logits = embedded.mean(1) @ model.output.weight.T + model.output.bias
    return torch.nn.functional.cross_entropy(logits, labels)


def test_the_attacked_batch_has_the_formula_and_the_others_the_plain_gradient():
    """FGM, Miyato et al. eq. 4, per text: half the gradient at the text, half at ``e + epsilon g / ||g||``."""
    model = Bag()
    batch = unmasked(batch_for(model))
    labels = batch["labels"]
    method, attacked = FGM(epsilon=0.7, norm="example", every=3), []
    weights = [model.output.weight, model.output.bias]
    for number in range(7):
        found, loss = step(method, model, batch)
        embedded = model.embedding(batch["input_ids"]).detach().requires_grad_()
        clean = cross_entropy(model, embedded, labels)
        slope = torch.autograd.grad(clean, embedded, retain_graph=True)[0]
        worst = embedded.detach() + 0.7 * slope / slope.flatten(1).norm(dim=1)[:, None, None]
        objective = clean if number % 3 else (clean + cross_entropy(model, worst, labels)) / 2
        attacked += [number] if number % 3 == 0 else []
        torch.testing.assert_close(loss, objective.detach())
        for name, expected in zip(("output.weight", "output.bias"), torch.autograd.grad(objective, weights), strict=True):
            torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-6)
    assert method.diagnostics()["attacked"] == len(attacked) == 3


@pytest.mark.parametrize("name", SPACED)
def test_passes_are_those_of_one_attacked_batch_and_clean_ones(name):
    model = build("bert")
    batch, method, plain = batch_for(model), METHODS[name](every=4), METHODS[name]()
    clean = gradients(Clean(), model, batch)[0]
    counts = []
    for _ in range(5):
        with watch(model) as seen:
            found, _ = step(method, model, batch)
        counts.append(len(seen.passes))
        if len(counts) % 4 != 1:
            bitwise(found, clean)
    with watch(model) as seen:
        bitwise(gradients(plain, model, batch)[0], gradients(METHODS[name](every=1), model, batch)[0])
    own = len(seen.passes) // 2
    assert counts == [own, 1, 1, 1, own]
    assert own > 1
    assert method.cost().forward == pytest.approx((plain.cost().forward + 3) / 4)
    assert method.cost().relative == pytest.approx((plain.cost().relative + 3) / 4)


def test_the_usual_methods_have_it():
    assert set(SPACED) >= {"fgsm", "fgm", "pgd", "mifgm", "creat", "random", "awp", "sam", "asam", "random_weights"}


@pytest.mark.parametrize("value", [0, -3, 1.5, "often", None, True])
def test_what_is_no_number_of_batches_is_refused(value):
    with pytest.raises(SettingError, match="every must be"):
        FGM(every=value)


def test_micro_batches_are_counted_and_a_fresh_start_counts_anew():
    model = Bag()
    batch, method = batch_for(model), SAM(every=2)
    kinds = Counter()
    for _ in range(3):
        with watch(model) as seen:
            method.backward(model, batch, Precision(), share=0.5)
        kinds[len(seen.passes)] += 1
    assert kinds == {2: 2, 1: 1}
    method.load_state_dict({})
    with watch(model) as seen:
        method.backward(model, batch)
    assert len(seen.passes) == 2


def test_a_method_that_has_not_begun_has_no_state():
    assert FGM(every=3).state_dict() == AWP(every=2).state_dict() == {}


def test_the_control_is_as_sparse_as_the_attack():
    assert FGM(every=3).rival().every == AWP(every=3).rival().every == 3


def test_a_check_looks_at_a_step_that_attacks():
    recipe = Recipe(batch_size=8, epochs=1)
    facts = look(Bench(reviews_task(), recipe), recipe, "fgm", {"every": 3, "epsilon": 0.7}).facts
    assert facts.method.cost().relative == 2
    assert facts.gap > 0


@pytest.mark.parametrize("method", [FGM, AWP])
def test_a_run_that_is_taken_up_attacks_the_same_batches(method, tmp_path):
    """Three batches an epoch and one of two attacked: epochs begin with attacked and clean batches in turn."""
    recipe = Recipe(epochs=3, batch_size=22)
    bench = Bench(reviews_task(), recipe)
    whole = Training(bench, recipe, method(every=2))
    for epoch in whole.epochs():
        whole.save(tmp_path / f"{epoch.number}")
    assert [epoch.diagnostics["attacked"] for epoch in whole.history] == [2, 1, 2]
    for number in (0, 1):
        again = Training(bench, recipe, method(every=2))
        assert again.load(tmp_path / f"{number}")
        assert len(list(again.epochs())) == 3
        assert_same_state(state_of(again), state_of(whole))
