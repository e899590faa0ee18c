"""What the README shows is true: its commands parse, its loop runs, its table is the code's."""

import re
import shlex
from pathlib import Path

import pytest
import torch
from tiny import batch_for, build

import search
from adv import METHODS
from spaces import space_of
from studies.methods import rows

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_table_of_methods_is_that_of_the_code() -> None:
    table = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| ([\d.]+)x \|$", README, re.MULTILINE)
    assert [name for name, *_ in table] == list(METHODS)
    for (name, paper, searched, cost), row in zip(table, rows(), strict=True):
        assert (paper, float(cost)) == (row[1], round(row[4], 2))
        assert name == "none" or re.findall(r"`(\w+)`", searched) == list(space_of(name, 6))


def test_the_loop_runs_and_trains() -> None:
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code is not None
    model = build("bert")
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    names = {"model": model, "loader": [batch_for(model)] * 2, "optimizer": optimizer}
    exec(code.group(1), names)
    assert names["loss"].isfinite()
    assert any(not torch.equal(p, before[name]) for name, p in model.named_parameters())


COMMANDS = re.findall(r"^ +(?:python )?(search\.py .*)$", README, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_parses(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, *arguments = shlex.split(command)
    assert search.run([*arguments, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 3
