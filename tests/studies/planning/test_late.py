"""Where the attack may begin, with one evaluation an epoch and with several."""

import pytest
from helpers.plans import plan_of
from helpers.refusals import assert_said
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from finetune.arguments import as_options
from finetune.errors import UserError
from studies.planning.late import start_range
from studies.planning.ranges import parse_range
from studies.planning.starts import Start, point_of
from studies.running.few_steps import highest
from studies.running.prefix import shared_counts


def plan(per, method="fgm", epochs=4, **options):
    return plan_of(method, epochs=epochs, evals_per_epoch=per, **options)


def test_with_one_evaluation_an_epoch_starts_are_whole_epochs():
    assert plan(1).space["start_epoch"] == IntDistribution(0, 2)
    assert plan(1, ranges=["start_epoch=0:3"]).space["start_epoch"] == IntDistribution(0, 3)
    assert type(plan(1).defaults()["start_epoch"]) is int


@pytest.mark.parametrize(
    ("given", "low", "high", "step"),
    [
        ("0:1.5", 0, 1.5, 1 / 2),
        ("1.5:2", 1.5, 2, 1 / 2),
        ("3:3.5", 3, 3.5, 1 / 2),
        ("1:1.67", 1, 5 / 3, 1 / 3),
        ("0.333333:2", 1 / 3, 2, 1 / 3),
        ("0.5:2.25", 0.5, 2.25, 1 / 4),
        ("0:.75", 0, 0.75, 1 / 4),
    ],
)
def test_with_one_evaluation_the_ends_of_a_range_say_how_far_apart_starts_lie(given, low, high, step):
    found = plan(1, ranges=[f"start_epoch={given}"]).space["start_epoch"]
    assert (found.low, found.high, found.step) == pytest.approx((low, high, step), abs=1e-8)


def test_with_several_starts_lie_after_evaluations():
    assert plan(2).space["start_epoch"] == FloatDistribution(0, 2.5, step=0.5)
    assert plan(2, ranges=["start_epoch=0.5:2"]).space["start_epoch"] == FloatDistribution(0.5, 2, step=0.5)
    assert plan(3, ranges=["start_epoch=0.33:2"]).space["start_epoch"].low == pytest.approx(1 / 3)
    assert plan(2, "freeat").space["start_epoch"] == IntDistribution(0, 2)
    assert plan(2, ranges=["start_epoch=0.5:2"]).defaults()["start_epoch"] == 0.5


@pytest.mark.parametrize("per", [1, 2, 7])
@pytest.mark.parametrize(("given", "kept"), [("1.5", 1.5), ("2.0", 2), ("0", 0), ("0.123", 0.123), ("3.5", 3.5)])
def test_any_start_can_be_fixed(per, given, kept):
    fixed = plan(per, sets=[f"start_epoch={given}"]).fixed["start_epoch"]
    assert (type(fixed), fixed) == (type(kept), kept)


