"""Each panel by itself: what it draws, and that it says when there is nothing to show."""

import io
import re

import pytest
from helpers.made_up_studies import CLEAN, made, summary
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from rich.console import Console

from studies.report import outputs, rendering
from studies.report.panels import PANELS, contour, epochs, history, importances, parallel, slices, timeline
from studies.report.panels.axes import axis, chosen, countable, varied
from studies.report.several import print_several, signed
from studies.results.several import gathered
from studies.results.summary import CONSTANT, summarise

STATES = "C" * 12 + "PF"


@pytest.fixture(scope="module")
def full():
    return summary(STATES)


@pytest.mark.parametrize("panel", [history, importances, slices, contour, parallel, epochs, timeline])
def test_a_panel_draws_and_says_how_to_read_it(panel, full):
    assert panel in PANELS.values()
    assert len(panel.CAPTION.split()) > 8
    assert panel.CAPTION.endswith(".")
    figure = panel.draw(full)
    assert figure.data
    assert figure.layout.title.text
    assert panel.draw(summary("")) is None


def test_history_has_the_best_so_far_and_importances_their_floor(full):
    best = next(trace for trace in history.draw(full).data if trace.name == "best so far")
    assert list(best.y) == sorted(best.y)
    assert any(trace.name == "noise floor" for trace in importances.draw(full).data)
    assert importances.draw(summary("CC")) is None


def test_axes_reach_over_the_whole_range():
    low, high = axis(FloatDistribution(1e-3, 10.0, log=True))["range"]
    assert low < -3
    assert high > 1
    low, high = axis(IntDistribution(1, 5))["range"]
    assert low < 1
    assert high > 5
    assert axis(CategoricalDistribution(("a", "b")))["categoryarray"] == ["a", "b"]


def test_only_what_varies_and_is_complete_is_drawn(full):
    assert set(varied(full)) == set(full.space)
    assert len(chosen(full)) == 12
    assert isinstance(countable(IntDistribution(0, 3)), CategoricalDistribution)
    assert countable(IntDistribution(0, 300)) == IntDistribution(0, 300)


def test_files_are_written_and_names_are_escaped(full, tmp_path):
    assert {path.name for path in outputs.write_outputs(full, tmp_path)} == {"report.html", "trials.csv", "best.yaml"}
    assert {path.name for path in outputs.write_outputs(summary("F"), tmp_path / "none")} == {"report.html", "trials.csv"}
    assert "&lt;b&gt;" in rendering.rendered("several_fragment.html.jinja", heads=["<b>"], rows=[], remarks=[])


def test_a_table_of_several_methods_is_whole(full):
    text = io.StringIO()
    print_several(Console(file=text, width=200), gathered({"awp": full}))
    assert text.getvalue().count("awp") == 1
    assert re.search(r"^awp .* 12 of 14 ", text.getvalue(), re.MULTILINE)
    assert [signed(gain, 4) for gain in (0.01, -0.02, None)] == ["+0.0100", "-0.0200", "-"]


@pytest.mark.parametrize("width", [80, 100, 200])
def test_no_name_is_cut_in_the_table(full, width):
    text = io.StringIO()
    print_several(Console(file=text, width=width), gathered({"awp": full, "random_weights": full}))
    assert "\u2026" not in text.getvalue()
    assert "(random_weights)" in text.getvalue()
    assert re.search(r"^awp .* 12 of 14 .* 2\.00x", text.getvalue(), re.MULTILINE)
    assert re.search("^random_weights ", text.getvalue(), re.MULTILINE)


@pytest.mark.parametrize("constant", [CLEAN - 0.1, CLEAN, CLEAN + 0.1])
def test_several_methods_say_once_when_clean_training_learned_nothing(constant):
    study = made("CCC")
    study.set_user_attr(CONSTANT, {"accuracy": constant})
    found = summarise(study)
    remarks = gathered({"awp": found, "random_weights": found}).remarks
    assert sum("Clean training learned nothing" in line for line in remarks) == (constant >= CLEAN)
    assert "Not better than the best trial of their control, a random direction: awp." in remarks
