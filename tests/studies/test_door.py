"""The Python door: calls that do what the command does, with errors that name arguments."""

import inspect
import json
from pathlib import Path

import optuna
import pandas as pd
import pytest
from helpers.refusals import rows

import search as command
import studies
from finetune.config import Data, Recipe
from finetune.errors import UserError
from studies import Result, load, search
from studies.planning.request import GROUPS, request_of

SMALL = {"epochs": 1, "max_train_rows": 40, "max_validation_rows": 60, "progress": False}
LINE = "--method awp --trials 3 --epochs 1 --max-train-rows 40 --max-validation-rows 60"
AWP = {"space": {"adv_eps": (1e-3, 0.1, "log")}, "set": {"adv_step": 1}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("door")


@pytest.fixture(scope="module")
def found(folder):
    """One search through the door, and the same through the command in another database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = search("awp", trials=3, **AWP, **SMALL)
        line = f"{LINE} --range adv_eps=0.001:0.1:log --set adv_step=1"
        assert command.run([*line.split(), "--storage", "sqlite:///other.db", "--out", "other"]) == 0
    return result


@pytest.fixture(autouse=True)
def _there(folder, monkeypatch):
    monkeypatch.chdir(folder)


def study_of(database):
    return optuna.load_study(study_name="reviews-awp", storage=f"sqlite:///{database}")


def test_a_call_and_the_command_make_the_same_study(found):
    mine, other = study_of("studies.db"), study_of("other.db")
    assert [(t.params, t.value, t.intermediate_values) for t in mine.trials] == [
        (t.params, t.value, t.intermediate_values) for t in other.trials
    ]
    assert mine.user_attrs["identity"] == other.user_attrs["identity"]
    assert found.study.study_name == "reviews-awp"


def test_a_result_has_what_the_study_says(found):
    assert isinstance(found, Result)
    values = [trial.value for trial in found.study.trials]
    assert found.best.value == max(values)
    assert found.best.number == values.index(max(values))
    assert found.best.settings == {"adv_step": 1} | found.study.trials[found.best.number].params
    assert found.clean == found.study.user_attrs["baseline"][-1]["metrics"]["accuracy"]
    assert found.gain == pytest.approx(found.best.value - found.clean, abs=1e-4)
    assert (found.method, found.metric, found.name) == ("awp", "accuracy", "reviews-awp")
    assert found.importances == []  # of three trials
    assert repr(found).startswith("<Result of reviews-awp: accuracy, best 0.")


def test_its_trials_are_a_data_frame(found):
    frame = found.to_frame()
    pd.testing.assert_frame_equal(frame, found.trials)
    assert frame["value"].tolist() == [trial.value for trial in found.study.trials]
    assert frame["adv_step"].tolist() == [1, 1, 1]
    assert set(frame["state"]) == {"complete"}


def test_it_writes_its_report_and_its_best(found, tmp_path):
    written = found.report(tmp_path / "deep" / "mine.html")
    assert written == tmp_path / "deep" / "mine.html"
    assert "reviews-awp" in written.read_text()
    assert found.export(tmp_path / "best.json", "json") == (tmp_path / "best.json").read_text()
    assert json.loads(found.export(format="json"))["settings"] == found.best.settings
    left = f"predictions-{found.best.number}.csv"
    assert {path.name for path in found.files} == {"report.html", "trials.csv", "best.yaml", left}
    with pytest.raises(UserError, match="unknown format 'yml'; did you mean 'yaml'"):
        found.export(format="yml")


def test_it_is_loaded_again(found):
    again = load("sqlite:///studies.db", "reviews-awp")
    assert again.best == found.best
    assert again.folder == Path("runs/reviews-awp")
    with pytest.raises(UserError, match="reviews-awp"):
        load("sqlite:///studies.db", "reviews-awpp")


def test_the_same_call_again_runs_nothing_more(found):
    before = [trial.datetime_complete for trial in found.study.trials]
    again = search("awp", trials=3, **AWP, **SMALL)
    assert [trial.datetime_complete for trial in again.study.trials] == before


def test_several_methods_give_a_result_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = search(["fgm", "random"], trials=1, calibrate=False, **SMALL)
    assert {name: result.name for name, result in found.items()} == {"fgm": "reviews-fgm", "random": "reviews-random"}
    assert found["fgm"].clean == found["random"].clean


def test_trials_that_another_command_has_finished_are_counted_in_the_lines(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def other(study, trial):
        if trial.number == 0:
            study.add_trial(trial)

    search("fgm", trials=3, calibrate=False, callbacks=[other], **SMALL | {"progress": True})
    said = capsys.readouterr().out
    assert [line.split(" | ")[1].split(",")[0] for line in said.splitlines() if " | " in line] == ["1/3", "3/3"]


def test_callbacks_are_called_after_every_trial_and_may_stop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = []

    def second(study, trial):
        seen.append((study.study_name, trial.number, trial.state.name, trial.value))
        if trial.number == 1:
            study.stop()

    result = search("fgm", trials=4, calibrate=False, callbacks=[second], **SMALL)
    values = [trial.value for trial in result.study.trials]
    assert seen == [("reviews-fgm", 0, "COMPLETE", values[0]), ("reviews-fgm", 1, "COMPLETE", values[1])]
    again = search("fgm", trials=3, callbacks=[optuna.study.MaxTrialsCallback(2)], **SMALL)
    assert len(again.study.trials) == 3


def test_nothing_is_printed_without_progress_and_lines_name_arguments_with_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    search("none", trials=2, **SMALL)
    assert capsys.readouterr().out == ""
    search("none", **SMALL | {"progress": True})
    assert "none: nothing to search (add tune), so one trial" in capsys.readouterr().out


def test_paths_settings_and_starts_are_plain_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(rows())
    result = search(
        "fgm",
        train_file=Path("rows.csv"),
        label_column="label",
        trials=2,
        start=[{"epsilon": 0.5}],
        set={"combine": "sum"},
        storage=f"sqlite:///{tmp_path}/here.db",
        out=tmp_path / "out",
        study="mine",
        **SMALL,
    )
    assert [trial.params["epsilon"] for trial in result.study.trials] == [1.0, 0.5]
    assert result.folder == tmp_path / "out" / "mine"
    assert result.best.settings["combine"] == "sum"


BAD = [
    ({"trails": 3}, "there is no argument 'trails'; did you mean 'trials'?"),
    ({"trials": 0}, "trials is 0: input should be greater than or equal to 1"),
    ({"trials": "many"}, "trials is 'many': input should be a valid integer"),
    ({"set": {"epsilonn": 1}}, "set={'epsilonn': 1}: fgm has no setting 'epsilonn'; did you mean 'epsilon'?"),
    ({"set": ["epsilon"]}, "set is ['epsilon']: input should be a valid dictionary"),
    ({"space": {"epsilon": (2, 1)}}, "space={'epsilon': [2, 1]}: the range is empty, 2 is not below 1"),
    ({"space": {"epsilon": 3}}, "space={'epsilon': 3}: 3 is not a range"),
    ({"space": {"epsilon": (1, 2, "lin")}}, "space={'epsilon': [1, 2, 'lin']}: (1, 2, 'lin') is not a range"),
    ({"space": "none.yaml"}, "space='none.yaml' cannot be read: "),
    ({"start": [{"epsilon": -1}]}, "start: entry 1: epsilon must be a finite number >= 0"),
    ({"start": ["none.yaml"]}, "start='none.yaml' cannot be read: "),
    ({"tune": "lr"}, "tune='lr' is not a recipe parameter"),
    ({"sampler": "tpee"}, "sampler is 'tpee': input should be 'tpe', 'random', 'sobol' or 'gp'; did you mean 'tpe'?"),
    ({"train_file": "none.csv"}, "none.csv: there is no such file"),
    ({"model": "./none"}, "model='./none': there is no such folder"),
    ({"data": "x", "task": "reviews"}, "task and data exclude each other; give one"),
    ({"label_column": ()}, "label_column is empty"),
    ({"metric": "rmse"}, "metric='rmse' is not for classification"),
    ({"method": "fgmm"}, "unknown method 'fgmm'; did you mean 'fgm'?"),
    ({"method": ["fgm", "fgmm"]}, "unknown method 'fgmm'; did you mean 'fgm'?"),
    ({"method": []}, "method is empty"),
]


@pytest.mark.parametrize(("given", "words"), BAD, ids=[str(given) for given, _ in BAD])
def test_a_bad_argument_is_named_as_python_has_it(given, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        search(**{"method": "fgm", "progress": False} | given)
    assert words in str(caught.value)
    assert "--" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_signature_lists_every_argument():
    shown = inspect.signature(search).parameters
    fields = {name for group in GROUPS.values() for name in group.model_fields}
    assert shown.keys() == fields | {"progress", "callbacks"}
    assert (shown["trials"].default, shown["epochs"].default) == (100, 6)
    for name in fields - {"method"}:
        assert f"        {name}: " in search.__doc__


def test_what_is_not_given_has_its_default():
    request = request_of({})
    assert (request.data, request.recipe) == (Data(task="reviews"), Recipe())
    assert request_of({"model": "some-encoder"}).recipe.epochs == 3
    assert request_of({"epochs": None}).recipe.epochs == 6


def test_check_looks_at_one_step():
    seen = studies.check("fgm", max_train_rows=40, set={"epsilon": 0.0}, progress=False)
    assert not seen.good
    assert "failure" in repr(seen) or "idle" in repr(seen)
    assert studies.check("fgm", max_train_rows=40, progress=False).good
    with pytest.raises(UserError, match="check takes one method"):
        studies.check(["fgm", "awp"])


def test_the_door_says_what_it_has():
    assert {"search", "load", "check", "Result"} <= set(dir(studies))
    with pytest.raises(AttributeError, match="searchh"):
        _ = studies.searchh
