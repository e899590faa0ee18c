"""Where a rise that is known begins to be felt and becomes too much, and how few looks that takes."""

import math
from dataclasses import replace

import pytest
import torch

from studies.calibrating.curve import Point, point_at
from studies.calibrating.limits import NoRadius, crossing, limits_of, weighs
from studies.calibrating.strength import Strength

STRENGTH = Strength("awp", ("adv_lr", "adv_eps"), 1e-4, 1.0, {"start_epoch": 0}, True)


class Known:
    """A model whose loss is known at every strength; its batches differ by ``apart``."""

    steps = 16

    def __init__(self, loss, rise=lambda strength: 0.0, apart=0.4, relative=0.0):
        self.loss, self.rise, self.apart, self.asked, self.relative = loss, rise, apart, [], relative

    def losses(self):
        return [self.loss - self.apart, self.loss, self.loss + self.apart]

    def objectives(self, method):
        self.asked.append(method.adv_lr)
        assert method.adv_lr == method.adv_eps
        if self.relative is not None:
            method.record(relative=torch.tensor(self.relative))
        rise = self.rise(method.adv_lr) if method.adv_lr else 0.0
        return [loss + rise for loss in self.losses()]


@pytest.mark.parametrize(
    ("rise", "high", "low"),
    [
        # The untrained loss is 2, that of the clean model 1, the noise 0.4 / sqrt(16).
        (lambda s: 10 * s, 0.1, 0.01),
        (lambda s: 100 * s * s, 0.1, 0.01),  # the bottom is a decade below the top; the noise ends at 0.032
        (lambda s: 30 * s**0.5, 1 / 900, 1e-4),
        (lambda s: 0.5 * s, 1.0, 0.1),  # the strongest leaves half
        (lambda s: min(1000 * s, 5.0), 1e-3, 1e-4),
        (lambda s: math.inf if s > 0.01 else 50 * s, 0.012, 0.0012),
        (lambda s: -0.01, 1.0, 0.1),  # a direction that does not raise the loss
    ],
)  # fmt: skip
def test_the_limits_of_a_known_rise(rise, high, low):
    clean = Known(1.0, rise)
    found = limits_of(STRENGTH, Known(2.0), clean)
    assert found.noise == pytest.approx(0.1)
    assert (found.zero, found.untrained, found.room) == pytest.approx((1.0, 2.0, 1.0))
    assert found.high == pytest.approx(high, rel=0.35)
    assert found.low == pytest.approx(low, rel=0.35)
    assert len(clean.asked) <= 6  # strength 0 and five others
    assert [point.strength for point in found.points] == sorted(clean.asked[1:])


def test_a_model_that_has_learned_nothing_tells_nothing():
    # The batches' losses fall by 0.4, 0 and -0.3: by 0.03 in the mean, with a standard error of 0.2.
    unsure = Known(1.03)
    unsure.losses = lambda: [1.0, 1.0, 1.1]
    for start in (Known(0.9), Known(1.0), Known(math.nan), unsure):
        clean = Known(1.0, lambda strength: strength)
        found = limits_of(STRENGTH, start, clean)
        assert (found.low, found.high, found.points) == (STRENGTH.low, STRENGTH.high, [])
        assert clean.asked == [0.0]


def test_a_gain_that_drowns_in_the_noise_leaves_no_range():
    # Every batch has won as much, so the gain is sure; the noise is 0.4 / sqrt(16) = 0.1.
    assert limits_of(STRENGTH, Known(1.09), Known(1.0, lambda strength: strength)).room == 0
    assert limits_of(STRENGTH, Known(1.11), Known(1.0, lambda strength: strength)).room == pytest.approx(0.11)


def test_a_gain_of_little_more_than_its_standard_error_is_not_sure():
    start = Known(2.0)
    start.losses = lambda: [1.4, 1.0, 1.5]  # gains of 0.8, 0 and 0.1: 0.3 in the mean, with a standard error of 0.25
    assert limits_of(STRENGTH, start, Known(1.0, lambda strength: strength)).room == 0


