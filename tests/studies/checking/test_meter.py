"""Times are told as a method's cost only where the machine was free and the rounds agree."""

import pytest
import torch

from studies.checking.meter import Spent, compared, load, measure


def spent(spread=0.0, load=0.0):
    return Spent([0.01, 0.02], 2.0, spread, load, [1, 2], "bytes")


@pytest.mark.parametrize(
    ("before", "threads", "cores", "doubted"),
    [
        (0.0, 1, 2, False),
        (0.9, 1, 2, False),
        (0.4, 2, 2, False),
        (1.0, 2, 2, True),
        (6.8, 1, 2, True),
        (6.8, 1, 16, False),
        (0.0, 8, 2, True),
        (1.0, 1, 1, True),
        (None, 64, 2, False),
    ],
)
def test_a_busy_machine_measures_nothing(before, threads, cores, doubted):
    reason = spent(load=before).doubt(threads, cores)
    assert bool(reason) == doubted
    if doubted:
        ours, have = (f"{n} {word}{'s' * (n > 1)}" for n, word in ((threads, "thread"), (cores, "core")))
        assert reason == f"the machine has more work than cores (load {before:.1f} before, {ours} of ours, {have})"


def test_rounds_that_differ_measure_nothing():
    assert spent(spread=0.2).doubt(1, 2) == ""
    assert spent(spread=0.5).doubt(1, 2) == "the rounds differ too much (by 50%)"


@pytest.mark.parametrize(
    ("clean", "attacked", "ratio", "spread"),
    [
        ([1, 1, 1, 1], [2, 2, 2, 2], 2, 0),
        ([1, 10, 1, 1, 100], [2, 20, 2, 2, 200], 2, 0),  # slow together: the ratio stands
        ([1, 1, 1, 1, 1], [2, 2, 90, 2, 2], 2, 0),  # one outlier of five
        ([1, 1, 1, 1], [1, 2, 3, 4], 2.5, 1 / 2.5),
        ([2], [3], 1.5, 0),
        ([1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 2, 3, 3, 3], 2, 2 / 2),
    ],
)
def test_the_ratio_is_that_of_steps_side_by_side(clean, attacked, ratio, spread):
    assert compared(clean, attacked) == pytest.approx((ratio, spread))


def test_what_is_measured_is_both_steps_and_the_load_of_before():
    found = measure([lambda: torch.zeros(10), lambda: torch.zeros(1000)], torch.device("cpu"), lambda: None, 0.25)
    assert found.load == 0.25
    assert found.peaks == [40, 4000]
    assert len(found.seconds) == 2
    assert min(found.seconds) > 0
    assert found.ratio > 0
    assert found.spread >= 0


def test_the_load_is_told_where_the_system_tells(monkeypatch):
    monkeypatch.setattr("os.getloadavg", lambda: (1.5, 9.0, 9.0))
    assert load() == 1.5
    monkeypatch.delattr("os.getloadavg")
    assert load() is None
