"""Train a best.yaml again through the command."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

import search
from finetune.data.load import load_task
from finetune.training.bench import Bench
from studies.results.best import Best
from studies.results.export import read_best


def trained_again(path: str, capsys: pytest.CaptureFixture[str]) -> Best:
    """The configuration, after checking that its value is reproduced, and that the saved weights have it."""
    best = read_best(path)
    capsys.readouterr()
    assert search.run(["train", path]) == 0
    assert ": the same" in capsys.readouterr().out
    bench = Bench(load_task(best.data, best.metric), best.recipe)
    model = bench.models.build(0).to(bench.device)
    model.load_state_dict(load_file(Path("runs/model/model.safetensors")), strict=False)
    scores = bench.score(model, bench.validation, bench.task.validation, best.recipe)
    assert scores[best.metric] == best.recorded.value
    return best
