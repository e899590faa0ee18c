"""Studies side by side: which compare, what the table says, and one page without network."""

import dataclasses
import json
import re
from pathlib import Path

import optuna
import pandas as pd
import pytest
from helpers.made_up_studies import CLEAN, EPOCHS, made, stored, summary
from helpers.refusals import assert_said, refused
from helpers.report_pages import Page
from rich.console import Console

import search
from finetune.errors import UserError
from spaces import space_of
from studies import compare
from studies.commands.compare import print_comparison
from studies.comparison import Comparison
from studies.planning.identity import KEY
from studies.report.compared import cells, frame, write_compared
from studies.report.compared_figures import drawn
from studies.results.compare import Proven, apart, side_by_side
from studies.results.summary import summarise
from studies.running.storage import LINK, close_storage, open_storage

DATABASE = "sqlite:///studies.db"
# Name, method, gain, and what its identity has instead.
STUDIES = [
    ("films-fgm", "fgm", 0.01, {}),
    ("films-awp", "awp", 0.03, {}),
    ("films-random", "random", 0.002, {}),
    ("elsewhere", "fgm", 0.05, {"recipe.seed": 1}),
    ("another", "fgm", 0.05, {"data fingerprint": "f" * 16, "model fingerprint": "a" * 16, "metric": "mcc"}),
]


def identified(study, method, changes):
    """The study with another method, and other fields, in its identity."""
    about = json.loads(json.dumps(study.user_attrs[KEY])) | {"method": method}
    for name, value in changes.items():
        part, _, field = name.partition(".")
        if field:
            about[part][field] = value
        else:
            about[part] = value
    study.set_user_attr(KEY, about)
    return study


def one(name, method, gain, changes=(), states="CCCCCCPF", **options):
    study = made(states, space_of(method, EPOCHS), explore=6, name=name, gain=gain, **options)
    return identified(study, method, dict(changes))


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    there = tmp_path_factory.mktemp("compared")
    storage = open_storage(f"sqlite:///{there}/studies.db")
    for name, method, gain, changes in STUDIES:
        metric = changes.get("metric", "accuracy")
        stored(one(name, method, gain, changes.items(), metric=metric), storage)
    optuna.create_study(study_name="plain", storage=storage)
    stage = optuna.create_study(study_name="films-awp.verdict", storage=storage)
    stage.set_user_attr(LINK, {"of": "films-awp", "stage": "verdict"})
    close_storage(storage)
    return there


@pytest.fixture
def _there(database, tmp_path, monkeypatch):
    (tmp_path / "studies.db").write_bytes((database / "studies.db").read_bytes())
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def three():
    """Three studies in memory; two of them confirmed."""
    found = side_by_side([as_summary(one(*study[:3])) for study in STUDIES[:3]])
    proven = [Proven("better", 0.012, 0.004, 0.02, 16, True), Proven("not separable", -0.001, -0.01, 0.008, 9, False), None]
    entries = [dataclasses.replace(e, proven=p) for e, p in zip(found.entries, proven, strict=True)]
    return dataclasses.replace(found, entries=entries)


def as_summary(study):
    return summarise(study)


