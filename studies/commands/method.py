"""One method: what it does, its settings, the cost of a step, and where its page is."""

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

import adv
from adv import METHODS, Method, SettingError
from adv.core.settings import rule_of
from finetune.arguments import arg
from finetune.errors import UserError, near
from finetune.words import listed
from spaces import SPACES
from studies.commands.methods import COMMON, passes_text, text
from studies.planning.words import from_to
from studies.report.terminal import say

PAGES = Path(str(adv.__file__)).parent.parent / "docs" / "methods"
# Sentences are printed until the text has this many characters.
ENOUGH = 240


def print_method(name: str, console: Console) -> None:
    """Print one method.

    Raises:
        UserError: There is no method of that name.
    """
    if name not in METHODS:
        raise UserError(f"unknown method {name!r}{near(name, METHODS)}")
    kind = METHODS[name]
    cost = kind().cost()
    say(console, f"{name}: {kind.paper}")
    say(console, what_it_does(kind))
    say(console, f"\ncost of a step: {cost.relative:.2f}x a clean one ({passes_text(cost)})")
    table = Table("setting", "default", "searched", "meaning, and what is allowed", box=SIMPLE_HEAD, pad_edge=False)
    for row in rows(name):
        table.add_row(*map(Text, row))
    console.print(table)
    for line in [*nothing(kind), *idle_lines(kind)]:
        say(console, line)
    say(console, f"search it: {arg('method', name)}; look at one step of it: search.py check {arg('method', name)}")
    say(console, f"page: {page_of(name)}")


def what_it_does(kind: type[Method]) -> str:
    """The first sentences of the method's docstring."""
    paragraphs = inspect.cleandoc(str(kind.__doc__)).replace("``", "`").split("\n\n")
    words = " ".join(part for part in paragraphs if not part.startswith(("Args:", "Raises:", "Example"))).split()
    told = ""
    for sentence in re.split(r"(?<=[.])\s+(?=[A-Z`])", " ".join(words)):
        if len(told) >= ENOUGH:
            break
        told += sentence + " "
    return told.strip()


def rows(name: str) -> list[tuple[str, str, str, str]]:
    """Name, default, searched range and meaning of each setting: searched ones first, those of every method last."""
    space = {setting: from_to(distribution) for setting, distribution in SPACES[name].items()}
    late = {"start_epoch": "0 to epochs - 2"} if space else {}
    own = [field for field in dataclasses.fields(METHODS[name]) if field.name not in COMMON]
    shared = [field for field in dataclasses.fields(METHODS[name]) if field.name in COMMON]
    fields = [*sorted(own, key=lambda field: field.name not in space), *shared]
    return [
        (
            field.name,
            text(field.default),
            (space | late).get(field.name, "-"),
            f"{field.metadata['text']} ({rule_of(field)})",
        )
        for field in fields
    ]


def nothing(kind: type[Method]) -> list[str]:
    """The settings that turn the method into clean training."""
    alone = [" and ".join(f"{name}={text(value)}" for name, value in settings.items()) for settings in kind.null]
    return [f"it is clean training with {listed(alone, 'or')}"] if alone else []


def idle_lines(kind: type[Method]) -> list[str]:
    """Which settings do nothing, and with which others."""
    found: dict[str, list[str]] = {}
    for method in variants(kind):
        for name, reason in method.idle.items():
            names = found.setdefault(reason, [])
            if name not in names:
                names.append(name)
    usual = kind().idle.values()
    return [
        f"with {reason}{' (the default)' if reason in usual else ''} these do nothing: {', '.join(names)}"
        for reason, names in found.items()
    ]


def variants(kind: type[Method]) -> list[Method]:
    """The method with its defaults, and with each setting in turn at its other choices and its lowest values."""
    made = [kind()]
    for field in dataclasses.fields(kind):
        for value in others(field):
            try:
                made.append(kind(**{field.name: value}))
            except SettingError:  # the value excludes a default
                continue
    return made


def others(field: dataclasses.Field[Any]) -> list[Any]:
    """Values of a setting that may leave other settings without effect."""
    rule = field.metadata
    if rule["choices"]:
        return list(rule["choices"])
    low = rule["low"]
    return [] if rule["kind"] not in (int, float) or low is None else [rule["kind"](low), rule["kind"](low + 1)]


def page_of(name: str) -> str:
    """The file of the method's page, or its path in the project if the file is not installed."""
    page = PAGES / f"{name}.md"
    if not page.is_file():
        return f"docs/methods/{name}.md of the project"
    return str(page.relative_to(Path.cwd()) if page.is_relative_to(Path.cwd()) else page)
