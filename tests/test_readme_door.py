"""The Python lines of the README run."""

import re
import textwrap
from pathlib import Path

import pytest
import torch
from helpers.places import ROOT
from helpers.refusals import rows
from helpers.tiny_models import batch_for, build

import studies

BLOCKS = re.findall(r"^(    from studies import .*\n(?:(?:    .*)?\n)*)", (ROOT / "README.md").read_text(), re.MULTILINE)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(block, names):
    exec(textwrap.dedent(block).replace("trials=30", "trials=2, progress=False"), names)
    return names


def test_the_door_in_five_lines():
    block = BLOCKS[0]
    assert len(block.strip().splitlines()) == 5
    Path("my_folder").mkdir()
    Path("my_folder/train.csv").write_text(rows())
    names = run(re.sub(r'model="[^"]+"', 'model="tiny", epochs=2', block), {})
    assert Path("report.html").stat().st_size > 10_000
    assert names["result"].study.study_name == "my_folder-awp"
    assert len(names["result"].to_frame()) == 2


def test_a_loop_of_ones_own():
    def made(seed):
        torch.manual_seed(seed)
        model = build("bert")
        return model, torch.optim.SGD(model.parameters(), lr=0.01)

    def accuracy(model):
        with torch.no_grad():
            return (model(**batch).logits.argmax(1) == batch["labels"]).float().mean()

    batch = batch_for(build("bert"))
    names = run(BLOCKS[1], {"build": made, "loader": [batch], "accuracy": accuracy})
    assert isinstance(names["result"], studies.Result)
    assert [len(trial.intermediate_values) for trial in names["result"].study.trials] == [3, 3]