@pytest.mark.usefixtures("_there")
def test_all_of_one_task_are_compared_and_the_others_named_with_the_reason(capsys):
    assert search.run(["compare"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert re.search(r"clean 0\.8125 .*awp 0\.8\d+ .*fgm 0\.8\d+ .*random 0\.8\d+", said)
    assert "Left out: study 'plain' was not made by this program." in said
    assert "Left out: elsewhere cannot be compared with films-awp: recipe.seed is 1, not 7." in said
    assert "Left out: another cannot be compared with films-awp: metric is 'mcc', not 'accuracy'; model fingerprint" in said
    assert ".verdict" not in said  # a stage belongs to its study
    assert "No study was confirmed." in said
    assert "written: runs/reviews-compared.html" in said
    page = Page(Path("runs/reviews-compared.html"))
    assert page.count("figure") == 4
    assert "films-awp, films-fgm, films-random" in page.text
    table = pd.read_csv("runs/reviews-compared.csv")
    assert table["study"].tolist() == ["films-awp", "films-fgm", "films-random"]
    assert table["clean"].tolist() == [CLEAN] * 3


@pytest.mark.usefixtures("_there")
def test_named_studies_in_python():
    found = compare("films-random", "films-fgm")
    assert isinstance(found, Comparison)
    assert found.studies == ["films-fgm", "films-random"]
    assert found.left_out == []
    assert found.to_frame().loc["films-fgm", "cost of a step"] == 2.0
    page = found.report("there/page.html")
    assert page.is_file()
    assert Path("there/page.csv").is_file()
    assert "<table" in found._repr_html_()
    assert "<script" not in found._repr_html_()


@pytest.mark.usefixtures("_there")
@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["films-awp", "elsewhere"], ["elsewhere cannot be compared with films-awp: recipe.seed is 1, not 7"]),
        (["elsewhere", "films-awp"], ["films-awp cannot be compared with elsewhere: recipe.seed is 7, not 1"]),
        (["films-awp", "another"], ["metric is 'mcc'", "model fingerprint is", "data fingerprint is"]),
        (["films-awp", "plain"], ["'plain' was not made by this program"]),
        (["films-awp", "films-awp.verdict"], ["holds the runs of a confirmation"]),
        (["films-awp", "films-agm"], ["no study 'films-agm'", "did you mean", "films-fgm"]),
        (["films-awp", "films-awp"], ["named twice"]),
        (["films-awp"], ["at least two", "films-fgm"]),
        (["films-awp", "films-fgm", "--storage", "sqlite:///none.db"], ["there is no such database"]),
    ],
)
def test_what_cannot_be_compared_is_refused(capsys, names, words):
    assert_said(refused(capsys, "compare", *names), *words)


@pytest.mark.usefixtures("_there")
@pytest.mark.parametrize("names", [["films-awp"], ["films-awp", "films-awp.verdikt"], ["films-awp", "nosuch"]])
def test_stages_are_not_offered_for_comparison(capsys, names):
    assert "films-awp.verdict" not in refused(capsys, "compare", *names)


@pytest.mark.usefixtures("_there")
def test_a_page_that_cannot_be_written_is_one_line():
    Path("taken").write_text("a file")
    with pytest.raises(UserError, match="taken"):
        print_comparison(DATABASE, ["films-awp", "films-fgm"], "taken", Console(quiet=True))


