"""What a step costs, and what it reports."""

import dataclasses

import pytest
import torch
from helpers.tiny_models import batch_for, build
from helpers.watched_steps import ATTACKS, ON_EMBEDDINGS, UNMOVED, watch

from adv import FGM, METHODS, PGD, Cost


def test_cost_in_clean_steps():
    assert Cost(1, 1).relative == 1
    assert Cost(1, 1, first_layer=9).relative == 1
    assert Cost(1, 1, 1, second=1).relative == pytest.approx(2)
    assert FGM().cost().relative == 2
    assert FGM(combine="replace").cost().relative == pytest.approx(5 / 3)
    assert PGD(combine="sum", K=3).cost().relative == pytest.approx(10 / 3)


def test_every_method_says_where_it_is_from_and_what_each_setting_is():
    for kind in METHODS.values():
        assert kind.paper
        assert kind.__doc__
        assert all(field.metadata["text"] for field in dataclasses.fields(kind))


@pytest.mark.parametrize("name", ATTACKS)
def test_diagnostics_are_means_since_they_were_last_read(name):
    model = build("bert", dropout=0.0)
    batch = batch_for(model)
    method = METHODS[name]()
    assert method.diagnostics() == {}
    method.backward(model, batch)
    once = method.diagnostics()
    assert method.diagnostics() == {}
    for _ in range(3):
        method.load_state_dict({})  # noise counts its steps, teachers and tables are kept
        method.backward(model, batch)
    thrice = method.diagnostics()
    assert once["attacked"] == 1
    assert thrice["attacked"] == 3
    assert once["nonfinite"] == thrice["nonfinite"] == 0
    assert name in UNMOVED or once["relative"] > 0
    assert thrice.keys() == once.keys() <= {"relative", "clipped", "gap", "nonfinite", "attacked"}
    assert thrice.get("gap", 0) == pytest.approx(once.get("gap", 0), rel=1e-4)


@pytest.mark.parametrize("name", ON_EMBEDDINGS)
def test_reports_the_loss_gained_and_the_size_against_the_embeddings(name):
    model = build("bert")
    batch = batch_for(model)
    method = METHODS[name]()
    with watch(model) as seen:
        method.backward(model, batch)
    found = method.diagnostics()
    if "gap" in found:
        clean = seen.losses[1] if name == "smart" else seen.losses[0]  # its teacher comes first
        assert found["gap"] == pytest.approx(float(seen.losses[-1] - clean), rel=1e-3, abs=1e-6)
    real = batch["attention_mask"].bool()
    shift, embedded = seen.shift, model.get_input_embeddings()(batch["input_ids"]).detach()
    ids, where = batch["input_ids"][real].unique(return_inverse=True)
    rows = torch.zeros(len(ids), 32).index_copy(0, where, shift[real])
    texts = shift.flatten(1).norm(dim=1) / (embedded * real[..., None]).flatten(1).norm(dim=1)
    expected = {
        "matrix": rows.norm() / model.get_input_embeddings().weight.detach()[ids].norm(),
        "example": texts.mean(),
        "token": (shift[real].norm(dim=-1) / embedded[real].norm(dim=-1)).mean(),
    }[method.geometry]
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
