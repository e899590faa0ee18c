"""The command, end to end, on the built-in task with few rows and epochs."""

import csv
import io
import os
import random
import re
import runpy
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import optuna
import pytest
import yaml
from helpers.exported_scripts import run_script
from helpers.forks import forked
from helpers.places import ROOT
from helpers.refusals import rows
from optuna.trial import TrialState

import search
from spaces import SPACES

SMALL = ["--max-train-rows", "60", "--max-validation-rows", "60", "--epochs", "2", "--no-calibrate"]
OWN = ["--train-file", "rows.csv", "--batch-size", "16", "--epochs", "2", "--metric", "log_loss", "--no-calibrate"]


@pytest.fixture
def _rows() -> None:
    Path("rows.csv").write_text(rows())


def trials(name: str, folder: Path = Path()) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name=name, storage=f"sqlite:///{folder}/studies.db").get_trials()


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder where one command searched all methods, and another clean training; what they said of each study."""
    folder = tmp_path_factory.mktemp("every")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as out:
        patch.chdir(folder)
        Path("rows.csv").write_text(rows())
        for methods in ("all", "none"):
            assert search.run(["--method", methods, "--trials", "2", *OWN, "--batch-size", "32", "--calibrate"]) == 0
    _, *parts = re.split(r"^study (\S+) in ", out.getvalue(), flags=re.MULTILINE)
    return folder, dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("method", SPACES)
def test_every_method_is_searched_and_leaves_its_files(method: str, every: tuple[Path, dict[str, str]]) -> None:
    there, said = every
    out, folder = said[f"rows-{method}"], Path("runs") / f"rows-{method}"
    found = trials(f"rows-{method}", there)
    assert [trial.state for trial in found] == [TrialState.COMPLETE] * (1 if method == "none" else 2)
    assert "clean baseline" in out
    assert "best (trial" in out
    for name in ("report.html", "trials.csv", "best.yaml"):
        assert str(folder / name) in out
        assert (there / folder / name).stat().st_size > 0
    table = list(csv.DictReader((there / folder / "trials.csv").read_text().splitlines()))
    assert [float(row["value"]) for row in table] == [trial.value for trial in found]
    assert not list((there / folder).glob("trial-*"))


def test_all_methods_are_searched_one_after_the_other(every: tuple[Path, dict[str, str]]) -> None:
    there, said = every
    names = optuna.get_all_study_names(f"sqlite:///{there}/studies.db")
    assert sorted(names) == sorted(f"rows-{name}" for name in SPACES) == sorted(said)


@pytest.mark.usefixtures("_rows")
def test_search_then_everything_that_follows(capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run(["--method", "fgm", "--trials", "3", *OWN]) == 0
    first = [trial.value for trial in trials("rows-fgm")]
    capsys.readouterr()

    assert search.run(["--method", "fgm", "--trials", "3", *OWN]) == 0
    assert "3 trials finished, 0 to go" in capsys.readouterr().out
    assert [trial.value for trial in trials("rows-fgm")] == first

    assert search.run(["--method", "fgm", "--trials", "4", *OWN]) == 0
    assert "3 trials finished, 1 to go" in capsys.readouterr().out
    assert [trial.value for trial in trials("rows-fgm")][:3] == first

    best = "runs/rows-fgm/best.yaml"
    recorded = yaml.safe_load(Path(best).read_text())["recorded"]["value"]
    assert search.run(["train", best]) == 0
    out = capsys.readouterr().out
    assert f"log_loss {recorded:.6f}; recorded {recorded:.6f}: the same" in out
    assert Path("runs/model/model.safetensors").exists()

    assert search.run(["train", best, "--seed", "5", "--out", "other"]) == 0
    assert "recorded" in (out := capsys.readouterr().out)
    assert "This is seed 5: another draw" in out

    assert search.run(["report"]) == 0
    assert "written: runs/rows-fgm/report.html" in capsys.readouterr().out

    assert search.run(["export", "--format", "yaml"]) == 0
    assert capsys.readouterr().out == Path(best).read_text()
    assert search.run(["export", "--format", "json", "--output", "best.json"]) == 0
    assert search.run(["train", "best.json"]) == 0
    assert ": the same" in capsys.readouterr().out


@pytest.mark.parametrize("extra", [[], ["--gradient-accumulation", "2", "--precision", "fp16", "--batch-size", "8"]])
def test_the_exported_script_trains_to_the_same_value(extra: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run(["--method", "awp", "--trials", "2", *SMALL, *extra]) == 0
    capsys.readouterr()
    assert search.run(["export", "--format", "python"]) == 0
    said = run_script(capsys.readouterr().out, capsys, alone=not extra)
    value = yaml.safe_load(Path("runs/reviews-awp/best.yaml").read_text())["recorded"]["value"]
    assert said[-1] == f"epoch 1: accuracy {value:.6f}"


@pytest.mark.usefixtures("_rows")
def test_the_same_search_without_shared_clean_epochs_gives_the_same_values() -> None:
    args = ["--method", "fgm", "--trials", "3", *OWN, "--epochs", "3", "--pruner", "none", "--calibrate"]
    assert search.run([*args, "--study", "a"]) == 0
    assert search.run([*args, "--study", "b", "--no-prefix-reuse"]) == 0
    assert [trial.intermediate_values for trial in trials("a")] == [trial.intermediate_values for trial in trials("b")]
    assert [trial.params for trial in trials("a")] == [trial.params for trial in trials("b")]


def test_own_files_with_pairs_and_two_targets(capsys: pytest.CaptureFixture[str]) -> None:
    with Path("rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["first", "second", "warmth", "length"])
        for i in range(80):
            writer.writerow([f"text {i % 7}, quoted", "yes" if i % 2 else "no", i % 2 + 0.5, i % 7])
    args = [
        "--train-file",
        "rows.csv",
        "--text-column",
        "first",
        "--pair-column",
        "second",
        "--label-column",
        "warmth,length",
    ]
    assert search.run(["--method", "fgm", "--trials", "2", "--epochs", "2", *args]) == 0
    out = capsys.readouterr().out
    assert "mcrmse" in out
    found = optuna.load_study(study_name="rows-fgm", storage="sqlite:///studies.db")
    assert found.direction.name == "MINIMIZE"
    assert {"rmse", "mcrmse", "pearson", "spearman"} <= found.trials[0].user_attrs["metrics"].keys()
    assert search.run(["train", "runs/rows-fgm/best.yaml"]) == 0
    assert ": the same" in capsys.readouterr().out


def test_help_and_wrong_options_import_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "datasets", "optuna")
    code = f"""
