"""Several evaluations in an epoch through the command: what it prints, stores, shares, exports and refuses."""

import csv
from pathlib import Path

import optuna
import pytest
from helpers.exported_scripts import run_script
from helpers.refusals import assert_said, files, refused, rows

import search
from studies.report.attached import epochs_csv
from studies.result import Result
from studies.results.export import read_best
from studies.results.summary import summarise

# Five steps an epoch.
SMALL = ["--train-file", "rows.csv", "--epochs", "2", "--batch-size", "8", "--metric", "log_loss", "--method", "fgm"]


@pytest.fixture(autouse=True)
def _rows(_here: None) -> None:
    Path("rows.csv").write_text(rows(48))


def study(name: str = "rows-fgm") -> optuna.Study:
    return optuna.load_study(study_name=name, storage="sqlite:///studies.db")


def test_evaluations_within_epochs_from_the_search_to_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    args = [*SMALL, "--trials", "3", "--pruner", "none", "--evals-per-epoch", "2", "--range", "start_epoch=0.5:1"]
    assert search.run(args) == 0
    said = capsys.readouterr().out
    assert [line.partition(": log_loss")[0] for line in said.splitlines() if line.startswith("clean baseline, ")] == [
        f"clean baseline, epoch {epoch} of 2" for epoch in ("0.5", "1", "1.5", "2")
    ]
    found = study().get_trials()
    assert [sorted(trial.intermediate_values) for trial in found] == [[0, 1, 2, 3]] * 3
    assert {trial.params["start_epoch"] for trial in found} == {0.5, 1.0}
    # Without shared clean evaluations: the same values.
    assert {path.name for path in Path("runs/prefix").rglob("clean-*.safetensors")} == {"clean-1.safetensors"}
    assert search.run([*args, "--study", "apart", "--no-prefix-reuse"]) == 0
    assert [trial.intermediate_values for trial in study("apart").get_trials()] == [t.intermediate_values for t in found]
    summary = summarise(study())
    table = list(csv.DictReader(epochs_csv(summary, summary.trials).splitlines()))
    assert [row["epoch"] for row in table[:4]] == ["0.5", "1", "1.5", "2"]
    frame = Result(study(), "sqlite:///studies.db", Path("runs/rows-fgm")).to_frame(epochs=True)
    assert sorted(set(frame["epoch"])) == [0.5, 1, 1.5, 2]
    best = read_best("runs/rows-fgm/best.yaml")
    text = Path("runs/rows-fgm/best.yaml").read_text()
    assert best.recipe.evals_per_epoch == 2
    assert f"start_epoch: {best.settings['start_epoch']}\n" in text
    assert "start_epoch: 1.0" not in text
    capsys.readouterr()
    assert search.run(["train", "runs/rows-fgm/best.yaml"]) == 0
    said = capsys.readouterr().out
    assert ": the same" in said
    assert "fgm, epoch 1.5 of 2: log_loss" in said
    trial = next(trial for trial in found if trial.params["start_epoch"] == 0.5)
    assert search.run(["export", "--study", "rows-fgm", "--format", "python", "--trial", str(trial.number)]) == 0
    lines = run_script(capsys.readouterr().out, capsys)
    assert lines == [f"evaluation {n}: log_loss {value:.6f}" for n, value in trial.intermediate_values.items()]


def test_a_start_within_an_epoch_that_is_evaluated_once(capsys: pytest.CaptureFixture[str]) -> None:
    args = [*SMALL, "--trials", "1", "--set", "start_epoch=1.5"]
    assert search.run(args) == 0
    found = study().get_trials()[0]
    assert sorted(found.intermediate_values) == [0, 1]
    assert [row.get("attacked") for row in found.user_attrs["diagnostics by epoch"]] == [None, 3.0]  # of five steps
    assert "start_epoch: 1.5\n" in Path("runs/rows-fgm/best.yaml").read_text()
    capsys.readouterr()
    assert search.run(["export", "--format", "python"]) == 0
    assert run_script(capsys.readouterr().out, capsys)[-1] == f"epoch 1: log_loss {found.value:.6f}"
    for start in ("1", "2"):  # neither what begins earlier nor clean training
        assert search.run([*SMALL, "--epochs", "3", "--trials", "1", "--set", f"start_epoch={start}", "--study", start]) == 0
        assert study(start).get_trials()[0].intermediate_values[1] != found.value


REFUSED = [
    ("--evals-per-epoch 6", "--evals-per-epoch 6: an epoch has 5 optimiser steps", "it can be evaluated 5 times at most"),
    ("--evals-per-epoch 4 --gradient-accumulation 2", "an epoch has 3 optimiser steps"),
    ("--evals-per-epoch 3 --tune batch_size", "an epoch has 1 optimiser step ", "1 time at most"),
    ("--evals-per-epoch 3 --method freeat", "each batch", "1 time"),
    ("--evals-per-epoch 0", "--evals-per-epoch is 0"),
    ("--evals-per-epoch 1.5", "--evals-per-epoch"),
    ("--tune evals_per_epoch", "--tune evals_per_epoch", "set it with --evals-per-epoch"),
    ("--set start_epoch=1.95", "start_epoch 1.95 of 2 epochs leaves no step to attack", "5 steps"),
    ("--set start_epoch=2.5", "start_epoch 2.5 leaves no epoch to attack"),
    ("--method freeat --set start_epoch=0.5", "start_epoch must be a whole number for FreeAT, but is 0.5"),
]


@pytest.mark.parametrize(("line", "words"), [(line, words) for line, *words in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_cannot_be_is_refused(line: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert_said(refused(capsys, *SMALL, "--trials", "2", *line.split()), *words)
    assert list(files()) == ["rows.csv"]


def test_a_study_with_other_evaluations_is_another_study(capsys: pytest.CaptureFixture[str]) -> None:
    args = [*SMALL, "--trials", "1", "--set", "start_epoch=0"]
    assert search.run(args) == 0
    capsys.readouterr()
    assert search.run([*args, "--evals-per-epoch", "2"]) == 2
    assert_said(capsys.readouterr().err, "recipe.evals_per_epoch: there 1, here 2")
