from dataclasses import replace

import numpy as np
import pytest
from helpers.made_up_studies import CLEAN, REASON, made, matter_of, summary, with_findings
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from studies.report.drawing import log_ticks
from studies.report.figures import figures
from studies.report.panels import PANELS
from studies.results.summary import summarise

ALL = ["importances", "slices", "contour", "parallel", "history", "epochs", "timeline"]


# Panels of studies that have more than a search of one metric: they have tests of their own.
ELSEWHERE = ["rivals", "parts", "front"]


def known(found):
    """Those of ALL that were drawn; a panel that is new has a test of its own."""
    return [name for name in found if name in ALL]


MIXED = "C" * 12 + "PFCPC"
EPSILON = {"epsilon": FloatDistribution(0.05, 5.0, log=True)}
FLAT = {"epsilon": FloatDistribution(0.5, 0.5)}
BAD = "<b>x</b>"


@pytest.fixture(scope="module")
def mixed():
    return summary(MIXED)


@pytest.fixture(scope="module")
def drawn(mixed):
    return figures(mixed)


def traces(figure):
    return {trace.name: trace for trace in figure.data if trace.name}


def texts(figure):
    """Everything that the figure shows as text."""
    found = []

    def walk(value):
        if isinstance(value, dict):
            for inner in value.values():
                walk(inner)
        elif isinstance(value, (list, tuple)):
            for inner in value:
                walk(inner)
        elif isinstance(value, str):
            found.append(value)

    walk(figure.to_dict() | {"layout": figure.layout.to_plotly_json() | {"template": None}})
    return found


def test_a_search_gets_every_figure_in_reading_order_with_a_title(drawn):
    assert list(drawn) == [name for name in PANELS if name not in ELSEWHERE]
    assert known(drawn) == ALL
    assert all(figure.layout.title.text for figure in drawn.values())


@pytest.mark.parametrize(
    ("states", "space", "expected"),
    [
        pytest.param("", None, [], id="no trial"),
        pytest.param("C", None, ["slices", "history", "epochs", "timeline"], id="one trial"),
        pytest.param("FFF", None, ["slices", "history", "epochs", "timeline"], id="all failed"),
        pytest.param("PP", None, ["slices", "history", "epochs", "timeline"], id="all pruned"),
        pytest.param("C" * 9, EPSILON, ["slices", "parallel", "history", "epochs", "timeline"], id="one setting"),
        pytest.param("C" * 9, FLAT, ["history", "epochs", "timeline"], id="nothing varies"),
        pytest.param("CC", {}, ["history", "epochs", "timeline"], id="no setting"),
    ],
)
@pytest.mark.parametrize("maximize", [True, False])
def test_a_figure_with_nothing_to_show_is_left_out(states, space, expected, maximize):
    assert known(figures(summary(states, space, maximize=maximize))) == expected


def test_trials_of_each_kind_are_told_apart(drawn):
    points = traces(drawn["history"])
    # Points beyond the axis stand last.
    assert sorted(points["explore"].x) == list(range(8))
    assert sorted(points["search"].x) == [8, 9, 10, 11, 14, 16]
    assert list(points["pruned"].x) == [12, 15]
    assert list(points["failed"].x) == [13]
    assert len({(trace.marker.color, trace.marker.symbol) for trace in points.values() if trace.mode == "markers"}) == 4
    assert REASON in points["failed"].hovertext[0]


@pytest.mark.parametrize(("maximize", "better"), [(True, max), (False, min)])
def test_the_best_so_far_follows_the_direction(maximize, better):
    found = summary("CCCFC", maximize=maximize)
    best = traces(figures(found)["history"])["best so far"].y
    values = [trial.value for trial in found.trials if trial.value is not None]
    assert list(best) == [better(values[: i + 1]) for i in range(4)] + [better(values)]


def test_the_baseline_is_a_labelled_dashed_line_in_a_band_of_the_noise(mixed, drawn):
    for name, lines in (("history", 1), ("slices", 3)):
        shapes = drawn[name].layout.shapes
        dashed = [(shape.y0, shape.y1, shape.line.dash) for shape in shapes if shape.type == "line"]
        assert dashed == [(CLEAN, CLEAN, "dash")] * lines
        bands = [(shape.y0, shape.y1) for shape in shapes if shape.type == "rect"]
        assert bands == [(CLEAN - 2 * mixed.matters.noise, CLEAN + 2 * mixed.matters.noise)] * lines
    for name in ("history", "slices", "parallel", "epochs"):
        assert "clean baseline 0.8125" in traces(drawn[name])
    assert "clean 0.8125" in drawn["contour"].data[0].colorbar.title.text
    assert traces(drawn["epochs"])["clean baseline 0.8125"].y[-1] == CLEAN


@pytest.mark.parametrize("maximize", [True, False])
def test_what_was_stopped_early_stands_at_the_worse_edge_and_squeezes_nothing(maximize):
    figure = figures(summary("CCCCCPF", maximize=maximize, explore=4))["history"]
    points, (low, high) = traces(figure), figure.layout.yaxis.range
    complete = np.concatenate([points["explore"].y, points["search"].y])
    worse = np.concatenate([points["pruned"].y, points["failed"].y])
    assert worse.max() < complete.min() if maximize else worse.min() > complete.max()
    assert low < min(complete.min(), worse.min())
    assert high > max(complete.max(), worse.max())
    assert np.ptp(complete) > 0.5 * (high - low)
    assert "after epoch 1" in points["pruned"].hovertext[0]


def test_a_complete_trial_without_a_finite_value_counts_as_failed():
    study = made("CC")
    (odd,) = made("C").get_trials()
    odd.value = float("inf")
    study.add_trial(odd)
    points = traces(figures(summarise(study))["history"])
    assert list(points["failed"].x) == [2]
    assert np.isfinite(points["failed"].y).all()


