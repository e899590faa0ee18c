"""Several methods side by side: one table, one page, and words that do not promise more than one seed can."""

import re
from pathlib import Path

import pytest
from helpers.refusals import rows as rows_of_text

import search
from studies import search as call
from studies.planning.request import request_of
from studies.results.several import control_of

SMALL = {"epochs": 1, "max_train_rows": 40, "max_validation_rows": 60, "calibrate": False, "progress": False}
METHODS = ["fgm", "random", "awp"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("several")


@pytest.fixture(autouse=True)
def _there(folder, monkeypatch):
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def found(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return call(METHODS, trials=2, **SMALL)


def test_the_table_has_clean_training_and_every_method_the_best_first(found):
    frame = found.to_frame()
    assert frame.index[0] == "clean"
    assert set(frame.index[1:]) == set(METHODS)
    values = frame["accuracy"].tolist()
    assert values[1:] == sorted(values[1:], reverse=True)
    for name in METHODS:
        best = max(trial.value for trial in found[name].study.trials)
        assert frame.loc[name, "accuracy"] == best
        assert frame.loc[name, "gain over clean"] == pytest.approx(best - frame.loc["clean", "accuracy"], abs=1e-4)
        assert frame.loc[name, "trials"] == 2
    assert frame.loc["fgm", "control"] == "random"
    beside = frame.loc["fgm", "accuracy"] - frame.loc["random", "accuracy"]
    assert frame.loc["fgm", "gain over control"] == pytest.approx(beside, abs=1e-4)
    assert frame.loc[["random", "awp"], "control"].isna().all()  # random_weights was not searched


def test_each_attack_has_the_control_of_its_place():
    assert [control_of(name) for name in ("fgm", "freelb", "smart", "awp", "sam")] == [
        "random", "random", "random", "random_weights", "random_weights",
    ]  # fmt: skip
    assert [control_of(name) for name in ("random", "random_weights", "none")] == [None, None, None]


def test_one_page_links_the_report_of_each(found):
    assert found.path == Path("runs/reviews-methods.html")
    page = found.path.read_text()
    for name in METHODS:
        assert f'href="reviews-{name}/report.html"' in page
    assert "One seed" in page
    assert not re.search(r'<(?:script|img|link)[^>]+(?:src|href)="?https?:', page)
    assert "<table" in found._repr_html_()
    assert "<script" not in found._repr_html_()


def test_the_command_ends_with_the_table(found, capsys):
    line = "--trials 2 --epochs 1 --max-train-rows 40 --max-validation-rows 60"
    assert search.run(["--method", ",".join(METHODS), *line.split()]) == 0
    said = capsys.readouterr().out
    end = said[said.rindex("look at the trials") :]
    assert all(re.search(rf"^{name} +0\.", end, re.MULTILINE) for name in ("clean", *METHODS))
    assert "One seed" in end
    assert "written: runs/reviews-methods.html" in end


def test_what_clean_training_did_not_learn_is_said_before_the_trials_and_under_the_table_only(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = "--method fgm,random --trials 1 --epochs 1 --max-train-rows 40 --max-validation-rows 60 --learning-rate 1e-9"
    assert search.run(line.split()) == 0
    said = capsys.readouterr().out
    assert said.lower().count("clean training learned nothing") == 2
    assert (
        said.index("clean training learned nothing") < said.index("trial   0") < said.index("Clean training learned nothing")
    )


def test_one_method_has_no_table(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert search.run("--method none --epochs 1 --max-train-rows 40".split()) == 0
    assert "One seed, and the best trial of each" not in capsys.readouterr().out
    assert not list(Path("runs").glob("*methods*"))


@pytest.mark.parametrize("task", ["x", "my-data", "a.b", "x-fgm", "fgm"])
@pytest.mark.parametrize("name", ["x", "my-data", "x.fgm", "a"])
def test_a_name_for_several_methods_is_no_study_s_default_name(task, name):
    several = request_of({"method": ("fgm", "awp"), "study": name})
    alone = request_of({"method": "fgm"})
    mine = {several.study_name("any", method) for method in ("fgm", "awp")}
    assert mine.isdisjoint({alone.study_name(task, method) for method in ("fgm", "awp")})


def test_a_name_that_is_another_task_s_takes_nothing_of_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(rows_of_text())
    first = call("fgm", train_file="rows.csv", trials=1, **SMALL)
    assert first.name == "rows-fgm"
    second = call(["fgm", "random"], study="rows", trials=1, **SMALL)
    assert {result.name for result in second.values()} == {"rows.fgm", "rows.random"}
    assert len(first.study.trials) == 1
