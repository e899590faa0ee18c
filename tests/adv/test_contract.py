"""What every method promises, registered or from outside the tree, on nine families, on models with dropout."""

import pytest
import torch
from helpers.outside_methods import OUTSIDE
from helpers.tiny_models import FAMILIES, batch_for, build
from helpers.watched_steps import (
    ATTACKS,
    KNOWN,
    UNMOVED,
    clean,
    clean_of,
    gradients,
    has,
    in_turn,
    kinds,
    state_of,
    still,
    watch,
)

from adv.steps.embedding import EmbeddingMethod
from adv.steps.weights import WeightMethod

# How much of the clean and of the adversarial gradient counts.
SHARES = {"mean": (0.5, 0.5), "sum": (1.0, 1.0), "replace": (0.0, 1.0)}

every_pair = pytest.mark.parametrize(("family", "name"), in_turn(FAMILIES))


def settings_of(name, family="bert"):
    """The defaults, and on one family enough steps to reach every branch."""
    more = [{steps: 3} for steps in ("K", "adv_step", "rounds") if has(name, steps)] if family == "bert" else []
    return [{}, *more]


class Stop(BaseException):
    """Not an Exception, as when a person presses Ctrl-C."""


@every_pair
def test_only_adds_to_the_gradients_and_leaves_all_else_as_it_was(family, name):
    """Weights, memory, hooks, requires_grad and mode; the generator stands where one plain pass leaves it."""
    model = build(family)
    batch = batch_for(model)
    frozen = [p for p_name, p in model.named_parameters() if p_name.endswith("bias")][:3]
    for p in frozen:
        p.requires_grad_(False)
    _, _, after = clean_of(family)
    before = state_of(model)
    for settings in settings_of(name, family):
        method = KNOWN[name](**settings)
        alone, _ = gradients(method, model, batch)
        assert alone
        filled = {}
        for parameter_name, p in model.named_parameters():
            if p.requires_grad:
                p.grad = torch.randn_like(p)
                filled[parameter_name] = (p.grad.clone(), p.grad.data_ptr())
        torch.manual_seed(3)
        method.backward(model, batch)
        assert torch.equal(torch.get_rng_state(), after)
        for parameter_name, (gradient, pointer) in filled.items():
            p = model.get_parameter(parameter_name)
            added = alone.get(parameter_name, torch.zeros_like(p))
            torch.testing.assert_close(p.grad, gradient + added, rtol=1e-4, atol=1e-5)
            assert p.grad.data_ptr() == pointer
        assert state_of(model) == before
    assert all(p.grad is None for p in frozen)


@every_pair
def test_restores_when_any_pass_raises_halfway(family, name):
    model = build(family)
    batch = batch_for(model)
    _, _, after = clean_of(family)
    # The classifier is called last: by then every hook of the method has acted in this pass.
    last = model.score if hasattr(model, "score") else getattr(model, "classifier", None) or model.logits_proj
    before = state_of(model)
    for settings in settings_of(name, family):
        method = KNOWN[name](**settings)
        for fatal in range(1, method.cost().forward + 1):
            calls = []

            def stop(module, args, calls=calls, fatal=fatal):
                calls.append(1)
                if len(calls) == fatal:
                    raise Stop

            handle = last.register_forward_pre_hook(stop)
            torch.manual_seed(3)
            with pytest.raises(Stop):
                method.backward(model, batch)
            handle.remove()
            assert len(calls) == fatal
            assert state_of(model) == before
            assert fatal == 1 or torch.equal(torch.get_rng_state(), after)


def joined(family, name):
    """The ways to combine two gradients: all of them on one family, on the others each with a third of the methods."""
    if not has(name, "combine"):
        return (None,)
    ways = ("mean", "replace", "sum")
    turn = list(FAMILIES).index(family) + list(KNOWN).index(name)
    return ways if family == "bert" else (ways[turn % 3],)


@every_pair
def test_radius_zero_is_clean_training(family, name):
    model = build(family)
    batch = batch_for(model)
    expected, loss, _ = clean_of(family)
    assert name == "none" or KNOWN[name].null, "say in the method's null with which settings it is clean training"
    for radius in KNOWN[name].null or [{}]:
        for combine in joined(family, name):
            method = KNOWN[name](**radius, **({} if combine is None else {"combine": combine}))
            found, objective = gradients(method, model, batch)
            times = 2 if combine == "sum" else 1
            torch.testing.assert_close(objective, times * loss, rtol=3e-7, atol=0)
            assert found.keys() == expected.keys()
            for parameter_name, gradient in found.items():
                scale = float(expected[parameter_name].abs().max())
                torch.testing.assert_close(gradient, times * expected[parameter_name], rtol=1e-5, atol=1e-8 + 1e-6 * scale)


