"""Heads and layers through the command: searched, trained again, exported, saved and taken up, refused."""

from pathlib import Path

import pytest
import yaml
from helpers.exported_scripts import run_script
from helpers.refusals import assert_said, files, refused, rows

import search
from studies.results.export import read_best

SMALL = ["--train-file", "rows.csv", "--epochs", "2", "--batch-size", "16", "--metric", "log_loss", "--no-calibrate"]
HEAD = ["--pooling", "attention", "--multi-sample", "2", "--freeze-embeddings"]


@pytest.fixture(autouse=True)
def _rows(_here: None) -> None:
    Path("rows.csv").write_text(rows())


def test_all_of_it_is_trained_again_exported_and_taken_up(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.checking.meter.ROUNDS", 1)
    tuned = ["--tune", "head_dropout,reinit_layers", "--range", "reinit_layers=0:1"]
    assert search.run(["--method", "fgm", "--trials", "2", *SMALL, *HEAD, *tuned]) == 0
    said = capsys.readouterr().out
    assert "model tiny: its embeddings stay as they are; " in said
    best = read_best("runs/rows-fgm/best.yaml")
    assert (best.recipe.pooling, best.recipe.multi_sample, best.recipe.freeze_embeddings) == ("attention", 2, True)
    assert best.recipe.head_dropout is not None
    assert search.run(["train", "runs/rows-fgm/best.yaml", "--out", "model"]) == 0
    assert ": the same" in capsys.readouterr().out
    assert search.run(["export", "--format", "python"]) == 0
    said = run_script(capsys.readouterr().out, capsys)
    value = yaml.safe_load(Path("runs/rows-fgm/best.yaml").read_text())["recorded"]["value"]
    assert said[-1] == f"epoch 1: log_loss {value:.6f}"
    assert (
        search.run(["check", "--method", "fgm", "--model", "model", "--freeze-layers", "1", *SMALL[:2], "--no-calibrate"])
        == 0
    )
    said = " ".join(capsys.readouterr().out.split())
    assert "the head in head.safetensors pools by attention and has 2 outputs, as the data needs, and is used" in said
    assert "model model: its embeddings and its only layer stay as they are; 1,154 of " in said
    assert "ModernBertModel, pooled by attention), " in said
    assert "of which 1,154 train" in said  # 32 x 32 and 32 for the scores' layer, 32 for the scores, 2 x 32 and 2


REFUSED = [
    ("--pooling meen", "--pooling is 'meen'", "did you mean 'mean'?"),
    ("--pooling last_layers", "did you mean 'last-layers'?"),
    ("--multi-sample 4", "--multi-sample only has an effect with --pooling cls, mean, max, attention or last-layers"),
    ("--pooling mean --multi-sample 0", "--multi-sample is 0", "greater than or equal to 1"),
    ("--pooling mean --multi-sample 4 --head-dropout 0", "--multi-sample 4 does nothing with --head-dropout 0"),
    ("--head-dropout 1", "--head-dropout is 1", "less than 1"),
    ("--head-dropout -0.1", "--head-dropout is -0.1", "greater than or equal to 0"),
    ("--freeze-layers 2", "--freeze-layers 2: the model has 1 layer"),
    ("--freeze-layers -1", "--freeze-layers is -1"),
    ("--reinit-layers 3 --pooling mean", "--reinit-layers 3: the model has 1 layer"),
    ("--freeze-layers 1 --reinit-layers 1", "--freeze-layers 1 and --reinit-layers 1 overlap: the model has 1 layer"),
    ("--freeze-layers 1 --freeze-embeddings", "--freeze-embeddings does nothing beside --freeze-layers 1"),
    ("--tune reinit_layers", "the range of reinit_layers ends at 2, and the model has 1 layer", "--range reinit_layers=0:1"),
    ("--tune freeze_layer", "did you mean 'freeze_layers'?"),
    ("--tune pooling --range pooling=0:2", "pooling is not a number; fix it with --pooling instead of --tune"),
]


@pytest.mark.parametrize(("line", "words"), [(line, words) for line, *words in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_does_not_fit_is_refused(line: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert_said(refused(capsys, "--train-file", "rows.csv", *line.split()), *words)
    assert list(files()) == ["rows.csv"]


def test_labels_of_tokens_have_no_pooled_head(capsys: pytest.CaptureFixture[str]) -> None:
    Path("rows.csv").unlink()
    Path("train.conll").write_text("\n\n".join(f"Anna B-PER\nsaw O\nRome{n} B-LOC" for n in range(40)) + "\n")
    said = refused(capsys, "--train-file", "train.conll", "--pooling", "mean")
    assert_said(said, "--pooling mean: it makes one vector of each text, and the labels here are of tokens; leave it out")
