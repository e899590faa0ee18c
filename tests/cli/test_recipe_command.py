"""Options of the recipe through the command: searched, trained again, exported, refused."""

from pathlib import Path

import pytest
import yaml
from helpers.exported_scripts import run_script
from helpers.refusals import assert_said, files, refused, rows

import search
from studies.results.export import read_best

SMALL = ["--train-file", "rows.csv", "--epochs", "2", "--batch-size", "16", "--metric", "log_loss", "--no-calibrate"]
ALL = [
    *("--schedule", "cosine", "--loss", "focal", "--focal-gamma", "0.5", "--class-weights", "balanced"),
    *("--layer-decay", "0.8", "--head-learning-rate", "0.01"),
]


@pytest.fixture(autouse=True)
def _rows(_here: None) -> None:
    Path("rows.csv").write_text(rows(labels=("bad", "good", "good")))


def test_all_of_it_is_trained_again_and_exported(capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run(["--method", "fgm", "--trials", "2", "--gradient-accumulation", "2", *SMALL, *ALL]) == 0
    said = capsys.readouterr().out
    assert "--class-weights balanced: a row of a class counts from " in said
    best = read_best("runs/rows-fgm/best.yaml")
    names = ("schedule", "loss", "focal_gamma", "class_weights", "layer_decay", "head_learning_rate")
    assert [getattr(best.recipe, name) for name in names] == ["cosine", "focal", 0.5, "balanced", 0.8, 0.01]
    assert search.run(["train", "runs/rows-fgm/best.yaml"]) == 0
    assert ": the same" in capsys.readouterr().out
    assert search.run(["export", "--format", "python"]) == 0
    said = run_script(capsys.readouterr().out, capsys)
    value = yaml.safe_load(Path("runs/rows-fgm/best.yaml").read_text())["recorded"]["value"]
    assert said[-1] == f"epoch 1: log_loss {value:.6f}"


REFUSED = [
    ("--schedule cosin", "--schedule is 'cosin'", "did you mean 'cosine'?"),
    ("--loss focall", "--loss is 'focall'", "did you mean 'focal'?"),
    ("--loss mse", "--loss mse does not fit classification, which takes cross_entropy (the usual one) or focal"),
    ("--focal-gamma 1", "--focal-gamma only has an effect with --loss focal: there is no --loss"),
    ("--loss focal --focal-gamma -1", "--focal-gamma is -1", "greater than or equal to 0"),
    ("--label-smoothing 1", "--label-smoothing is 1", "less than 1"),
    ("--loss focal --label-smoothing 0.1", "--label-smoothing only has an effect with --loss cross_entropy"),
    ("--class-weights balance", "--class-weights is 'balance'", "did you mean 'balanced'?"),
    ("--layer-decay 0", "--layer-decay is 0", "greater than 0"),
    ("--layer-decay -0.9", "--layer-decay is -0.9", "greater than 0"),
    ("--layer-decay 1.05", "--layer-decay is 1.05", "less than or equal to 1"),
    ("--layer-decay nan", "--layer-decay is nan"),
    ("--head-learning-rate 0", "--head-learning-rate is 0", "greater than 0"),
    ("--tune loss", "--tune loss needs the usual loss of the task", "--loss cross_entropy"),
    ("--loss bce --tune loss", "--loss bce does not fit classification"),
    ("--tune focal_gamma", "--tune focal_gamma needs --loss focal, or loss among --tune"),
    ("--loss bce --kind regression --label-column number", "--loss bce needs targets from 0 to 1", "from 0 to 11"),
]


@pytest.mark.parametrize(("line", "words"), [(line, words) for line, *words in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_does_not_fit_is_refused(line: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    if "number" in line:
        Path("rows.csv").write_text("text,number\n" + "".join(f"film {n % 12} of many,{n % 12}\n" for n in range(40)))
    assert_said(refused(capsys, "--train-file", "rows.csv", *line.split()), *words)
    assert list(files()) == ["rows.csv"]
