import csv
import re
from importlib.util import find_spec

import pytest
from helpers.made_up_studies import CLEAN, EPOCHS, REASON, matter_of, summary, with_findings
from helpers.report_pages import Page
from optuna.distributions import FloatDistribution
from plotly.offline import get_plotlyjs

from studies.report.figures import figures
from studies.report.files import write_images, write_report, write_trials
from studies.report.page import number, page
from studies.report.panels import PANELS

MIXED = "C" * 12 + "PFCPC"
EPSILON = {"epsilon": FloatDistribution(0.05, 5.0, log=True)}


def written(tmp_path, *args, **options):
    return Page(write_report(summary(*args, **options), tmp_path))


@pytest.fixture(scope="module")
def mixed():
    return summary(MIXED)


@pytest.fixture(scope="module")
def report(mixed, tmp_path_factory):
    return write_report(mixed, tmp_path_factory.mktemp("report"))


def test_it_is_one_file_that_loads_nothing(report):
    page = Page(report)
    assert [path.name for path in report.parent.iterdir()] == ["report.html"]
    assert report.stat().st_size < 6_000_000
    assert not [attrs for _, attrs in page.tags if attrs.keys() & {"src", "srcset", "action"}]
    assert all(attrs.get("href", "#").startswith("#") for _, attrs in page.tags)
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_plotly_is_inlined_once_and_hands_nothing_on(mixed, report):
    text = report.read_text()
    assert text.count("window.Plotly = Plotly") == 1
    assert get_plotlyjs() in text
    assert len(re.findall(r"<script type=\"application/json\" data-figure=", text)) == len(figures(mixed))
    assert len(re.findall(r"Plotly\.(react|newPlot)\(", text)) == 1
    assert text.count('"showSendToCloud": false') == 1


def test_every_figure_has_a_heading_and_a_sentence(mixed, report):
    page = Page(report)
    for name in figures(mixed):
        assert PANELS[name].CAPTION in page.text
    assert page.count("figure") == page.count("figcaption") == len(figures(mixed))


def test_the_summary_says_what_was_searched_and_found(mixed, report):
    text, best = Page(report).text, mixed.best
    assert "Method awp" in text
    assert "Task reviews" in text
    assert "Seed 7" in text
    assert "accuracy, higher is better" in text
    assert "Trials 17: 14 complete, 2 pruned, 1 failed" in text
    assert f"Clean baseline {CLEAN}" in text
    assert f"Best value {best.value:.4f} (trial {best.number})" in text
    assert f"adv_eps = {best.params['adv_eps']:.3g}" in text
    assert f"{best.value - CLEAN:+.4f} better than clean, on one seed: the best of 14 trials is optimistic" in text
    assert "train best.yaml --seed 1" in text
    assert re.search(r"Time per trial 3(\.\d)? s \(median of complete trials, .*\); clean training 6 s\.", text)
    assert "times clean training" not in text


def test_importances_idle_settings_and_failures_are_in_words(mixed, report):
    text = Page(report).text
    for row in mixed.importances:
        verdict = "matters" if row.evidence else "no evidence"
        assert f"{row.name} {row.share:.2f} {row.low:.2f} to {row.high:.2f} {row.floor:.2f} {verdict}" in text
    assert "From 8 evenly spread trials, and 8 that the sampler chose, each counted as a tenth." in text
    assert f"13 {REASON}" in text


def test_a_setting_that_did_nothing_is_named(tmp_path):
    assert "adv_eps was idle in 3 of 3 trials" in written(tmp_path, "CCC", clipped=0.0).text


@pytest.mark.parametrize(
    ("states", "options", "reason"),
    [
        pytest.param("C" * 9, {"space": {}}, "this study varies none", id="no setting"),
        pytest.param("C" * 9, {"space": EPSILON}, "this study varies only one", id="one setting"),
        pytest.param("CCCPF", {}, "need 8 trials with a value, and this study has 4", id="few trials"),
    ],
)
def test_missing_importances_are_explained(tmp_path, states, options, reason):
    assert reason in written(tmp_path, states, **options).text


def test_where_importances_come_from():
    assert page(summary("CCC", explore=1))["source"] == (
        "From 1 evenly spread trial, and 2 that the sampler chose, each counted as a tenth."
    )
    assert page(summary("CCC"))["source"] == "From 3 evenly spread trials."


@pytest.mark.parametrize("states", ["", "FFF", "PP", "C"])
@pytest.mark.parametrize("space", [None, EPSILON, {}], ids=["three settings", "one setting", "no setting"])
@pytest.mark.parametrize("maximize", [True, False])
def test_a_study_with_little_in_it_is_reported_too(tmp_path, states, space, maximize):
    page = written(tmp_path, states, space, maximize=maximize)
    assert f"Clean baseline {CLEAN}" in page.text
    assert ("none: no trial is complete" in page.text) == (states != "C")


def test_no_gain_is_not_dressed_up(tmp_path):
    text = written(tmp_path, "CCC", gain=-0.1).text
    assert re.search(r"Gain -0\.1\d+ \(worse\): no trial beats clean training on this seed", text)
    assert "better than clean" not in text


