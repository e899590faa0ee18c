"""What the README shows is true: its commands parse, its loop runs, its table is the code's."""

import re
import shlex

import pytest
import torch
from helpers.places import ROOT
from helpers.tiny_models import batch_for, build

import search
from adv import METHODS
from spaces import SPACES
from studies.commands.methods import HEAD, readme_row, setting_rows

README = (ROOT / "README.md").read_text()


def test_the_table_of_methods_is_that_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    at = README.index(HEAD[0])
    table = README[at : README.index("\n\n", at)].splitlines()
    rows = {row.split("`")[1]: row for row in table[2:]}
    assert table[:2] == list(HEAD)
    assert list(rows) == list(METHODS)
    assert [row for name, row in rows.items() if row != readme_row(name)] == []
    assert search.run(["methods", "--markdown"]) == 0
    assert capsys.readouterr().out.splitlines() == table


@pytest.mark.parametrize("name", METHODS)
def test_a_row_has_paper_cost_and_every_searched_setting(name: str) -> None:
    _, method, paper, searched, cost, _ = (cell.strip() for cell in readme_row(name).split("|"))
    kind = METHODS[name]
    assert (method, paper, cost) == (f"`{name}`", kind.paper, f"{kind().cost().relative:.2f}x")
    assert paper
    assert name == "none" or re.findall(r"`(\w+)`", searched) == [*SPACES[name], "start_epoch"]


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_the_printed_table_is_whole_at_any_width(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert search.run(["methods"]) == 0
    out = capsys.readouterr().out
    assert "\u2026" not in out
    assert "..." not in out
    lines = {" ".join(line.split()) for line in out.splitlines()}
    for name, kind in METHODS.items():
        assert any(line.startswith(f"{name} ({kind().cost().relative:.2f}x)") for line in lines)
        assert any(kind.paper in line for line in lines)
        for row in setting_rows(name):
            assert any(line.endswith(" ".join(row)) for line in lines), row


CODE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_loop_runs_and_trains() -> None:
    model = build("bert")
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    names = {"model": model, "loader": [batch_for(model)] * 2, "optimizer": optimizer}
    exec(CODE[0], names)
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
