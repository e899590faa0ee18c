"""What every method promises, for every registered method on models with dropout."""

import pytest
import torch
from observe import gradients, having, radii, state_of, watch
from tiny import batch_for, build, grads_of

from adv import METHODS
from adv.embedding import SHARES

FAMILIES = ["bert", "roberta", "deberta", "distilbert", "electra", "modernbert"]
every_method = pytest.mark.parametrize("name", METHODS)
every_family = pytest.mark.parametrize("family", FAMILIES)


def settings_of(name):
    """The defaults, and enough steps to reach every branch."""
    return [{}, *({steps: 3} for steps in ("K", "adv_step") if name in having(steps))]


class Stop(BaseException):
    """Not an Exception, as when a person presses Ctrl-C."""


def clean(model, batch, seed=3):
    model.zero_grad()
    torch.manual_seed(seed)
    loss = model(**batch).loss
    after = torch.get_rng_state()
    loss.backward()
    return grads_of(model), loss.detach(), after


@every_method
@every_family
def test_only_adds_to_the_gradients(family, name):
    model = build(family)
    batch = batch_for(model)
    for combine in ("mean", "replace") if name in having("combine") else (None,):
        method = METHODS[name](**({} if combine is None else {"combine": combine}))
        alone, _ = gradients(method, model, batch)
        filled = {}
        for parameter_name, p in model.named_parameters():
            p.grad = torch.randn_like(p)
            filled[parameter_name] = (p.grad.clone(), p.grad.data_ptr())
        torch.manual_seed(3)
        method.backward(model, batch)
        assert alone
        for parameter_name, p in model.named_parameters():
            before, pointer = filled[parameter_name]
            added = alone.get(parameter_name, torch.zeros_like(p))
            torch.testing.assert_close(p.grad, before + added, rtol=1e-4, atol=2e-6)
            assert p.grad.data_ptr() == pointer


@every_method
@every_family
def test_leaves_the_model_as_it_was(family, name):
    model = build(family)
    batch = batch_for(model)
    frozen = [p for p_name, p in model.named_parameters() if p_name.endswith("bias")][:3]
    for p in frozen:
        p.requires_grad_(False)
    before = state_of(model)
    for settings in settings_of(name):
        METHODS[name](**settings).backward(model, batch)
        assert state_of(model) == before
    assert all(p.grad is None for p in frozen)


@every_method
@every_family
@pytest.mark.parametrize("same_dropout", [True, False])
def test_leaves_the_generator_where_one_plain_pass_does(family, name, same_dropout):
    model = build(family)
    batch = batch_for(model)
    _, _, after = clean(model, batch)
    for settings in settings_of(name):
        gradients(METHODS[name](same_dropout=same_dropout, **settings), model, batch)
        assert torch.equal(torch.get_rng_state(), after)


@every_method
@every_family
def test_restores_when_any_pass_raises_halfway(family, name):
    model = build(family)
    batch = batch_for(model)
    _, _, after = clean(model, batch)
    # The classifier is called last: by then every hook of the method has acted in this pass.
    last = model.score if hasattr(model, "score") else model.classifier
    for settings in settings_of(name):
        method = METHODS[name](**settings)
        for fatal in range(1, method.cost().forward + 1):
            calls = []

            def stop(module, args, calls=calls, fatal=fatal):
                calls.append(1)
                if len(calls) == fatal:
                    raise Stop

            handle = last.register_forward_pre_hook(stop)
            before = state_of(model)
            torch.manual_seed(3)
            with pytest.raises(Stop):
                method.backward(model, batch)
            assert len(calls) == fatal
            assert state_of(model) == before
            assert fatal == 1 or torch.equal(torch.get_rng_state(), after)
            handle.remove()


@every_method
@every_family
def test_radius_zero_is_clean_training(family, name):
    model = build(family)
    batch = batch_for(model)
    expected, loss, _ = clean(model, batch)
    assert name == "none" or radii(name), "add the method's radius to observe.ZERO"
    for radius in radii(name) or [{}]:
        for combine in ("mean", "replace", "sum") if name in having("combine") else (None,):
            method = METHODS[name](**radius, **({} if combine is None else {"combine": combine}))
            found, objective = gradients(method, model, batch)
            times = 2 if combine == "sum" else 1
            assert torch.equal(objective, times * loss)
            assert found.keys() == expected.keys()
            for parameter_name, gradient in found.items():
                torch.testing.assert_close(gradient, times * expected[parameter_name], rtol=1e-5, atol=1e-8)


@every_method
@every_family
def test_all_passes_see_the_same_dropout_masks_unless_told_otherwise(family, name):
    model = build(family)
    batch = batch_for(model)
    for radius in radii(name) or [{}]:
        with watch(model) as same:
            METHODS[name](**radius).backward(model, batch)
        with watch(model) as different:
            METHODS[name](**radius, same_dropout=False).backward(model, batch)
        assert len(set(map(float, same.losses))) == 1
        assert len(set(map(float, different.losses))) == len(different.losses)


@every_method
@every_family
def test_the_next_step_draws_new_dropout_masks(family, name):
    model = build(family)
    batch = batch_for(model)
    method = METHODS[name]()
    with watch(model) as seen:
        method.backward(model, batch)
        passes = len(seen.passes)
        method.backward(model, batch)
    assert seen.losses[0] != seen.losses[passes]


@every_method
@every_family
def test_returns_the_objective_detached(family, name):
    model = build(family)
    batch = batch_for(model)
    for combine in SHARES if name in having("combine") else (None,):
        method = METHODS[name](**({} if combine is None else {"combine": combine}))
        with watch(model) as seen:
            objective = method.backward(model, batch)
        before, after = SHARES.get(combine, (0, 1))
        assert objective.shape == ()
        assert not objective.requires_grad
        torch.testing.assert_close(objective, before * seen.losses[0] + after * seen.losses[-1])


@pytest.mark.parametrize("name", having("combine"))
@pytest.mark.parametrize("combine", SHARES)
def test_the_gradient_is_that_of_the_stated_objective(name, combine):
    """The clean and the adversarial gradient, recomputed at the recorded perturbation, joined by hand."""
    model = build("bert")
    batch = batch_for(model)
    before, after = SHARES[combine]
    expected, _, _ = clean(model, batch)
    with watch(model) as seen:
        found, _ = gradients(METHODS[name](combine=combine), model, batch)
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