def test_a_database_without_two_that_compare_is_refused(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage = open_storage(DATABASE)
    assert_said(refused(capsys, "compare"), "has no studies yet")
    optuna.create_study(study_name="plain", storage=storage)
    assert_said(refused(capsys, "compare"), "at least two studies", "'plain' was not made by this program")
    stored(one("a", "fgm", 0.01), storage)
    stored(one("b", "fgm", 0.01, {"recipe.epochs": 3}.items()), storage)
    close_storage(storage)
    assert_said(refused(capsys, "compare"), "at least two", "b cannot be compared with a: recipe.epochs is 3, not 4")


@pytest.mark.parametrize(
    ("changes", "phrases"),
    [
        ({}, []),
        ({"method": "pgd", "fixed": {"K": 3}, "versions": {"torch": "1.0"}}, []),  # may differ
        ({"data.task": None, "data.train_file": "copy.csv"}, []),  # the same rows in another file
        ({"recipe.learning_rate": 0.5}, ["recipe.learning_rate is 0.5, not "]),
        ({"direction": "minimize"}, ["direction is 'minimize', not 'maximize'"]),
        ({"data fingerprint": "9"}, ["data fingerprint is '9', not '0123456789abcdef'"]),
        ({"model fingerprint": None}, []),  # an older study does not have it
        ({"metric": "mcc", "recipe.seed": 3}, ["metric is 'mcc', not 'accuracy'", "recipe.seed is 3, not 7"]),
    ],
)
def test_what_may_differ_and_what_may_not(changes, phrases):
    here = made("C").user_attrs[KEY]
    there = identified(made("C"), "awp", changes).user_attrs[KEY]
    found = apart(here, there)
    assert len(found) == len(phrases)
    assert all(one.startswith(phrase) for one, phrase in zip(found, phrases, strict=True))


def test_an_older_study_without_new_fields_is_the_same():
    here, there = made("C").user_attrs[KEY], json.loads(json.dumps(made("C").user_attrs[KEY]))
    del there["recipe"]["average"], there["model fingerprint"]
    assert apart(here, there) == apart(there, here) == []


def test_the_table_has_confirmed_gains_with_interval_and_word(three):
    heads, rows = cells(three)
    column = heads.index("confirmed gain")
    assert [row[column] for row in rows] == [
        "",
        "+0.0120 [+0.0040, +0.0200] better",
        "-0.0010 [-0.0100, +0.0080] not separable so far",
        "not confirmed",
    ]
    assert three.remarks[0] == "Confirmed against clean training: awp better."  # fgm's has not ended
    assert three.remarks[1].startswith("Not confirmed: random.")
    assert "fresh seeds" in three.remarks[2]
    numbers = frame(three)
    assert numbers["confirmed gain"].tolist()[:2] == [0.012, -0.001]
    assert numbers["verdict"].tolist()[:2] == ["better", "not separable"]
    assert numbers["seeds"].tolist()[:2] == [16, 9]


def test_figures_show_what_was_measured(three):
    figures = {name: figure for name, (figure, _) in drawn(three).items()}
    assert list(figures) == ["confirmed", "seconds", "passes", "budget", "strength"]
    shown = {
        point.y[0]: (point.x[0], point.error_x.arrayminus[0], point.error_x.array[0]) for point in figures["confirmed"].data
    }
    assert shown["awp: better"] == pytest.approx((0.012, 0.008, 0.008))
    names = [curve.name for curve in figures["seconds"].data][:3]
    assert names == ["awp", "fgm", "random"]
    best = three.entries[0].row.value
    assert figures["passes"].data[0].y[-1] == best
    sizes = [
        trial.user_attrs["diagnostics"]["relative"] for trial in three.first.trials if "diagnostics" in trial.user_attrs
    ]
    assert list(figures["strength"].data[0].x) == sizes


def test_two_studies_of_one_method_go_by_their_names():
    found = side_by_side([as_summary(one(name, "fgm", gain)) for name, gain in (("wide", 0.01), ("narrow", 0.02))])
    assert [entry.label for entry in found.entries] == ["narrow", "wide"]


@pytest.mark.parametrize("maximize", [True, False])
def test_a_study_without_a_complete_trial_comes_last_and_an_error_is_better_below(maximize):
    options = {"metric": "accuracy" if maximize else "rmse", "maximize": maximize}
    summaries = [
        summary(states, space_of("awp", EPOCHS), name=name, gain=gain, **options)
        for name, states, gain in (("none", "FF", 0.1), ("small", "CC", 0.01), ("large", "CC", 0.03))
    ]
    found = side_by_side(summaries)
    assert [entry.name for entry in found.entries] == ["large", "small", "none"]
    assert cells(found)[1][-1][1:4] == ["-", "-", "not confirmed"]
    low, high = drawn(found)["seconds"][0].layout.yaxis.range
    assert low < CLEAN < high


def test_a_collapsed_trial_does_not_squeeze_the_axis(three):
    low, high = drawn(three)["strength"][0].layout.yaxis.range
    best = three.entries[0].row.value - CLEAN
    assert low > CLEAN - 5 * best
    assert high > CLEAN + best


def test_a_name_with_markup_stays_text(tmp_path):
    names = ["<script>alert(1)</script>", "a & b"]
    found = side_by_side([as_summary(one(name, "fgm", 0.01)) for name in names])
    page = Page(write_compared(found, "page", {}, tmp_path / "page.html"))
    assert all(name in page.text for name in names)
    assert page.count("script") == 2 + page.count("figure")
