"""The control that a method gives for its own settings: as far, from the same start, in a direction that knows no label."""

import dataclasses

import pytest
import torch
from helpers.by_hand import bitwise
from helpers.tiny_models import batch_for, build
from helpers.watched_steps import gradients, state_of, watch
from torch.nn import functional as F

from adv import (
    ASAM,
    AWP,
    FGM,
    FGSM,
    METHODS,
    MIFGM,
    PGD,
    R3F,
    SAM,
    SMART,
    TAVAT,
    VAT,
    YOPO,
    Clean,
    CreAT,
    FreeAT,
    FreeLB,
    GradientPenalty,
    NEFTune,
    RandomDirection,
    RandomWeights,
    SiFT,
)  # fmt: skip

EMBEDDINGS = [
    FGM(epsilon=0.3, norm="token"),
    FGSM(epsilon=0.02),
    PGD(epsilon=1.0, alpha=0.1, K=3),
    PGD(epsilon=0.05, alpha=0.1, K=2, norm="example", combine="replace"),
    MIFGM(epsilon=0.4, alpha=0.2, K=2),
    FreeLB(epsilon=0.5, init_mag=0.0, K=2),
    FreeAT(epsilon=0.2, K=2),
    YOPO(n=2, K=1),
    TAVAT(K=2),
    CreAT(K=3),
    SMART(teacher_weight=0.0),
    VAT(K=1),
    VAT(K=1, form="alum", epsilon=1e-2),
    SiFT(alpha=1e-2),
]  # fmt: skip
WEIGHTS = [
    AWP(adv_lr=0.02, adv_step=2),
    AWP(form="gamma", combine="mean"),
    AWP(direction="momentum"),
    AWP(attack="pgd", K=2),
    SAM(),
    ASAM(rho=0.2),
]


def name_of(method):
    return type(method).__name__


def moved(method, model, batch):
    """What the embeddings' output has moved by in the last pass, on the real tokens."""
    torch.manual_seed(3)
    for _ in range(method.replays):
        with watch(model) as seen:
            method.backward(model, batch)
    return seen.shift[batch["attention_mask"].bool()]


@pytest.mark.parametrize("method", EMBEDDINGS, ids=name_of)
def test_embeddings_move_as_far_in_a_direction_that_knows_no_label(method):
    model = build("bert", dropout=0.0)
    batch = batch_for(model)
    rival = method.rival()
    assert (type(rival), dataclasses.asdict(rival)) == (type(method), dataclasses.asdict(method))
    other = batch | {"labels": (batch["labels"] + 1) % 3}
    aimed, blind = moved(dataclasses.replace(method), model, batch), moved(rival, model, batch)
    # As far up to the paths: gradients turn a little from step to step, the noise does not.
    assert 0.5 < float(aimed.norm() / blind.norm()) < 2
    assert blind.norm() > 0
    if not isinstance(method, (VAT, SMART, SiFT)):  # those look at no label at all
        torch.testing.assert_close(blind, moved(method.rival(), model, other))
        assert not torch.equal(aimed, moved(dataclasses.replace(method), model, other))


@pytest.mark.parametrize("norm", ["matrix", "example", "token"])
def test_the_control_of_fgm_is_the_random_direction(norm):
    model = build("bert")
    batch = batch_for(model)
    common = {"epsilon": 0.4, "norm": norm, "combine": "sum"}
    torch.manual_seed(5)
    blind, _ = gradients(FGM(**common).rival(), model, batch)
    torch.manual_seed(5)
    bitwise(blind, gradients(RandomDirection(**common), model, batch)[0])


@pytest.mark.parametrize("settings", [{}, {"adv_step": 2, "adv_lr": 0.01}, {"form": "gamma"}, {"combine": "mean"}])
def test_the_control_of_awp_is_random_weights(settings):
    model = build("bert")
    batch = batch_for(model)
    torch.manual_seed(5)
    blind, _ = gradients(AWP(**settings).rival(), model, batch)
    torch.manual_seed(5)
    bitwise(blind, gradients(RandomWeights(**settings), model, batch)[0])


@pytest.mark.parametrize("method", WEIGHTS, ids=name_of)
def test_weights_move_as_far_in_a_direction_that_knows_no_label(method):
    model = build("bert", dropout=0.0)
    batch = batch_for(model)

    def shifts(one, data):
        torch.manual_seed(3)
        one.follow(torch.optim.AdamW(model.parameters()))
        with watch(model) as seen:
            one.backward(model, data)
        first, last = seen.passes[0].weights, seen.passes[-1].weights
        return torch.cat([(last[name] - first[name]).flatten() for name in sorted(first)])

    before = state_of(model)
    aimed, blind = shifts(dataclasses.replace(method), batch), shifts(method.rival(), batch)
    assert torch.equal(blind, shifts(method.rival(), batch | {"labels": (batch["labels"] + 1) % 3}))
    assert state_of(model) == before
    if getattr(method, "direction", "") == "momentum":
        assert blind.norm() > 0  # the mean of gradients is still empty, so the attack itself does not move
    else:
        assert 0.4 < float(aimed.norm() / blind.norm()) < 2.5
        assert F.cosine_similarity(aimed, blind, dim=0).abs() < 0.3


@pytest.mark.parametrize(
    "method", [Clean(), RandomDirection(), RandomWeights(), R3F(), NEFTune(), GradientPenalty()], ids=name_of
)
def test_what_is_noise_itself_has_no_control(method):
    assert method.rival() is None


@pytest.mark.parametrize("name", METHODS)
def test_the_place_the_start_and_when_it_begins_are_kept_and_the_method_itself_still_attacks(name):
    method = METHODS[name](start_epoch=2, same_dropout=False)
    rival = method.rival()
    if rival is not None:
        assert (rival.start_epoch, rival.same_dropout, rival.cost()) == (2, False, method.cost())
        assert rival.rival() is None
        assert method.rival() is not None