@pytest.mark.parametrize(
    ("per", "options", "words"),
    [
        (1, {"ranges": ["start_epoch=0:1.6"]}, ["1/2, 1/3 or 1/4 of an epoch apart", "1.6 is none of them; write 1.5"]),
        (1, {"ranges": ["start_epoch=0:0.01"]}, ["the range is empty, both ends are 0", "fixes a start"]),
        (3, {"ranges": ["start_epoch=1.33:1.335"]}, ["the range is empty, both ends are 1.333"]),
        (1, {"ranges": ["start_epoch=0.33:2.5"]}, ["0.33 and 2.5 do not fit together"]),
        (1, {"ranges": ["start_epoch=0.5:2:log"]}, ["lie evenly apart: leave out log"]),
        (1, {"ranges": ["start_epoch=0.5:inf"]}, ["is not a range of epochs"]),
        (1, {"ranges": ["start_epoch=-0.5:1"]}, ["start_epoch must be", "-0.5"]),
        (1, {"ranges": ["start_epoch=3.5:4"]}, ["start_epoch 4 leaves no epoch to attack"]),
        (1, {"method": "freeat", "ranges": ["start_epoch=0:1.5"]}, ["starts of freeat", "it replays its batches"]),
        (2, {"ranges": ["start_epoch=0:1.3"]}, ["1.3 of an epoch lies between two evaluations", "write 1.5"]),
        (2, {"ranges": ["start_epoch=0.5:2:log"]}, ["leave out log"]),
        (2, {"ranges": ["start_epoch=-1:2"]}, ["start_epoch must be", "-1"]),
        (2, {"ranges": ["start_epoch=2:2"]}, ["the range is empty"]),
        (2, {"ranges": ["start_epoch=late:2"]}, ["'late:2' is not a range"]),
        (2, {"ranges": ["start_epoch=0:4"]}, ["start_epoch 4 leaves no epoch to attack"]),
        (2, {"sets": ["start_epoch=4.5"]}, ["start_epoch 4.5 leaves no epoch to attack"]),
        (2, {"method": "freeat", "sets": ["start_epoch=1.5"]}, ["start_epoch must be a whole number for FreeAT"]),
        (2, {"method": "freeat", "ranges": ["start_epoch=0.5:2"]}, ["starts of freeat", "it replays its batches"]),
        (1, {"tune": ["evals_per_epoch"]}, ["compare only where it is the same", "--evals-per-epoch"]),
    ],
)
def test_starts_that_cannot_be_are_refused_in_a_line(per, options, words):
    with pytest.raises(UserError) as caught:
        plan(per, **options)
    said = caught.value.text
    assert "\n" not in said
    assert_said(as_options(said), *words)


def test_a_starting_point_between_evaluations_is_refused_and_one_at_a_third_is_taken():
    made = plan(3)
    assert point_of(made, Start("starts.yaml", "fgm", {"start_epoch": 1.0}))["start_epoch"] == pytest.approx(1)
    with pytest.raises(UserError, match=r"outside the searched 0:2\.66667 in steps of 0\.3333"):
        point_of(made, Start("starts.yaml", "fgm", {"start_epoch": 0.5}))


def test_tuned_epochs_begin_after_the_last_start():
    assert plan(2, tune=["epochs"]).space["epochs"] == IntDistribution(3, 8)  # the last start is 2.5


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [("0:3", int, (0, 3, False)), ("1e-3:.5:log", float, (0.001, 0.5, True)), ((1, 2, "log"), int, (1, 2, True))],
)
def test_ranges_as_people_write_them(text, kind, found):
    assert parse_range("here", text, kind) == found


def test_with_whole_epochs_a_range_of_starts_is_as_it_was():
    assert start_range("here", "1:3:log", "fgm", 1) == IntDistribution(1, 3, log=True)
    assert start_range("here", (0, 2), "fgm", 1) == IntDistribution(0, 2)


def test_the_dearest_corner_has_the_largest_numbers():
    choices = CategoricalDistribution((8, 64, 32)), CategoricalDistribution(("none", "ema"))
    assert [highest(each) for each in choices] == [64, "none"]
    assert highest(IntDistribution(1, 7)) == 7


@pytest.mark.parametrize(
    ("per", "options", "counts"),
    [
        (1, {}, [1, 2]),
        (1, {"sets": ["start_epoch=1"]}, [1, 2]),  # other methods may begin after two
        (1, {"epochs": 1}, []),
        (2, {}, [1, 2, 3, 4, 5]),
        (2, {"sets": ["start_epoch=1.75"]}, [3]),
        (2, {"sets": ["start_epoch=0"]}, []),
        (4, {"ranges": ["start_epoch=0.5:1"]}, [2, 3, 4]),
        (3, {"method": "freeat"}, [1, 2, 3, 4, 5, 6]),
        (2, {"method": "none"}, []),
    ],
)
def test_clean_states_are_kept_where_a_trial_may_begin(per, options, counts):
    assert shared_counts(plan(per, **options)) == counts
