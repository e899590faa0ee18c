"""Averaged weights through the command: searched, tuned, trained again, saved, exported, refused."""

import math
from pathlib import Path

import optuna
import pytest
import yaml
from helpers.exported_scripts import run_script
from helpers.refusals import assert_said, files, refused, rows
from helpers.trained_again import trained_again
from optuna.trial import TrialState, create_trial

import search
from finetune.config import Recipe
from spaces.recipe import around
from studies.results.export import read_best
from studies.results.importance import matters
from studies.running.sampling import design_point

SMALL = ["--train-file", "rows.csv", "--epochs", "2", "--batch-size", "8", "--metric", "log_loss", "--no-calibrate"]
KINDS = {"ema": ["--average", "ema", "--half-life", "0.1"], "swa": ["--average", "swa", "--swa-start", "0.4"]}


@pytest.fixture(autouse=True)
def _rows(_here: None) -> None:
    Path("rows.csv").write_text(rows())


def trials(name: str) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name=name, storage="sqlite:///studies.db").get_trials()


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_is_reproduced_and_what_is_saved_is_the_average(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run(["--method", "fgm", "--trials", "2", "--pruner", "none", *SMALL, *KINDS[kind]]) == 0
    assert trained_again("runs/rows-fgm/best.yaml", capsys).recipe.average == kind


@pytest.mark.parametrize(
    ("kind", "extra"), [("ema", []), ("swa", ["--gradient-accumulation", "2", "--precision", "fp16", "--batch-size", "4"])]
)
def test_the_exported_script_averages_too(kind: str, extra: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run(["--method", "fgm", "--trials", "1", *SMALL, *KINDS[kind], *extra]) == 0
    capsys.readouterr()
    assert search.run(["export", "--format", "python"]) == 0
    said = run_script(capsys.readouterr().out, capsys)
    value = yaml.safe_load(Path("runs/rows-fgm/best.yaml").read_text())["recorded"]["value"]
    assert said[-1] == f"epoch 1: log_loss {value:.6f}"


@pytest.mark.parametrize("kind", KINDS)
def test_trials_share_clean_epochs_with_their_average(kind: str) -> None:
    args = ["--method", "fgm", "--trials", "2", "--pruner", "none", *SMALL, "--calibrate", *KINDS[kind]]
    args += ["--set", "start_epoch=1"]
    assert search.run([*args, "--epochs", "3", "--study", "a"]) == 0
    assert search.run([*args, "--epochs", "3", "--study", "b", "--no-prefix-reuse"]) == 0
    assert list(Path("runs/prefix").rglob("clean-1.safetensors"))
    assert [trial.intermediate_values for trial in trials("a")] == [trial.intermediate_values for trial in trials("b")]


def test_all_of_it_is_tuned_and_reported(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["average", "half_life", "swa_start", "swa_lr"]
    args = ["--method", "fgm", "--trials", "6", "--explore", "5", *SMALL, "--epochs", "1", "--tune", ",".join(names)]
    assert search.run(args) == 0
    found = trials("rows-fgm")
    assert [trial.state for trial in found] == [TrialState.COMPLETE] * 6
    assert found[0].params == {
        "epsilon": found[0].params["epsilon"],
        "start_epoch": 0,
        "average": "none",
        "half_life": 0.02,
        "swa_start": 0.7,
        "swa_lr": 0.5,
    }
    assert {trial.params["average"] for trial in found} == {"none", "ema", "swa"}
    assert all(math.isfinite(trial.value or math.nan) for trial in found)
    assert "average" in Path("runs/rows-fgm/report.html").read_text()
    best = read_best("runs/rows-fgm/best.yaml").recipe
    chosen = min(found, key=lambda trial: (trial.value, trial.number)).params
    assert {name: getattr(best, name) for name in names} == {name: chosen[name] for name in names}
    capsys.readouterr()
    assert search.run(["train", "runs/rows-fgm/best.yaml"]) == 0
    assert ": the same" in capsys.readouterr().out
    assert search.run(args) == 0
    assert "6 trials finished, 0 to go" in capsys.readouterr().out


def test_a_choice_among_words_has_an_importance() -> None:
    space = {name: around(name, getattr(Recipe(), name)) for name in ("average", "half_life")}
    made = [
        create_trial(params=point, distributions=space, value=float(point["average"] == "ema"))
        for point in (design_point(space, 0, index) for index in range(16))
    ]
    found = matters(made, space, explore=16, maximize=True, clean=0.0).findings
    assert (found[0].name, found[0].evidence) == ("average", True)


def test_clean_training_is_tuned_with_its_average() -> None:
    arguments = ["--method", "none", "--trials", "3", *SMALL, "--epochs", "1", "--average", "ema", "--tune", "half_life"]
    assert search.run(arguments) == 0
    assert [set(trial.params) for trial in trials("rows-none")] == [{"half_life"}] * 3
    assert len({trial.value for trial in trials("rows-none")}) == 3


def test_a_study_with_another_average_is_another_study(capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--method", "fgm", "--trials", "1", *SMALL, "--epochs", "1"]
    assert search.run(args) == 0
    capsys.readouterr()
    assert search.run([*args, "--average", "ema"]) == 2
    assert_said(capsys.readouterr().err, "recipe.average: there 'none', here 'ema'")


REFUSED = [
    ("--average emma", "--average is 'emma'", "'none', 'ema' or 'swa'"),
    ("--half-life 0.1", "--half-life only has an effect with --average ema", "--average is none"),
    ("--half-life 0.02", "--half-life only has an effect with --average ema"),
    ("--average swa --half-life 0.1", "--half-life only has an effect with --average ema", "--average is swa"),
    ("--swa-start 0.5", "--swa-start only has an effect with --average swa", "--average is none"),
    ("--average ema --swa-lr 0.5", "--swa-lr only has an effect with --average swa", "--average is ema"),
    ("--tune half_life", "--tune half_life needs --average ema, or average among --tune"),
    ("--average ema --tune half_life,swa_lr", "--tune swa_lr needs --average swa", "--average is ema"),
    ("--average ema --half-life 0", "--half-life is 0", "greater than 0"),
    ("--average ema --half-life 1.5", "--half-life is 1.5", "less than or equal to 1"),
    ("--average ema --half-life nan", "--half-life is nan", "finite"),
    ("--average swa --swa-start 1", "--swa-start is 1", "less than 1"),
    ("--average swa --swa-lr 0", "--swa-lr is 0", "greater than 0"),
    ("--tune averag", "--tune averag", "did you mean 'average'?"),
    ("--tune average --range average=0:1", "average is not a number", "--average instead of --tune"),
    ("--tune average,half_life --range half_life=0:1", "half_life is 0.0", "greater than 0"),
]


@pytest.mark.parametrize(("line", "words"), [(line, words) for line, *words in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_would_do_nothing_or_is_out_of_range_is_refused(
    line: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert_said(refused(capsys, *line.split()), *words)
    assert list(files()) == ["rows.csv"]


def test_settings_of_an_average_are_taken_where_the_average_is_tuned() -> None:
    args = ["--method", "none", "--trials", "1", *SMALL, "--epochs", "1", "--tune", "average", "--half-life", "0.1"]
    assert search.run(args) == 0
    assert read_best("runs/rows-none/best.yaml").recipe.half_life == 0.1