@every_pair
def test_all_passes_of_a_step_see_the_same_dropout_masks_and_the_next_step_new_ones(family, name):
    model = build(family)
    batch = batch_for(model)
    method = KNOWN[name](**still(name))
    with watch(model) as same:
        method.backward(model, batch)
        count = len(same.losses)
        method.backward(model, batch)
    assert len(set(map(float, same.losses))) == 2
    assert same.losses[0] != same.losses[count]
    different = KNOWN[name](**still(name), same_dropout=False)
    torch.manual_seed(3)
    with watch(model) as seen:
        different.backward(model, batch)
    assert len(set(map(float, seen.losses))) == len(seen.losses)
    assert torch.equal(torch.get_rng_state(), clean_of(family)[2])


@every_pair
def test_a_step_costs_what_it_says_and_no_more(family, name):
    model = build(family)
    batch = batch_for(model)
    grid = [{}]
    counts = {"K": (1, 2, 3), "adv_step": (1, 2), "rounds": (1, 3), "n": (1, 3)}
    for setting, values in {"combine": SHARES, **counts, "form": ("alum",)}.items():
        if family == "bert" and has(name, setting) and not (has(name, "attack") and setting == "K"):
            given = [value for value in values if setting != "form" or name == "vat"]
            grid = [settings | {setting: value} for settings in grid for value in given or [None]]
    for settings in grid:
        method = KNOWN[name](**{key: value for key, value in settings.items() if value is not None})
        with watch(model) as seen:
            method.backward(model, batch)
        cost = method.cost()
        assert len(seen.whole) == cost.forward
        assert len(seen.passes) - len(seen.whole) == cost.first_layer
        assert sum(one.backwards for one in seen.passes) == cost.backward + cost.inner
        # A weight that takes part in several passes of one objective is told their sum, once.
        assert max(seen.weight_backwards.values()) <= cost.backward


@pytest.mark.parametrize("name", [*kinds(EmbeddingMethod, WeightMethod), "half_way"])
@pytest.mark.parametrize("combine", SHARES)
def test_the_gradient_is_that_of_the_stated_objective(name, combine):
    """The clean and the adversarial gradient, recomputed at the recorded perturbation, joined by hand."""
    if combine not in ("replace",) and not has(name, "combine"):
        pytest.skip("its gradient always replaces the clean one")
    model = build("bert")
    batch = batch_for(model)
    before, after = SHARES[combine]
    expected, _, _ = clean_of("bert")
    with watch(model) as seen:
        method = KNOWN[name](**({"combine": combine} if has(name, "combine") else {}))
        found, objective = gradients(method, model, batch)
    assert objective.shape == ()
    assert not objective.requires_grad
    torch.testing.assert_close(objective, before * seen.losses[0] + after * seen.losses[-1])
    last = seen.passes[-1]
    with torch.no_grad():
        for parameter_name, p in model.named_parameters():
            p.copy_(last.weights[parameter_name])
    handle = model.get_input_embeddings().register_forward_hook(lambda module, args, output: output + last.shift)
    adversarial, _, _ = clean(model, batch)
    handle.remove()
    assert not torch.equal(adversarial["classifier.weight"], expected["classifier.weight"])
    for parameter_name, gradient in found.items():
        joined = before * expected[parameter_name] + after * adversarial[parameter_name]
        torch.testing.assert_close(gradient, joined, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", [*ATTACKS, *OUTSIDE])
def test_returns_the_objective_detached_and_moves_something(name):
    model = build("bert")
    batch = batch_for(model)
    expected, _, _ = clean_of("bert")
    found, objective = gradients(KNOWN[name](), model, batch)
    assert objective.shape == ()
    assert objective.dtype == torch.float32
    assert not objective.requires_grad
    if name not in UNMOVED:
        assert any(not torch.equal(found[key], gradient) for key, gradient in expected.items())
    assert torch.isfinite(objective)
