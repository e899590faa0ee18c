"""Every field of a request is an option, grouped; options as typed become arguments of the door."""

import re

import pytest
import typer

import search
from finetune.errors import UserError
from studies.commands import options
from studies.planning.request import GROUPS, fields


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")


def shown(capsys, *command):
    assert search.run([*command, "--help"]) == 0
    return capsys.readouterr().out


def offered(text):
    return set(re.findall(r"--([a-z-]+)", text))


def names(*groups):
    return {options.flag(name).removeprefix("--") for name, _ in fields(*groups)}


def test_search_offers_every_field(capsys):
    assert names() <= offered(shown(capsys))


def test_check_offers_data_and_recipe_without_what_does_nothing_there(capsys):
    found = offered(shown(capsys, "check"))
    idle = {"schedule", "compile", "average", "half-life", "swa-start", "swa-lr"}
    assert names("data", "recipe") & found == names("data", "recipe") - idle
    assert {"method", "set", "metric"} <= found
    assert not {"trials", "storage", "tune"} & found


def panels_of(text):
    return re.findall(r"^╭─ (.+?) ─+╮$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("command", "panels"),
    [
        (["check"], ["To begin with", "Data", "Folds and seeds", "Model and recipe", "What to search", "Search", "Help"]),
        (["report"], ["Options"]),
        (["train"], ["Arguments", "Options"]),
        (["studies"], ["Options", "Commands"]),
        (["studies", "delete"], ["Arguments", "Options"]),
    ],
)
def test_the_help_of_the_help_stands_last(command, panels, capsys):
    text = shown(capsys, *command)
    assert panels_of(text) == panels
    assert text.rpartition("--help")[2].count(" --") == 0


def test_the_help_is_in_groups_and_begins_with_what_a_beginner_needs(capsys):
    text = shown(capsys)
    assert panels_of(text) == [
        "To begin with", "What to search", "Data", "Folds and seeds",
        "Model and recipe", "Search", "Output", "Help", "Commands"
    ]  # fmt: skip
    first = text.split("To begin with")[1].split("╰")[0]
    assert re.findall(r"--([a-z-]+)", first)[:5] == ["method", "trials", "data", "label-column", "model"]


@pytest.mark.parametrize("group", GROUPS)
def test_every_field_says_what_it_is(group):
    for name, field in GROUPS[group].model_fields.items():
        assert field.description, name


def test_a_command_keeps_its_own_options_and_their_order():
    @options.takes("data", without=("task",))
    def command(ctx: typer.Context, first: str = "a", **given):
        return first, given

    found = list(command.__signature__.parameters)
    rest = [name for name, _ in fields("data") if name not in ("task", "data", "label_column")]
    assert found == ["ctx", "first", "data", "label_column", *rest]


def test_options_become_arguments():
    given = {
        "method": "fgm, awp", "label_column": "a,b", "tune": None, "set": ["K=3", "combine=sum"], "range": ["epsilon=1:2"],
        "space": "more.yaml", "start": [], "epochs": None, "trials": 5,
    }  # fmt: skip
    assert options.arguments_of(given) == {
        "method": ("fgm", "awp"), "label_column": ("a", "b"), "set": {"K": 3, "combine": "sum"},
        "space": ("more.yaml", {"epsilon": "1:2"}), "trials": 5,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["K", "K=", "=3", "="])
def test_a_setting_that_is_no_pair_is_refused(text):
    with pytest.raises(UserError, match="write name=value"):
        options.arguments_of({"set": [text]})
