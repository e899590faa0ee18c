"""The winner taken apart, in the report: the figure, the tables, and the sentence at the top."""

import pytest
from helpers.made_up_parts import confirmed_summary
from helpers.made_up_studies import summary
from helpers.report_pages import Words

from finetune.arguments import as_options
from studies.report.answer import answer
from studies.report.files import report_text
from studies.report.note import note
from studies.report.panels import parts
from studies.report.parts import parts_page

VALUES = {"the defaults": 0.5, "adv_lr changed": 0.82, "adv_eps and adv_lr changed": 0.84}


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr("studies.report.files.get_plotlyjs", lambda: "")


@pytest.fixture(scope="module")
def confirmed():
    return confirmed_summary(values=VALUES)


def test_a_row_for_each_step_and_a_collapsed_one_is_at_the_edge(confirmed):
    figure = parts.draw(confirmed)
    line, inside, far = figure.data
    # clean training has 0.8; the winner has 0.83, and 0.003 more in the mean over seeds
    assert list(inside.x) == pytest.approx([0.02, 0.04, 0.033])
    assert list(inside.text) == ["+0.0200", "+0.0400", "+0.0330"]
    assert list(inside.marker.symbol) == ["circle", "circle", "diamond"]
    assert 0 < inside.error_x.array[2] < 0.003
    assert 0 < inside.error_x.arrayminus[2] < 0.003
    low, high = figure.layout.xaxis.range
    assert (list(far.text), list(far.y), list(far.marker.symbol)) == (["-0.3000"], [0], ["triangle-left"])
    assert low < far.x[0] == line.x[0] < 0 < 0.04 < high
    assert list(figure.layout.yaxis.ticktext) == [
        "the defaults",
        "+ adv_lr 0.01",
        "+ adv_eps 0.05",
        "+ start_epoch 1<br>= the winner",
    ]
    assert parts.finding(confirmed) == (
        "Against clean training, the defaults are -0.3000 and the winner is +0.0330; the steps: adv_lr +0.3200, adv_eps "
        "+0.0200, start_epoch -0.0070."
    )


@pytest.mark.parametrize("winner", [0.8, 0.7])
def test_a_winner_that_is_no_better_is_drawn_too(winner):
    figure = parts.draw(confirmed_summary(winner=winner, values={"the defaults": 0.2}))
    low, high = figure.layout.xaxis.range
    assert low < winner - 0.8 < high
    assert all(low < x < high for trace in figure.data for x in trace.x)


def test_without_such_runs_there_is_nothing():
    found = summary("CCC")
    assert parts.draw(found) is None
    assert parts_page(found, str) == {}
    assert "What each setting adds" not in report_text(found)


def test_steps_and_corners_are_tables(confirmed):
    page = parts_page(confirmed, str)
    every = " (on every seed)"
    assert [row[:2] for row in page["steps"]] == [
        ["clean training", "0.8000"],
        ["the defaults", "0.5000"],
        ["+ adv_lr 0.01", "0.8200"],
        ["+ adv_eps 0.05", "0.8400"],
        ["+ start_epoch 1 (the winner)", "0.8330"],
    ]
    assert page["steps"][1][2:] == ["–", "–", f"-0.3000{every}"]
    assert page["steps"][3][2:] == [f"+0.0200{every}", f"+0.3400{every}", f"+0.0400{every}"]
    corners = page["corners"]
    assert corners["columns"] == ["adv_lr 1 (default)", "adv_lr 0.01 (winner)"]
    assert [row[0] for row in corners["rows"]] == ["adv_eps 0.2 (default)", "adv_eps 0.05 (winner)"]
    assert [[(cell["value"], cell["gain"]) for cell in row[1:]] for row in corners["rows"]] == [
        [("0.5000", "the defaults"), ("0.8200", "+0.3200")],
        [("0.8100", "+0.3100"), ("0.8400", "+0.3400")],
    ]
    assert corners["note"] == "Mean values over 4 seeds, and the difference from the defaults; start_epoch has its default."


def test_the_page_says_it_with_the_confirmation_and_in_its_answer(confirmed):
    text = report_text(confirmed)
    assert text.index('<h2 id="confirmed"') < text.index("What each setting adds") < text.index('<h2 id="matters"')
    short = (
        "Measured against the method's defaults on 4 fresh seeds: adv_eps and adv_lr together +0.3400; adv_eps alone "
        "+0.3100; adv_lr alone +0.3200."
    )
    assert answer(confirmed)[2].endswith(short)
    words = Words(text).text
    assert "Together they do less than the sum of each alone: -0.2900 (on every seed)." in words
    assert "from the defaults (0.5000)" not in words  # the table has the steps
    shown = note(confirmed, None, as_options).replace("\\", "")
    assert short in shown
    assert "verdict: not separable. trial 5 (awp) and clean training on 4 fresh seeds: " in shown


def test_one_setting_has_no_corners():
    page = parts_page(confirmed_summary(names=["adv_eps"], values={"the defaults": None}), str)
    assert (page["corners"], [row[1] for row in page["steps"]]) == (None, ["0.8000", "failed", "0.8330"])
    assert "failed, counted as the largest difference: the defaults on 4 of 4 seeds" in page["lines"]
