"""What a step costs, and what it reports."""

import dataclasses

import pytest
import torch
from observe import having, watch
from tiny import batch_for, build

from adv import FGM, METHODS, PGD, Cost


def settings_of(name):
    """Every combination of how often and how joined."""
    grid = [{}]
    for setting, values in {"combine": ("mean", "sum", "replace"), "K": (1, 2, 3), "adv_step": (1, 2, 3)}.items():
        if name in having(setting):
            grid = [settings | {setting: value} for settings in grid for value in values]
    return grid


@pytest.mark.parametrize("family", ["bert", "roberta", "deberta", "distilbert", "electra", "modernbert"])
@pytest.mark.parametrize("name", METHODS)
def test_a_step_costs_what_it_says_and_no_more(family, name):
    model = build(family)
    batch = batch_for(model)
    for settings in settings_of(name) if family == "bert" else [{}]:
        method = METHODS[name](**settings)
        with watch(model) as seen:
            method.backward(model, batch)
        cost = method.cost()
        assert len(seen.passes) == cost.forward
        assert sum(one.backwards for one in seen.passes) == cost.backward + cost.inner
        assert all(one.backwards == 1 for one in seen.passes)
        assert set(seen.weight_backwards.values()) == {cost.backward}


def test_cost_in_clean_steps():
    assert Cost(1, 1).relative == 1
    assert FGM().cost().relative == 2
    assert FGM(combine="replace").cost().relative == pytest.approx(5 / 3)
    assert PGD(combine="sum", K=3).cost().relative == pytest.approx(10 / 3)


def test_every_method_says_where_it_is_from_and_what_each_setting_is():
    for kind in METHODS.values():
        assert kind.paper
        assert kind.__doc__
        assert all(field.metadata["text"] for field in dataclasses.fields(kind))


@pytest.mark.parametrize("name", [name for name in METHODS if name != "none"])
def test_diagnostics_are_means_since_they_were_last_read(name):
    model = build("bert", dropout=0.0)
    batch = batch_for(model)
    method = METHODS[name]()
    assert method.diagnostics() == {}
    method.backward(model, batch)
    once = method.diagnostics()
    assert method.diagnostics() == {}
    for _ in range(3):
        method.load_state_dict({})  # the random control counts its steps
        method.backward(model, batch)
    thrice = method.diagnostics()
    assert once["attacked"] == 1
    assert thrice["attacked"] == 3
    assert once["nonfinite"] == thrice["nonfinite"] == 0
    assert once["relative"] > 0
    assert thrice["gap"] == pytest.approx(once["gap"], rel=1e-4)


@pytest.mark.parametrize("name", having("epsilon"))
def test_reports_the_loss_gained_and_the_size_against_the_embeddings(name):
    model = build("bert")
    batch = batch_for(model)
    method = METHODS[name]()
    with watch(model) as seen:
        method.backward(model, batch)
    found = method.diagnostics()
    assert found["gap"] == pytest.approx(float(seen.losses[-1] - seen.losses[0]), rel=1e-4)
    real = batch["attention_mask"].bool()
    embedded = model.get_input_embeddings()(batch["input_ids"]).detach()
    if name in having("norm"):
        ids, where = batch["input_ids"][real].unique(return_inverse=True)
        rows = torch.zeros(len(ids), 32).index_copy(0, where, seen.shift[real])
        expected = rows.norm() / model.get_input_embeddings().weight.detach()[ids].norm()
    else:
        expected = (seen.shift[real].norm(dim=-1) / embedded[real].norm(dim=-1)).mean()
    assert found["relative"] == pytest.approx(float(expected), rel=1e-4)


def test_pgd_reports_what_the_ball_stopped():
    model = build("bert", dropout=0.0)
    batch = batch_for(model)
    idle, stopped = PGD(epsilon=1.0, alpha=0.3, K=3), PGD(epsilon=0.1, alpha=0.3, K=3)
    idle.backward(model, batch)
    stopped.backward(model, batch)
    assert idle.diagnostics()["clipped"] == 0
    assert stopped.diagnostics()["clipped"] == 1


@pytest.mark.parametrize("name", METHODS)
def test_state_goes_round(name):
    model = build("bert")
    method, other = METHODS[name](), METHODS[name]()
    method.backward(model, batch_for(model))
    method.after_step(model)
    other.load_state_dict(method.state_dict())
    assert other.state_dict().keys() == method.state_dict().keys()
    assert all(torch.equal(other.state_dict()[key], value) for key, value in method.state_dict().items())
    assert method.replays >= 1