import sys, search
for args, expected in ((["--help"], 0), (["report", "--help"], 0), (["--trails", "3"], 2)):
    code = search.run(args)
    heavy = [name for name in {heavy!r} if name in sys.modules]
    if heavy or code != expected:
        sys.exit(f"{{args}}: code {{code}}, imported {{heavy}}")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--trials" in done.stderr


def test_methods_prints_every_method_and_setting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert search.run(["methods"]) == 0
    out = capsys.readouterr().out
    for name, space in SPACES.items():
        assert name in out
        assert all(setting in out for setting in space)


KILLED = [*OWN, "--method", "fgm", "--trials", "6", "--sampler", "random", "--pruner", "none", "--epochs", "3"]
KILLED += ["--batch-size", "8"]


@pytest.mark.usefixtures("_rows")
def test_a_search_killed_at_random_moments_ends_as_an_undisturbed_one() -> None:
    assert search.run([*KILLED, "--study", "whole", "--out", "a"]) == 0
    rng = random.Random(11)
    for kill in range(2):
        with forked(search.run, [*KILLED, "--study", "killed", "--out", "b"]) as (process, lines):
            next(line for line in lines if line.startswith("trial "))
            time.sleep(0.3 * rng.random())
            process.kill()
        assert kill or sum(trial.state.is_finished() for trial in trials("killed")) < 6
    assert search.run([*KILLED, "--study", "killed", "--out", "b"]) == 0
    whole, killed = trials("whole"), trials("killed")
    assert [trial.state for trial in killed] == [TrialState.COMPLETE] * 6
    assert [(trial.number, trial.params, trial.value, trial.intermediate_values) for trial in killed] == [
        (trial.number, trial.params, trial.value, trial.intermediate_values) for trial in whole
    ]
    assert not list(Path("b").rglob("trial-*"))


def started(arguments: list[str]) -> None:
    """What the shell starts, with what is imported already; errors go to a file."""
    sys.argv = ["search.py", *arguments]
    with Path("errors").open("w") as errors, redirect_stderr(errors):
        runpy.run_path(str(ROOT / "search.py"), run_name="__main__")


@pytest.mark.usefixtures("_rows")
def test_sigterm_ends_cleanly_and_the_command_goes_on() -> None:
    with forked(started, [*KILLED, "--study", "ended"]) as (process, lines):
        next(line for line in lines if line.startswith("trial "))
        os.kill(process.pid or 0, signal.SIGTERM)
    assert process.exitcode == 130
    assert "the same command goes on" in Path("errors").read_text()
    assert TrialState.RUNNING not in {trial.state for trial in trials("ended")}
