"""The control for weight attacks: AWP's tensors, rows, step and box, in a random direction."""

import pytest
import torch
from helpers.by_hand import bitwise, same
from helpers.tiny_models import Bag, batch_for, build
from helpers.watched_steps import gradients, state_of, watch
from torch.nn import functional as F

from adv import AWP, Clean, RandomWeights


def displacements(method, model, batch, seed=3):
    """What each tensor has moved by in the last pass, and the pass's loss above the first one's."""
    torch.manual_seed(seed)
    with watch(model) as seen:
        method.backward(model, batch)
    first, last = seen.passes[0].weights, seen.passes[-1].weights
    return {name: last[name] - first[name] for name in first}


@pytest.mark.parametrize("form", ["box", "gamma"])
@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_every_tensor_moves_as_far_as_under_awp_in_another_direction(family, form):
    model = build(family)
    batch = batch_for(model)
    common = {"adv_lr": 0.01, "adv_eps": 1e9, "form": form}
    aimed, random = (displacements(kind(**common), model, batch) for kind in (AWP, RandomWeights))
    matrices = 0
    for name, shift in aimed.items():
        weight = model.get_parameter(name).detach()
        if not shift.any():
            assert not random[name].any(), name
            continue
        # The listing's additive constant shortens a step along a small gradient.
        assert float(random[name].norm() / weight.norm()) == pytest.approx(0.01, rel=1e-3), name
        assert float(shift.norm() / weight.norm()) == pytest.approx(0.01, rel=0.1), name
        if weight.dim() > 1:
            matrices += 1
            assert F.cosine_similarity(shift.flatten(), random[name].flatten(), dim=0).abs() < 0.3, name
    assert matrices > 5


def test_only_the_batch_s_rows_move_and_biases_never():
    model = build("bert")
    batch = batch_for(model)
    moved = displacements(RandomWeights(), model, batch)
    rows = moved["bert.embeddings.word_embeddings.weight"].any(1).nonzero().flatten()
    assert torch.equal(rows, batch["input_ids"][batch["attention_mask"].bool()].unique())
    assert not any(shift.any() for name, shift in moved.items() if name.endswith("bias"))
    assert all(shift.any() for name, shift in moved.items() if name.endswith("weight"))


@pytest.mark.parametrize("adv_step", [1, 3])
def test_stays_in_its_box(adv_step):
    model = build("bert")
    moved = displacements(RandomWeights(adv_lr=1.0, adv_eps=0.01, adv_step=adv_step), model, batch_for(model))
    for name, shift in moved.items():
        assert (shift.abs() <= 0.01 * model.get_parameter(name).abs() * (1 + 1e-5)).all(), name


def test_the_gradient_is_that_at_the_moved_weights():
    model, twin = Bag(), Bag()
    batch = batch_for(model)
    found, _ = gradients(RandomWeights(adv_lr=0.3), model, batch)
    moved = displacements(RandomWeights(adv_lr=0.3), model, batch)
    twin.load_state_dict({name: p.detach() + moved[name] for name, p in model.named_parameters()})
    same(found, gradients(Clean(), twin, batch)[0])


def test_the_direction_is_new_in_every_step_and_the_same_for_the_same_seed_and_step():
    model = build("bert", dropout=0.0)
    batch = batch_for(model)
    method, again = RandomWeights(), RandomWeights()
    one, other = (displacements(method, model, batch)["classifier.weight"].flatten() for _ in range(2))
    assert F.cosine_similarity(one, other, dim=0).abs() < 0.5
    assert torch.equal(displacements(again, model, batch)["classifier.weight"].flatten(), one)
    resumed = RandomWeights()
    resumed.load_state_dict(again.state_dict())
    assert torch.equal(displacements(resumed, model, batch)["classifier.weight"].flatten(), other)


def test_the_direction_does_not_depend_on_the_loss():
    model = build("bert")
    batch = batch_for(model)
    one = displacements(RandomWeights(), model, batch)
    other = displacements(RandomWeights(), model, batch | {"labels": (batch["labels"] + 1) % 3})
    bitwise(one, other)


@pytest.mark.parametrize(("combine", "passes"), [("replace", [0, 1]), ("mean", [1, 1])])
def test_no_backward_pass_is_spent_on_the_direction(combine, passes):
    model = build("bert")
    before = state_of(model)
    method = RandomWeights(combine=combine)
    with watch(model) as seen:
        method.backward(model, batch_for(model))
    assert [one.backwards for one in seen.passes] == passes
    assert method.cost()[:3] == (2, sum(passes), 0)
    assert state_of(model) == before
