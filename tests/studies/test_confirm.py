"""``confirm``: from a small search to a verdict, through kills, missing data and everything that has nothing to confirm."""

import inspect
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import optuna
import pytest
import yaml
from helpers.forks import forked
from helpers.made_up_studies import made, stored, summary
from helpers.refusals import refused, rows
from rich.console import Console

import search as command
from finetune.data.load import load_task
from finetune.errors import UserError
from studies import confirm, load, search, tune
from studies.commands.confirm import print_confirmation
from studies.confirming import confirm_study
from studies.planning.confirm_request import ConfirmRequest
from studies.planning.identity import data_of
from studies.report.screen import Screen
from studies.results.confirm_record import record_of
from studies.results.confirm_words import verdict_lines
from studies.results.confirmed import finite_mean
from studies.results.export import read_best
from studies.results.rows import predictions
from studies.running.stage_runs import Runs
from studies.running.stages import find_stage
from studies.running.storage import open_storage

STORAGE = "sqlite:///studies.db"
ONCE = {"seeds": 2, "race": 2, "progress": False}


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A folder with a small search: one study, from a file of 60 rows."""
    folder = tmp_path_factory.mktemp("searched")
    (folder / "films.csv").write_text(rows(60))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        given = {"trials": 3, "epochs": 2, "set": {"start_epoch": 1}, "calibrate": False}
        search("fgm", train_file="films.csv", study="s", progress=False, **given)
    return folder


@pytest.fixture
def here(searched, tmp_path, monkeypatch):
    """A copy of it, to work in; the data stays where the study knows it."""
    shutil.copytree(searched, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture(scope="module")
def undisturbed(searched, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "here"
    shutil.copytree(searched, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        confirm("s", **ONCE)
    return folder


def values(folder):
    found = {}
    for name in ("s.race", "s.verdict"):
        study = optuna.load_study(study_name=name, storage=open_storage(f"sqlite:///{folder / 'studies.db'}"))
        found |= {(name, t.number): (t.params, t.value, t.user_attrs.get("test rows 0")) for t in study.trials}
    return found


def test_every_arm_has_the_same_fresh_seeds_and_the_files_say_what_was_found(undisturbed, monkeypatch):
    monkeypatch.chdir(undisturbed)
    found = values(undisturbed)
    assert [found["s.verdict", n][0] for n in range(6)] == [{"arm": n % 3, "seed": 2001 + n // 3} for n in range(6)]
    assert {params["seed"] for (name, _), (params, _, _) in found.items() if name == "s.race"} == {1001, 1002, 1003}
    result = load(STORAGE, "s")
    verdict = result.verdict
    assert (verdict.word, verdict.seeds, verdict.cap, verdict.judgement.look) == ("not separable", 2, 2, None)
    expected = [found["s.verdict", 1 + 3 * n][1] - found["s.verdict", 3 * n][1] for n in range(2)]
    assert verdict.clean.differences == pytest.approx(expected)
    assert verdict.control.differences == pytest.approx(
        [found["s.verdict", n][1] - found["s.verdict", n + 1][1] for n in (1, 4)]
    )
    assert verdict.test.seeds == 2
    best = yaml.safe_load((undisturbed / "runs" / "s" / "best.yaml").read_text())
    assert best["confirmed"] == record_of(verdict)
    assert best["recorded"]["trial"] == verdict.winner.trial
    assert read_best("runs/s/best.yaml").settings == verdict.winner.settings
    left = {path.name for path in (undisturbed / "runs" / "s").iterdir()}
    assert left == {"report.html", "trials.csv", "best.yaml", f"predictions-{result.best.number}.csv"}


def test_the_test_split_is_scored_from_kept_predictions(undisturbed, monkeypatch):
    monkeypatch.chdir(undisturbed)
    result = load(STORAGE, "s")
    stage = find_stage(result.study, "verdict")
    task = load_task(data_of(result.summary.about), "accuracy")
    kept_arrays = predictions({"clean": (stage, 0), "winner": (stage, 1)}, 2, "test")
    accuracy = [float((array.argmax(1) == task.test.labels).mean()) for array in kept_arrays["winner"]]
    assert result.verdict.test.winner == pytest.approx(np.mean(accuracy))
    on_validation = predictions({"winner": (stage, 1)}, 2, "validation")["winner"]
    again = [float((array.argmax(1) == task.validation.labels).mean()) for array in on_validation]
    assert again == pytest.approx(stage.values(1, 2))


def test_killed_anywhere_and_taken_up_every_value_is_the_same(here, undisturbed, monkeypatch):
    for at in ("race-0", "verdict-3"):

        def killed(at=at):
            whole = Runs._train

            def train(self, trial, training, share):
                if f"{self.stage.kind}-{trial.number}" == at:
                    save = training.save

                    def then_die(path):
                        save(path)
                        os.kill(os.getpid(), signal.SIGKILL)

                    training.save = then_die
                return whole(self, trial, training, share)

            Runs._train = train
            confirm("s", **ONCE)

        with forked(killed) as (process, _):
            pass
        assert process.exitcode == -signal.SIGKILL
        assert list((here / "runs" / "s").glob(f"{at}.safetensors"))
    confirm("s", **ONCE)
    assert values(here) == values(undisturbed)


def test_ctrl_c_ends_it_in_one_line_and_the_same_command_goes_on(here, undisturbed, capsys, monkeypatch):
    whole, calls = Runs._train, []

    def train(self, trial, training, share):
        calls.append(trial.number)
        if len(calls) in (2, 9):  # in the race, and in the verdict
            raise KeyboardInterrupt
        return whole(self, trial, training, share)

    monkeypatch.setattr(Runs, "_train", train)
    asked = ["confirm", "--race", "2", "--seeds", "2", "--parts", "0"]
    for stage in ("race", "verdict"):
        assert command.run(asked) == command.STOPPED
        said = capsys.readouterr()
        assert said.err == "stopped; nothing is lost, the same command goes on from here\n"
        assert f"\n{stage} " in said.out
    assert command.run(asked) == 0
    assert values(here) == values(undisturbed)


def test_more_seeds_go_on_and_the_test_split_is_not_read_again(here, searched, capsys):
    first = confirm("s", seeds=1, race=0, progress=False)
    assert first.verdict.raced == 0
    read = first.verdict.test
    capsys.readouterr()
    more = confirm("s", seeds=2, race=0).verdict
    assert (more.seeds, more.cap) == (2, 1)
    assert (more.test.time, more.test.seeds, more.test.winner) == (read.time, 1, read.winner)
    assert any("it is not read again" in line for line in verdict_lines(more))
    (here / "films.csv").unlink()
    capsys.readouterr()
    assert confirm("s", seeds=2, race=0, smallest=0.01).verdict.clean.chances is not None
    assert "seed" not in capsys.readouterr().out  # nothing is run, and no data is needed


def test_the_stages_are_parts_of_the_study(undisturbed, monkeypatch, capsys):
    monkeypatch.chdir(undisturbed)
    assert load(STORAGE).name == "s"  # still the only study
    with pytest.raises(UserError, match=r"'s\.verdict' is a part of the confirmation of study 's'"):
        load(STORAGE, "s.verdict")
    assert command.run(["studies"]) == 0
    table = capsys.readouterr().out
    assert [row[:2] for line in table.splitlines() if (row := line.split()) and row[0] in ("s", "s.race", "s.verdict")] == [
        ["s", "fgm"],
        ["s.race", "(race)"],
        ["s.verdict", "(verdict)"],
    ]


def test_deleted_with_the_study_or_from_a_stage_on(undisturbed, tmp_path, monkeypatch, capsys):
    shutil.copytree(undisturbed, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    names = lambda: optuna.get_all_study_names(open_storage(STORAGE))  # noqa: E731
    assert command.run(["studies", "delete", "s.verdict", "--yes"]) == 0
    assert sorted(names()) == ["s", "s.race"]
    assert command.run(["studies", "delete", "s", "--yes"]) == 0
    assert names() == []
    assert "s.race, a part of its confirmation, with" in capsys.readouterr().out


def test_the_command_says_before_it_begins_what_it_will_cost_and_ends_with_the_verdict(here, capsys):
    print_confirmation({"seeds": 1, "race": 2, "smallest": 0.1}, STORAGE, None, "runs", Console(width=400))
    said = capsys.readouterr().out
    assert said.splitlines()[0].startswith("confirmation: 6 runs for the race and at most 3 for the verdict")
    for words in ("race 6/6", "verdict 3/3", "1 seed cannot give a verdict", "test split (", "about this configuration"):
        assert words in said
    assert "p =" not in said.partition("verdict 1/")[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seeds", "0"], "--seeds is 0"),
        (["--race", "-1"], "--race is -1"),
        (["--smallest", "0"], "--smallest is 0"),
        (["--study", "t"], "there is no study 't' in sqlite:///studies.db; choose from s"),
        (["--storage", "sqlite:///none.db"], "there is no such database"),
    ],
)
def test_refused(here, capsys, arguments, words):
    assert words in refused(capsys, "confirm", *arguments)


def test_other_data_is_refused_and_missing_data_is_named(here, capsys, searched, tmp_path):
    study = load(STORAGE, "s").study
    about = study.user_attrs["identity"]
    study.set_user_attr("identity", about | {"data": about["data"] | {"train_file": str(tmp_path / "films.csv")}})
    assert "its data cannot be read" in refused(capsys, "confirm", "--race", "0")
    (tmp_path / "films.csv").write_text(rows(62))
    assert "has changed since the search" in refused(capsys, "confirm", "--race", "0")


@pytest.mark.parametrize("states", ["", "FFF", "PPP"])
def test_a_study_without_a_complete_trial_has_nothing_to_confirm(states, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stored(made(states), open_storage(STORAGE))
    with pytest.raises(UserError, match="'made' has no complete trial, so there is nothing to confirm"):
        confirm("made", progress=False)
    assert sorted(path.name for path in tmp_path.iterdir() if "studies.db" not in path.name) == []


def test_a_study_that_is_not_confirmed_says_nothing():
    assert summary("CCC").confirmed is None


def loop(run):
    """A loop whose value depends on settings and seed alone."""
    value = 0.5 + 0.01 * (run.seed % 7) + (0.1 if type(run.method).__name__ == "FGM" else 0.0)
    for epoch in range(run.epochs):
        run.report(value, epoch)


def test_a_loop_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tune(loop, "fgm", epochs=1, trials=2, study="own", progress=False)
    with pytest.raises(UserError, match=r"your own loop .*loop: in Python, confirm\(study='own', train=...\)"):
        confirm("own", progress=False)
    verdict = confirm("own", train=loop, seeds=8, progress=False).verdict
    assert (verdict.word, verdict.judgement.look, verdict.seeds) == ("better", 8, 8)
    assert verdict.clean.differences == pytest.approx([0.1] * 8)
    assert verdict.control.mean == pytest.approx(0.0)
    assert verdict.test is None
    assert "no interval over rows: the runs kept no predictions" in verdict_lines(verdict)
    best = yaml.safe_load(Path("runs/own/best.yaml").read_text())
    assert best["confirmed"]["verdict"] == "better"


def test_a_loop_for_a_study_that_has_none_is_refused(here):
    with pytest.raises(UserError, match="'s' was searched with the built-in loop; leave it out"):
        confirm_study(ConfirmRequest(), STORAGE, "s", "runs", loop, Screen(None))


def test_the_call_and_the_request_have_the_same_defaults():
    parameters = inspect.signature(confirm).parameters
    assert {name: parameters[name].default for name in ConfirmRequest.model_fields} == ConfirmRequest().model_dump()


def test_a_mean_of_what_has_a_value():
    assert finite_mean([0.5, None, 0.25]) == 0.375
    assert np.isnan(finite_mean([None]))