def test_an_objective_that_is_a_multiple_of_the_loss_is_compared_with_that_multiple():
    clean = Known(1.0, lambda strength: 5 * strength)
    once = clean.objectives
    clean.objectives = lambda method: [2 * objective for objective in once(method)]
    found = limits_of(STRENGTH, Known(2.0), clean)
    assert (found.zero, found.untrained, found.room, found.noise) == pytest.approx((2.0, 4.0, 2.0, 0.2))
    assert found.high == pytest.approx(0.2, rel=0.1)


def test_a_single_batch_tells_nothing():
    one, start = Known(1.0, lambda strength: strength), Known(2.0)
    one.losses, start.losses = lambda: [1.0], lambda: [2.0]
    found = limits_of(STRENGTH, start, one)
    assert (found.room, found.batches, found.low, found.high) == (0.0, 1, STRENGTH.low, STRENGTH.high)


def test_the_bottom_stays_where_other_settings_are_strong_too():
    found = limits_of(replace(STRENGTH, caps=False), Known(2.0), Known(1.0, lambda s: 10 * s))
    assert (found.low, found.high) == (STRENGTH.low, pytest.approx(0.1))


def test_batches_without_a_difference_have_no_noise():
    found = limits_of(STRENGTH, Known(2.0, apart=0.0), Known(1.0, lambda s: 10 * s, apart=0.0))
    assert (found.low, found.high) == (STRENGTH.low, pytest.approx(0.1))


def test_what_moves_at_strength_zero_is_no_radius():
    with pytest.raises(NoRadius):
        limits_of(STRENGTH, Known(2.0), Known(1.0, relative=0.1))
    with pytest.raises(NoRadius):
        limits_of(STRENGTH, Known(2.0), Known(1.0, lambda s: 10 * s, relative=None))
    assert limits_of(STRENGTH, Known(2.0), Known(1.0, lambda s: 100 * s**1.5, relative=None)).high < 1


def test_a_weighted_term_rises_in_proportion():
    line = [Point(strength, 0.3 * strength, 0.0) for strength in (0.01, 0.2, 1.0)]
    assert weighs(line)
    assert not weighs([line[0], Point(0.2, 0.0603, 0.0)])
    assert not weighs(line[:1])
    assert not weighs([])
    assert not weighs([Point(0.1, 0.0, 0.0), Point(1.0, 0.0, 0.0)])


def test_a_crossing_outside_the_range_is_its_end():
    asked = []

    def rise(value):
        asked.append(value)
        return value

    assert crossing(rise, STRENGTH, 7.0, 0.01, 3) == 1.0
    assert crossing(rise, STRENGTH, 1e-6, 0.01, 3) == 1e-4
    assert crossing(rise, STRENGTH, 0.5, 0.01, 3) == pytest.approx(0.5)
    assert len(asked) == 9


def test_a_point_is_the_mean_over_the_batches():
    found = point_at(0.5, [1.5, 2.0, 4.0], [1.0, 1.0, 2.0])
    assert (found.strength, found.rise) == (0.5, pytest.approx((0.5 + 1.0 + 2.0) / 3))
    assert found.spread == pytest.approx(math.sqrt(((0.5 - 3.5 / 3) ** 2 + (1 - 3.5 / 3) ** 2 + (2 - 3.5 / 3) ** 2) / 2))
    assert point_at(0.5, [math.nan, 1.0], [1.0, 1.0]).rise == math.inf
    assert point_at(0.5, [2.0], [1.5]) == Point(0.5, 0.5, 0.0)
    assert point_at(0.5, [2.0, 4.0], [1.0, 1.0], every=2) == Point(0.5, 1.0, pytest.approx(math.sqrt(0.5)))


def test_an_attack_of_few_batches_may_be_stronger():
    found = limits_of(replace(STRENGTH, every=4), Known(2.0), Known(1.0, lambda s: 10 * s))
    assert found.high == pytest.approx(0.4, rel=0.1)
