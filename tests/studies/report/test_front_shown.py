"""Two metrics in the report, the dashboard, a notebook and on the terminal."""

import io
import json
from pathlib import Path

import pytest
from helpers.made_up_studies import made
from helpers.report_pages import Words
from helpers.shown_studies import asked, detail, summary_of
from helpers.two_metrics import two_study
from rich.console import Console

from finetune.arguments import as_options
from studies.commands.dashboard import application
from studies.report.files import report_text
from studies.report.fragment import fragment
from studies.report.panels import front, history
from studies.report.shown import show
from studies.report.terminal import print_paths, print_summary
from studies.results.front import front_lines
from studies.results.sentences import other_views
from studies.results.summary import summarise
from studies.running.storage import open_storage

ROWS = [(0.82, 9.0), (0.81, 7.0), (0.80, 7.5), None, (0.70, 5.0), (0.82, 9.5), (0.805, 8.0), (0.79, 6.5), (0.1, 6.0)]
TITLE = "Two metrics: the front"


@pytest.fixture(scope="module")
def two():
    return summarise(two_study(ROWS))


def test_the_line_of_the_front_has_its_trials_and_a_cross_clean_training(two):
    figure = front.draw(two)
    traces = {trace.name: trace for trace in figure.data}
    line, cross = traces["front"], traces["clean training"]
    assert list(zip(line.text, line.x, strict=True)) == [("4", 5.0), ("7", 6.5), ("1", 7.0), ("0", 9.0)]
    assert list(line.y)[1:] == [0.79, 0.81, 0.82]
    assert line.line.shape == "hv"
    assert (list(cross.x), list(cross.y)) == ([6.0], [0.8])
    assert "seconds 9.00<br>better in accuracy than clean training" in line.hovertext[3]
    assert sum(len(trace.x) for name, trace in traces.items() if name in ("explore", "search")) == 8
    assert front.finding(two) == (
        "The front has 4 trials, from accuracy 0.7000 at seconds 5.00 to 0.8200 at 9.00; "
        "none of them is better than clean training in both."
    )


def test_of_two_metrics_that_rise_the_line_falls():
    both = {"metrics": ("accuracy", "robust_accuracy"), "directions": ("maximize", "maximize"), "clean": (0.8, 0.5)}
    found = summarise(two_study([(0.82, 0.6), (0.81, 0.7)], **both))
    line = next(trace for trace in front.draw(found).data if trace.name == "front")
    assert (line.line.shape, list(line.x)) == ("vh", [0.6, 0.7])
    assert front.finding(found).endswith("2 of them are better than clean training in both.")


def test_a_value_that_collapsed_does_not_squeeze_the_second_axis():
    both = {"metrics": ("accuracy", "robust_accuracy"), "directions": ("maximize", "maximize"), "clean": (0.8, 0.5)}
    rows = [(0.8 + n / 1000, 0.5 + n / 500) for n in range(10)] + [(0.1, 0.0)]
    low, high = front.draw(summarise(two_study(rows, **both))).layout.xaxis.range
    assert 0.49 < low < 0.5
    assert 0.518 < high < 0.53


@pytest.mark.parametrize("study", [made("CCCC"), two_study([None, None]), two_study([])])
def test_without_a_front_nothing_is_drawn(study):
    found = summarise(study)
    assert front.draw(found) is None
    assert front.finding(found) == "There is no front."
    assert TITLE not in report_text(found)


def test_the_report_has_its_part_and_says_it_at_the_top(two):
    page = report_text(two)
    text = Words(page).text
    assert TITLE in text
    assert "By accuracy and seconds, no trial is better than clean training in both metrics." in text
    assert "trial 7 0.7900 6.50 better in neither" in text
    assert "clean training 0.8000 6.00" in text
    assert "Metric accuracy, higher is better; seconds, lower is better" in text
    assert "--metric accuracy,seconds" in text
    assert 'data-figure="figure-front"' in page
    assert 'data-figure="figure-epochs"' in page  # its curves come from what every trial keeps
    assert history.draw(two).data


def test_names_of_metrics_are_no_markup():
    both = {"metrics": ("accuracy", "<b>x</b>"), "directions": ("maximize", "minimize"), "clean": (0.8, 5.0)}
    found = summarise(two_study(ROWS, **both))
    assert "<b>x" not in report_text(found)
    assert "<b>x" not in json.dumps(front.draw(found).to_plotly_json(), default=str)
    assert "<b>x" not in fragment(found)


def test_a_notebook_has_the_front(two):
    text = Words(fragment(two)).text
    assert "The front accuracy seconds Against clean trial 0 0.8200 9.00 better in accuracy" in text
    assert "another one: export with trial=4" in text


def test_the_terminal_has_the_front(two):
    out = io.StringIO()
    print_summary(Console(file=out, width=200), two)
    text = " ".join(out.getvalue().split())
    assert "front of accuracy and seconds, 4 of 8 complete trials: no other is as good in both and better in one" in text
    assert "trial 1 0.8100 7.00 better in accuracy adv_eps=" in text
    assert "another one: export with --trial 4" in text


def test_the_dashboard_has_two_named_objectives_and_the_front_in_its_note(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path / 'studies.db'}")
    found = summary_of(two_study(ROWS, storage=storage))
    assert show(found, storage, as_options, "python search.py", None) == []
    app = application(storage, tmp_path / "artifacts")
    told = detail(app)
    assert told["objective_names"] == ["accuracy", "seconds"]
    assert told["directions"] == ["maximize", "minimize"]
    assert {trial["number"] for trial in told["best_trials"]} >= {0, 1, 4, 7}
    assert "### The front" in told["note"]["body"]
    assert "| trial 1 | 0.8100 | 7.00 | better in accuracy |" in told["note"]["body"]
    attributes = {attribute["key"]: attribute["value"] for attribute in told["user_attrs"]}
    assert "0, 1, 7, 4" in attributes["front"]
    assert asked(app, "/api/studies")[0].startswith("200")


def test_a_single_trial_is_a_front_and_the_second_metric_is_no_view_beside_it():
    both = {"metrics": ("accuracy", "robust_accuracy"), "directions": ("maximize", "maximize"), "clean": (0.8, 0.5)}
    found = summarise(two_study([(0.82, 0.6), (0.81, 0.55)], about={"record": ["robust"]}, **both))
    assert front.finding(found) == (
        "One trial alone is the front, accuracy 0.8200 at robust_accuracy 0.6000: it is better in both than clean training."
    )
    assert front_lines(found)[0] == "trial 0 is better than clean training in both metrics"
    assert front_lines(found)[-1] == "trial 0, the best of the front in accuracy, is in best.yaml"
    assert other_views(found) == []


def test_what_to_type_next_is_written_as_a_shell_needs_it():
    text = io.StringIO()
    print_paths(Console(file=text, width=200), [Path("runs ü/s/best.yaml")], "postgresql://me:secret@host/studies")
    assert text.getvalue().splitlines() == [
        "written: runs ü/s/best.yaml",
        "train the best: python search.py train 'runs ü/s/best.yaml'",
        "look at the trials: python search.py dashboard --storage 'postgresql://me:***@host/studies'",
    ]