def test_slices_show_each_setting_on_its_own_scale(drawn):
    figure = drawn["slices"]
    axes = {axis.title.text: axis for axis in figure.select_xaxes()}
    assert set(axes) == {"adv_eps", "adv_lr", "start_epoch"}
    assert [axes[name].type for name in ("adv_eps", "adv_lr", "start_epoch")] == ["log", "log", None]
    assert list(axes["adv_eps"].ticktext) == ["0.0001", "0.001", "0.01", "0.1"]
    assert axes["start_epoch"].dtick == 1
    assert sum(bool(trace.showlegend) for trace in figure.data if trace.name == "explore") == 1


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
def test_slices_leave_no_panel_empty(count):
    space = {f"s{i}": FloatDistribution(0.0, 1.0) for i in range(count)}
    figure = figures(summary("CC", space))["slices"]
    assert len(list(figure.select_xaxes())) == count


def test_importances_show_interval_floor_and_verdict(mixed, drawn):
    figure, rows = drawn["importances"], mixed.importances
    bars = figure.data[0]
    assert list(bars.x) == [row.share for row in rows]
    assert ["no evidence" in label for label in bars.y[1]] == [not row.evidence for row in rows]
    assert [color == "#c8c8c8" for color in bars.marker.color] == [not row.evidence for row in rows]
    assert [share + up for share, up in zip(bars.x, bars.error_x.array, strict=True)] == pytest.approx(
        [max(row.high, row.share) for row in rows]
    )
    assert list(traces(figure)["noise floor"].x) == [row.floor for row in rows]


def test_an_interval_beside_its_share_is_drawn_one_sided(mixed):
    row = matter_of("adv_lr", low=0.2, high=0.8)
    bars = figures(with_findings(mixed, [row]))["importances"].data[0]
    assert list(bars.error_x.array) == [0.0]
    assert list(bars.error_x.arrayminus) == pytest.approx([0.7])


def test_the_contour_takes_the_two_most_important_settings(mixed, drawn):
    shown = {drawn["contour"].layout.xaxis.title.text, drawn["contour"].layout.yaxis.title.text}
    ranked = [name for row in mixed.importances for name in row.settings if name != "strength"]
    assert shown == set(list(dict.fromkeys(ranked))[:2])


def test_parallel_lines_are_drawn_from_the_worst_to_the_best(drawn):
    lines = [trace for trace in drawn["parallel"].data if trace.mode == "lines" and trace.name is None]
    heights = [line.y[0] for line in lines]
    assert len(lines) == 14
    assert heights == sorted(heights)
    assert list(drawn["parallel"].layout.xaxis.ticktext) == ["accuracy", "adv_eps", "adv_lr", "start_epoch"]


def test_curves_of_one_kind_are_separate_lines(drawn):
    trace = traces(drawn["epochs"])["pruned"]
    assert list(trace.customdata) == [12, 12, 12, 15, 15, 15]
    assert np.isnan(trace.x[[2, 5]]).all()
    assert list(trace.x[:2]) == [0, 1]


def test_the_timeline_has_every_trial_where_it_ran(drawn):
    bars = traces(drawn["timeline"])
    assert sum(len(trace.y) for trace in bars.values()) == len(MIXED)
    assert bars["failed"].base[0] == "2030-01-01T09:00:52"
    assert bars["failed"].x[0] == pytest.approx(850)


def test_names_are_never_taken_for_markup():
    space = {
        BAD: FloatDistribution(1e-4, 1.0, log=True),
        "<i>c</i>": CategoricalDistribution(["<u>a</u>", "b", None, 3]),
        "long": IntDistribution(1, 64, log=True),
    }
    found = summary("C" * 6 + "F", space, metric="<s>f1</s>", failure="<script>alert(1)</script>")
    drawn = figures(with_findings(found, [matter_of(name) for name in space]))
    assert known(drawn) == ALL
    for figure in drawn.values():
        for markup in ("<b>", "<i>c", "<u>", "<s>", "<script>"):
            assert not any(markup in text for text in texts(figure))
    assert "&lt;b&gt;x&lt;/b&gt;" in [axis.title.text for axis in drawn["slices"].select_xaxes()]
    assert "&lt;u&gt;a&lt;/u&gt;" in drawn["slices"].to_json().encode().decode("unicode_escape")
    assert any("&lt;script&gt;" in text for text in texts(drawn["history"]))


def test_many_trials_make_small_figures():
    space = {f"s{i}": FloatDistribution(0.0, 1.0) for i in range(2)}
    few = with_findings(summary("C" * 300, space), [])
    drawn = figures(few)
    assert len(drawn["contour"].data[0].x) <= 200
    assert len(traces(drawn["history"])["search"].x) == 292
    many = replace(few, trials=few.trials * 4)
    drawn = figures(many)
    assert sum(len(trace.x) for trace in drawn["history"].data if trace.mode == "markers") == 600
    assert sum(len(figure.to_json()) for figure in drawn.values()) < 800_000


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1e-4, 0.3, [1e-4, 1e-3, 1e-2, 1e-1]),
        (1e-6, 1.0, [1e-6, 1e-4, 1e-2, 1.0]),
        (0.05, 5.0, [0.1, 0.3, 1.0, 3.0]),
        (0.002, 0.02, [0.002, 0.005, 0.01, 0.02]),
        (1.1, 1.9, [1.1, 1.9]),
    ],
)
def test_ticks_of_a_logarithmic_axis_are_few_and_round(low, high, expected):
    assert log_ticks(low, high) == expected
