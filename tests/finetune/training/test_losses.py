"""The losses against torch's, scikit-learn's weights and the formulas of the papers, written out."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers.small_tasks import steps_task
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional as F

from adv.core.passes import call_model
from finetune.config import Recipe
from finetune.errors import UserError
from finetune.tasks import KINDS, kind_for
from finetune.training.losses import balanced, forward_of, function_of, loss_of

CLASSES, NUMBERS = KINDS["classification"], KINDS["regression"]
CPU = torch.device("cpu")


class Several(type(CLASSES)):
    """Several labels of one text, as far as a loss knows."""

    problem = "multi_label_classification"


SEVERAL, RANKS = Several(), kind_for(steps_task("number"))


def drawn(*shape, scale=2.0):
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)), dtype=torch.float32)


def both(loss, logits, labels):
    """The loss, and its gradient at the logits."""
    leaf = logits.clone().requires_grad_()
    value = loss(leaf, labels)
    value.backward()
    return value.detach(), leaf.grad


def assert_same_loss(mine, theirs, logits, labels):
    for one, other in zip(both(mine, logits, labels), both(theirs, logits, labels), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def loss(name, kind=CLASSES, weights=None, **settings):
    return function_of(name, kind, Recipe(loss=name, **settings), weights)


LABELS = torch.tensor([0, 2, 1, 1, 0, 2, 2])
FLAGS = (drawn(7, 3) > 0).float()
TOKENS = torch.tensor([[0, 1, -100, 2], [-100, -100, 2, 0], [1, 1, 1, -100]])
SHARES = drawn(7, 3).sigmoid()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.99])
@pytest.mark.parametrize("labels", [LABELS, TOKENS], ids=["texts", "tokens"])
def test_cross_entropy_is_torchs(labels, smoothing):
    logits = drawn(*labels.shape, 3)

    def torchs(logits, labels):
        return F.cross_entropy(logits.flatten(0, -2), labels.flatten(), label_smoothing=smoothing)

    assert_same_loss(loss("cross_entropy", label_smoothing=smoothing), torchs, logits, labels)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_weights_of_classes_are_torchs_before_torch_divides_by_them(smoothing):
    weights, logits = torch.tensor([0.5, 2.0, 1.5]), drawn(7, 3)

    def by_hand(logits, labels):
        shares = torch.full((7, 3), smoothing / 3).scatter_add(1, labels[:, None], torch.full((7, 1), 1 - smoothing))
        return -(weights * shares * logits.log_softmax(-1)).sum() / 7

    mine = loss("cross_entropy", weights=weights, label_smoothing=smoothing)
    assert_same_loss(mine, by_hand, logits, LABELS)
    torchs = F.cross_entropy(logits, LABELS, weights, reduction="sum", label_smoothing=smoothing)
    torch.testing.assert_close(mine(logits, LABELS), torchs / 7)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0, 20.0])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.25, 1.0, 3.0])], ids=["plain", "weighted"])
def test_focal_loss_is_the_papers_formula(gamma, weights):
    def of_classes(logits, labels):  # FL(p) = -a (1 - p)^g log(p), eq. 5
        p = logits.softmax(-1)[range(7), labels]
        return (-(1 if weights is None else weights[labels]) * (1 - p) ** gamma * p.log()).mean()

    def of_labels(logits, labels):
        p = torch.where(labels == 1, logits.sigmoid(), 1 - logits.sigmoid())
        a = torch.where(labels == 1, torch.ones(3) if weights is None else weights, torch.ones(3))
        return (-a * (1 - p) ** gamma * p.log()).mean()

    logits = drawn(7, 3).double()  # (1 - p) ** 20 of the formula is not exact in fp32
    assert_same_loss(loss("focal", CLASSES, weights, focal_gamma=gamma), of_classes, logits, LABELS)
    assert_same_loss(loss("focal", SEVERAL, weights, focal_gamma=gamma), of_labels, logits, FLAGS)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.25, 1.0, 3.0])], ids=["plain", "weighted"])
def test_focal_loss_with_gamma_0_is_cross_entropy(weights):
    logits = drawn(7, 3)
    assert_same_loss(
        loss("focal", CLASSES, weights, focal_gamma=0.0), loss("cross_entropy", CLASSES, weights), logits, LABELS
    )

    def torchs(logits, labels):
        return F.binary_cross_entropy_with_logits(logits, labels, pos_weight=weights)

    assert_same_loss(loss("focal", SEVERAL, weights, focal_gamma=0.0), torchs, logits, FLAGS)
    assert_same_loss(loss("bce", SEVERAL, weights), torchs, logits, FLAGS)


def test_losses_of_numbers_are_torchs():
    logits = drawn(7, 3)
    assert_same_loss(loss("smooth_l1", NUMBERS), F.smooth_l1_loss, logits, drawn(7, 3, scale=1.0))
    assert_same_loss(loss("bce", NUMBERS), F.binary_cross_entropy_with_logits, logits, SHARES)


CASES = {
    "cross_entropy": loss("cross_entropy", label_smoothing=0.1, weights=torch.tensor([1.0, 2.0, 3.0])),
    "focal": loss("focal", focal_gamma=0.5),
    "focal of labels": loss("focal", SEVERAL, focal_gamma=0.5),
    "bce": loss("bce", SEVERAL, torch.tensor([1.0, 2.0, 3.0])),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("size", [1.0, 100.0, 1e4])
def test_saturated_logits_keep_finite_gradients(name, size):
    labels = FLAGS[:3] if name in ("focal of labels", "bce") else torch.tensor([0, 0, 1])
    logits = size * torch.tensor([[1.0, -1, 0], [-1, 1, 1], [0, 1, -1]])
    value, slope = both(CASES[name], logits, labels)
    assert torch.isfinite(value)
    assert torch.isfinite(slope).all()
    # Twice differentiable, as a gradient penalty needs it.
    leaf = logits.clone().requires_grad_()
    (once,) = torch.autograd.grad(CASES[name](leaf, labels), leaf, create_graph=True)
    (twice,) = torch.autograd.grad(once.square().sum(), leaf)
    assert torch.isfinite(twice).all()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("missing", [[2], [0, 1, 2]], ids=["one row", "all rows"])
def test_ignored_labels_carry_no_loss(name, missing):
    labels = FLAGS[:3].clone() if name in ("focal of labels", "bce") else torch.tensor([0, 0, 1])
    logits, rest = drawn(3, 3), [row for row in range(3) if row not in missing]
    expected = both(CASES[name], logits[rest], labels[rest]) if rest else (torch.tensor(0.0), None)
    labels[missing] = -100
    value, slope = both(CASES[name], logits, labels)
    torch.testing.assert_close(value, expected[0])
    assert not slope[missing].any()
    if rest:
        torch.testing.assert_close(slope[rest], expected[1])


@pytest.mark.parametrize("labels", [[0, 1, 1, 2, 2, 2], [0] * 99 + [1], [2, 0, 0], [1, 1]])
def test_balanced_classes_are_scikit_learns(labels):
    found = balanced(torch.tensor(labels), CLASSES, 3)
    expected = compute_class_weight("balanced", classes=np.unique(labels), y=labels)
    assert found.dtype == np.float32
    for name, weight in zip(np.unique(labels), expected, strict=True):
        assert found[name] == pytest.approx(weight)
    assert all(found[name] == 1 for name in range(3) if name not in labels)
    assert np.mean(found[labels]) == pytest.approx(1)


def test_balanced_tokens_leave_out_those_that_are_ignored():
    # 2 zeros, 4 ones and 2 twos among 8 tokens
    assert balanced(TOKENS, CLASSES, 3) == pytest.approx([8 / (3 * 2), 8 / (3 * 4), 8 / (3 * 2)])


def test_balanced_labels_weigh_rows_without_by_rows_with():
    flags = torch.tensor([[1, 0, 0, 1], [0, 0, 0, 1], [0, 1, 0, 1], [0, 1, 0, 1.0]])
    # one of four, half, never, always: nothing could be learnt from a weight of 0
    assert balanced(flags, SEVERAL, 4) == pytest.approx([3, 1, 1, 1])


def test_the_models_own_loss_stays_where_nothing_else_is_asked_for():
    for kind, name in ((CLASSES, "cross_entropy"), (SEVERAL, "bce"), (NUMBERS, "mse")):
        for recipe in (Recipe(), Recipe(loss=name), Recipe(focal_gamma=1.0)):
            assert forward_of(recipe, kind, torch.tensor([0, 1]), 2, CPU) is call_model
    for settings in ({"loss": "focal"}, {"label_smoothing": 0.1}, {"class_weights": "balanced"}):
        assert forward_of(Recipe(**settings), CLASSES, torch.tensor([0, 1]), 2, CPU) is not call_model


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        (
            CLASSES,
            {"loss": "mse"},
            "loss='mse' does not fit classification, which takes cross_entropy (the usual one) or focal",
        ),
        (CLASSES, {"loss": "bce"}, "cross_entropy (the usual one) or focal"),
        (CLASSES, {"loss": "smooth_l1"}, "cross_entropy (the usual one) or focal"),
        (
            NUMBERS,
            {"loss": "focal"},
            "loss='focal' does not fit regression, which takes mse (the usual one), smooth_l1 or bce",
        ),
        (NUMBERS, {"loss": "cross_entropy"}, "mse (the usual one), smooth_l1 or bce"),
        (
            NUMBERS,
            {"label_smoothing": 0.1},
            "label_smoothing=0.1 belongs to the loss cross_entropy, but that of regression is mse",
        ),
        (
            NUMBERS,
            {"class_weights": "balanced"},
            "class_weights='balanced': the loss of regression takes numbers here, not classes",
        ),
        (
            NUMBERS,
            {"class_weights": "balanced", "loss": "bce"},
            "class_weights='balanced': the loss of regression takes numbers here, not classes",
        ),
        (SEVERAL, {"label_smoothing": 0.1}, "that of classification is bce"),
        (RANKS, {"loss": "bce"}, "loss='bce' does not fit ordinal, which takes mse (the usual one) or smooth_l1"),
        (RANKS, {"class_weights": "balanced"}, "the loss of ordinal takes numbers here, not classes"),
    ],
)
def test_what_does_not_fit_the_kind_is_refused_with_what_does(kind, settings, words):
    with pytest.raises(UserError) as error:
        loss_of(Recipe(**settings), kind)
    assert words in str(error.value)


def test_the_papers_numbers():
    # Section 3: with gamma 2, a row classified with p = 0.9 counts 100 times less, with p near 0.968 1000 times less.
    for p, less in ((0.9, 100), (0.968, 1000)):
        logits = torch.tensor([[math.log(p / (1 - p)), 0.0]])
        plain, focal = (loss("focal", focal_gamma=gamma)(logits, torch.tensor([0])) for gamma in (0.0, 2.0))
        assert float(plain / focal) == pytest.approx(less, rel=0.03)
    values = [float(loss("focal", focal_gamma=gamma)(drawn(7, 3), LABELS)) for gamma in (0.0, 0.5, 1.0, 2.0, 5.0)]
    assert all(more > fewer for more, fewer in pairwise(values))
