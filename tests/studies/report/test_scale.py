"""Where values are drawn: a few collapsed trials squeeze nothing, and nothing is lost."""

import numpy as np
import pytest
from helpers.plain_studies import plain_summary
from optuna.distributions import FloatDistribution

from studies.report.panels import contour, history, parallel, slices
from studies.report.scale import collapsed, ends, heights, inside, value_range

SPACE = {"adv_eps": FloatDistribution(1e-4, 0.3, log=True), "adv_lr": FloatDistribution(1e-4, 1.0, log=True)}
GOOD = [0.78, 0.785, 0.79, 0.795, 0.8, 0.805, 0.81, 0.815]


def rows(values):
    return [(value, {"adv_eps": 1e-3 * (i + 1), "adv_lr": 1e-3 * (i + 1)}) for i, value in enumerate(values)]


def study(values, maximize=True, **options):
    values = values if maximize else [None if value is None else 1 - value for value in values]
    clean = options.pop("clean", 0.79)
    return plain_summary(rows(values), SPACE, clean=(clean if maximize else 1 - clean,), maximize=maximize, **options)


@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize(
    ("bad", "broken"),
    [
        pytest.param([0.45, 0.5], (), id="two of ten"),
        pytest.param([-1e9], (), id="far away"),
        pytest.param([0.45] * 7, tuple(range(8, 15)), id="nearly half, known to be broken"),
        pytest.param([None, 0.45, None], (), id="failed ones too"),
        pytest.param([0.7499], (), id="just beyond"),
    ],
)
def test_collapsed_trials_do_not_squeeze_the_axis(bad, broken, maximize):
    found = study([*GOOD, *bad], maximize, broken=broken)
    low, high = value_range(found)
    assert high - low < 0.1
    away = collapsed(found.trials, found)
    assert away == [False] * len(GOOD) + [value is not None for value in bad]
    drawn = heights(found.trials, found)
    assert all(low < height < high for height in drawn)
    sign = 1 if maximize else -1
    assert max(sign * height for height in drawn[len(GOOD) :]) < min(sign * height for height in drawn[: len(GOOD)])
    assert drawn[: len(GOOD)] == [trial.value for trial in found.trials[: len(GOOD)]]


@pytest.mark.parametrize(
    ("values", "options"),
    [
        pytest.param(GOOD, {}, id="none collapsed"),
        pytest.param([0.76, *GOOD], {}, id="a little worse"),
        pytest.param([0.5, 0.6, 0.7, 0.8], {}, id="evenly spread"),
        pytest.param([0.79] * 5, {}, id="all alike"),
        pytest.param([0.7], {}, id="one trial"),
        pytest.param([0.5, 0.52, 0.54], {}, id="all far below clean training"),
        pytest.param([0.79, 0.8, 0.81, 0.78], {"noise": 0.02}, id="within the noise of clean training"),
    ],
)
@pytest.mark.parametrize("maximize", [True, False])
def test_where_nothing_collapsed_all_are_drawn_where_they_are(values, options, maximize):
    found = study(values, maximize, **options)
    assert heights(found.trials, found) == pytest.approx([trial.value for trial in found.trials])
    assert not any(collapsed(found.trials, found))


@pytest.mark.parametrize("maximize", [True, False])
def test_clean_training_is_on_the_axis_and_the_band_of_its_noise_does_not_widen_it(maximize):
    found = study(GOOD, maximize, noise=0.03)
    low, high = value_range(found)
    assert low < found.clean < high
    assert high - low < 0.06
    far = study(GOOD, maximize, clean=0.9)
    assert value_range(far)[0] < far.clean < value_range(far)[1]
    assert inside(found.clean + 5, found) == ends(found)[1]


@pytest.mark.parametrize("maximize", [True, False])
def test_every_figure_keeps_collapsed_trials_and_says_where_they_are(maximize):
    found = study([*GOOD, 0.45, 0.5], maximize, noise=0.002)
    drawn = history.draw(found)
    edge = "triangle-down" if maximize else "triangle-up"
    shown = [trace.name for trace in drawn.data if trace.name]
    side = "below" if maximize else "above"
    assert any(name.startswith(f"2 trials {side} 0.") for name in shown)
    assert any(name.startswith("noise of one run, ± 0.0040") for name in shown)
    marked = [trace for trace in drawn.data if trace.mode == "markers"]
    numbers = {int(n): s for t in marked for n, s in zip(t.customdata, symbols_of(t), strict=True)}
    assert [numbers[number] == edge for number in range(10)] == [False] * 8 + [True] * 2
    hover = [text for trace in slices.draw(found).data if trace.mode == "markers" for text in trace.text]
    assert f"{0.45 if maximize else 0.55:.4f}" in hover
    assert np.nanmax(contour.draw(found).data[0].z) - np.nanmin(contour.draw(found).data[0].z) < 0.1
    assert abs(np.subtract(*parallel.draw(found).data[-2].marker.color)) < 0.1


def symbols_of(trace):
    symbol = trace.marker.symbol
    return [symbol] * len(trace.customdata) if isinstance(symbol, str) else list(symbol)
