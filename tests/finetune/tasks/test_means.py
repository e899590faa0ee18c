"""Means over models, by the formulas: of probabilities, of logits, of ranks, with weights; and what cannot be averaged."""

import numpy as np
import pytest

from finetune.errors import UserError
from finetune.tasks import KINDS
from finetune.tasks.means import mean_of, ranks_of
from finetune.tasks.ordinal import CLASSES, Numbers
from finetune.tasks.tokens import with_names

RNG = np.random.default_rng(0)
TWO = [RNG.normal(0, 3, (5, 3)).astype(np.float32) for _ in range(2)]
WEIGHTS = [3, 1]


def softmax(logits):
    shares = np.exp(logits.astype(np.float64))
    return shares / shares.sum(-1, keepdims=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


@pytest.mark.parametrize(
    ("kind", "likely"),
    [
        (KINDS["classification"], softmax),
        (CLASSES, softmax),
        (with_names(("O", "B-a", "I-a")), softmax),
        (KINDS["multilabel"], sigmoid),
        (KINDS["ordinal"], sigmoid),
        (KINDS["regression"], lambda raw: raw.astype(np.float64)),
        (Numbers(3), lambda raw: raw.astype(np.float64)),
    ],
)
def test_probabilities_are_averaged_and_numbers_too(kind, likely):
    raws = [raw[None] for raw in TWO] if kind.by_word else TWO
    found = mean_of(kind, raws)
    np.testing.assert_allclose(likely(found), (likely(raws[0]) + likely(raws[1])) / 2, rtol=1e-12)
    weighted = mean_of(kind, raws, WEIGHTS)
    np.testing.assert_allclose(likely(weighted), 0.75 * likely(raws[0]) + 0.25 * likely(raws[1]), rtol=1e-12)
    assert mean_of(kind, raws[:1], [7]) is raws[0]


def test_logits_are_averaged():
    for name in ("classification", "multilabel", "ordinal"):
        found = mean_of(KINDS[name], TWO, WEIGHTS, "logits")
        np.testing.assert_allclose(found, (3 * TWO[0].astype(float) + TWO[1]) / 4, rtol=1e-12)


def test_sure_models_stay_finite_and_the_surer_one_decides():
    raws = [np.array([[200.0, -200.0]], np.float32), np.array([[-3.0, 3.0]], np.float32)]
    assert mean_of(KINDS["classification"], raws).argmax(-1).tolist() == [0]
    sure = mean_of(KINDS["multilabel"], [raws[0], raws[0]])
    np.testing.assert_allclose(sure, [[200, -200]], rtol=1e-6)


def test_what_no_model_reads_stays_away_and_what_is_not_finite_stays_visible():
    kind = with_names(("O", "B-a"))
    one = np.array([[[2.0, 0.0], [0.0, 1.0], [np.nan, np.nan]]], np.float32)
    two = np.array([[[0.0, 9.0], [np.inf, np.inf], [np.nan, np.nan]]], np.float32)
    assert kind.decided(one).tolist() == [[0, 1, -1]]
    mean = kind.decided(mean_of(kind, [one, two]))
    assert mean[0, 0] == 1  # probabilities 0.12 and 1.0: their mean is above a half
    assert np.isnan(mean[0, 1])
    assert mean[0, 2] == -1


def test_ranks_are_shares_of_the_rows_and_of_classes_the_probabilities_are_ranked():
    values = [np.array([[3.0], [7.0], [3.0], [9.0]]), np.array([[4.0], [3.0], [2.0], [1.0]])]
    assert ranks_of(KINDS["regression"], values).ravel().tolist() == [0.6875, 0.75, 0.4375, 0.625]
    assert ranks_of(KINDS["multilabel"], values, WEIGHTS)[:, 0].tolist() == [0.53125, 0.75, 0.40625, 0.8125]
    # The second row has higher logits for both classes, and the smaller probability of the first class.
    logits = np.array([[1.0, 0.0], [8.0, 9.0]])
    assert ranks_of(KINDS["classification"], [logits]).tolist() == [[1.0, 0.5], [0.5, 1.0]]
    assert ranks_of(KINDS["regression"], [np.empty((0, 1))]).shape == (0, 1)


@pytest.mark.parametrize(
    ("name", "how", "why"),
    [
        ("regression", "logits", "mean='logits': regression predicts numbers, which have no logits; leave it out"),
        ("tokens", "ranks", "mean='ranks': tokens needs the values"),
        ("ordinal", "ranks", "mean='ranks': ordinal needs the values"),
    ],
)
def test_what_cannot_be_averaged_is_refused(name, how, why):
    with pytest.raises(UserError, match=r"^mean=") as refused:
        mean_of(KINDS[name], TWO, how=how)
    assert str(refused.value).startswith(why)