def test_a_lower_metric_is_better_where_it_is(tmp_path):
    found = summary("CCC", metric="rmse", maximize=False)
    page = Page(write_report(found, tmp_path))
    assert "rmse, lower is better" in page.text
    assert f"{CLEAN - min(t.value for t in found.trials):+.4f} better" in page.text


def test_the_best_trials_are_listed_best_first(mixed, report):
    rows = page(mixed)["best"]
    assert len(rows) == 14
    values = [float(row[2]) for row in rows]
    assert values == sorted(values, reverse=True)
    assert len(page(summary("C" * 25, EPSILON))["best"]) == 20
    assert rows[0][:3] == [str(mixed.best.number), "search" if mixed.best.number >= 8 else "explore", f"{values[0]:.4f}"]


def test_many_failures_are_cut_short(tmp_path):
    text = written(tmp_path, "F" * 23).text
    assert "and 3 more, in trials.csv" in text


def test_what_the_study_is_about_stands_at_the_end(report):
    text = Page(report).text
    assert "adv_eps 0.0001 to 0.3, log" in text
    assert "start_epoch 0 to 2" in text
    assert "data fingerprint 0123456789abcdef" in text
    assert f"epochs {EPOCHS}" in text
    assert "torch 2.0" in text


def test_html_in_names_stays_text(tmp_path):
    bad = "</script><script>alert(1)</script>"
    space = {bad: FloatDistribution(0.0, 1.0), "<img src=x>": FloatDistribution(0.0, 1.0)}
    options = {"metric": "<b>f1</b>", "failure": f"<iframe>{bad}", "name": f"<h1>{bad}", "fixed": {"<u>K</u>": 3}}
    odd = summary("CCCF", space, **options)
    odd = with_findings(odd, [matter_of(name) for name in space])
    found = Page(write_report(odd, tmp_path))
    assert found.count("script") == 2 + len(figures(odd))
    assert found.count("h1") == 1
    assert not any(found.count(tag) for tag in ("img", "iframe", "b", "u"))
    assert "alert(1)" in found.text


def test_the_csv_has_a_row_for_each_trial_and_a_column_for_all_that_is_known(tmp_path):
    found = summary("CCPFC", fixed={"adv_step": 2}, explore=2)
    with write_trials(found, tmp_path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    head = ["number", "state", "phase", "value", "adv_step", "adv_eps", "adv_lr", "start_epoch", "seconds"]
    assert list(rows[0]) == [*head, "accuracy", "extra", "relative", "clipped", "failure"]
    assert [int(row["number"]) for row in rows] == [0, 1, 2, 3, 4]
    assert [row["state"] for row in rows] == ["complete", "complete", "pruned", "fail", "complete"]
    assert [row["phase"] for row in rows] == ["explore"] * 2 + ["search"] * 3
    for row, trial in zip(rows, found.trials, strict=True):
        assert {name: float(row[name]) for name in trial.params} == trial.params
        assert row["value"] == ("" if trial.value is None else repr(trial.value))
        assert row["adv_step"] == "2"
    assert (rows[3]["failure"], rows[3]["relative"], rows[2]["failure"]) == (REASON, "", "")
    assert [row["relative"] for row in rows[:2]] == ["0.01", "0.02"]


def test_a_study_without_trials_has_a_csv_with_a_head(tmp_path):
    text = write_trials(summary(""), tmp_path).read_text()
    assert text == "number,state,phase,value,adv_eps,adv_lr,start_epoch,seconds,failure\n"


@pytest.mark.parametrize(("write", "name"), [(write_report, "report.html"), (write_trials, "trials.csv")])
def test_files_are_replaced_whole_or_left_alone(mixed, tmp_path, write, name):
    folder = tmp_path / "new" / "folder"
    assert write(mixed, folder) == folder / name
    before = (folder / name).read_bytes()
    assert write(mixed, folder).read_bytes() == before
    assert [path.name for path in folder.iterdir()] == [name]
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(OSError, match=name):
        write(mixed, folder)
    assert [path.name for path in folder.iterdir()] == [name]


@pytest.mark.parametrize("write", [write_report, write_trials])
def test_a_folder_that_cannot_be_made_is_an_error(mixed, tmp_path, write):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="file"):
        write(mixed, tmp_path / "file" / "out")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_report_can_be_read_by_whoever_may_read_the_folder(report, tmp_path):
    (tmp_path / "plain").write_text("")
    assert report.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_images_are_what_the_list_says(tmp_path):
    paths = write_images(summary("C", {}), tmp_path)
    assert sorted(paths) == sorted(tmp_path.iterdir())
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    if find_spec("kaleido") is None:
        assert paths == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.84125, "0.8413"), (0.0, "0.0000"), (-0.0, "0.0000"), (0.01234567, "0.0123"), (12345.678, "12345.6780"), (None, "–")],
)
def test_all_values_of_a_study_have_the_same_decimals(value, text):
    assert number(value, summary("C")) == text
