"""Several evaluations in an epoch, and the choice among them, through the command."""

import csv
from pathlib import Path

import optuna
import pytest
from helpers.exported_scripts import run_script
from helpers.refusals import assert_said, files, refused, rows
from helpers.trained_again import trained_again

import search
from finetune.config import Data, Recipe
from finetune.data.load import load_task
from finetune.tasks.metrics import evaluate
from finetune.training.bench import Bench
from studies.report.attached import epochs_csv
from studies.result import Result
from studies.results.export import read_best
from studies.results.summary import summarise
from studies.running.kept import kept
from studies.running.stage_runs import Runs
from studies.running.stages import Arm, Stage
from studies.running.storage import LINK

# Five steps an epoch.
SMALL = ["--train-file", "rows.csv", "--epochs", "2", "--batch-size", "8", "--metric", "log_loss", "--method", "fgm"]
SMALL += ["--no-calibrate"]


@pytest.fixture(autouse=True)
def _rows(_here: None) -> None:
    Path("rows.csv").write_text(rows(48))


def study(name: str = "rows-fgm") -> optuna.Study:
    return optuna.load_study(study_name=name, storage="sqlite:///studies.db")


def test_evaluations_within_epochs_from_the_search_to_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    args = [*SMALL, "--trials", "3", "--pruner", "none", "--evals-per-epoch", "2", "--range", "start_epoch=0.5:1"]
    args += ["--calibrate"]
    assert search.run(args) == 0
    said = capsys.readouterr().out
    assert [line.partition(": log_loss")[0] for line in said.splitlines() if line.startswith("clean baseline, ")] == [
        f"clean baseline, epoch {epoch} of 2" for epoch in ("0.5", "1", "1.5", "2")
    ]
    found = study().get_trials()
    assert [sorted(trial.intermediate_values) for trial in found] == [[0, 1, 2, 3]] * 3
    assert {trial.params["start_epoch"] for trial in found} == {0.5, 1.0}
    # Without shared clean evaluations: the same values.
    assert {path.name for path in Path("runs/prefix").rglob("clean-*.safetensors")} == {
        f"clean-{n}.safetensors" for n in (1, 2)
    }
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
    ("--score best --epochs 1", "--score best chooses among evaluations", "--evals-per-epoch gives more"),
    ("--score mean", "--score is 'mean'", "'last', 'best' or 'soup'"),
    ("--tune score", "--tune score", "set it with --score"),
    ("--set start_epoch=1.95", "start_epoch 1.95 of 2 epochs leaves no step to attack", "5 steps"),
    ("--set start_epoch=2.5", "start_epoch 2.5 leaves no epoch to attack"),
    ("--set every=30", "every 30 attacks a single batch: a whole run has 10"),
    ("--range every=1:10", "every 10 attacks a single batch: a whole run has 10"),
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


@pytest.mark.parametrize("score", ["best", "soup"])
def test_the_value_is_that_of_the_chosen_weights_everywhere(score: str, capsys: pytest.CaptureFixture[str]) -> None:
    args = [*SMALL, "--trials", "2", "--pruner", "none", "--evals-per-epoch", "2", "--score", score]
    assert search.run([*args, "--learning-rate", "0.05"]) == 0
    said = capsys.readouterr().out
    assert f"--score {score}: the value of a run is" in said
    assert "looks better than it is" in said
    for trial in study().get_trials():
        curve = list(trial.intermediate_values.values())
        chosen = trial.user_attrs["scored evaluations"]
        assert len(chosen) == {"best": 1, "soup": 3}[score]
        assert {curve[number] for number in chosen} == set(sorted(curve)[: len(chosen)])
        assert trial.user_attrs["metrics"]["log_loss"] == trial.value
        assert (trial.value == min(curve)) == (score == "best")
    best = read_best("runs/rows-fgm/best.yaml")
    table = csv.DictReader(Path(f"runs/rows-fgm/predictions-{best.recorded.trial}.csv").read_text().splitlines())
    right = [row["label"] == row["predicted"] for row in table]
    metrics = study().get_trials()[best.recorded.trial or 0].user_attrs["metrics"]
    assert sum(right) / len(right) == pytest.approx(metrics["accuracy"])
    trained_again("runs/rows-fgm/best.yaml", capsys)
    assert search.run(["export", "--format", "python"]) == 0
    lines = run_script(capsys.readouterr().out, capsys)
    assert lines[-1].startswith({"best": "the best evaluation, ", "soup": "evaluations "}[score])
    assert lines[-1].endswith(f": log_loss {best.recorded.value:.6f}")


def test_a_run_of_a_confirmation_is_scored_as_a_trial(tmp_path: Path) -> None:
    recipe = Recipe(epochs=2, batch_size=8, evals_per_epoch=2, score="best", learning_rate=0.05)
    bench = Bench(load_task(Data(train_file="rows.csv"), "log_loss"), recipe)
    arms = [Arm("trial 0", "fgm", {"start_epoch": 0.5}), Arm("clean training", "none", {})]
    made = optuna.create_study(direction="minimize")
    made.set_user_attr(LINK, {"of": "rows", "stage": "verdict"})
    runs = Runs(Stage(made, arms, 5), bench, recipe, "log_loss", tmp_path, True, {})
    for arm in range(2):
        made.enqueue_trial({"arm": arm, "seed": 5})
        trial = made.ask()
        value = runs(trial)
        found = made.get_trials()[arm]
        assert value == min(found.intermediate_values.values())
        output = kept(found.user_attrs, "validation")
        assert output is not None
        assert evaluate(bench.task, bench.task.validation.labels, output)["log_loss"] == pytest.approx(value)
