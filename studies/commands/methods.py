"""The table of methods, built from the code: for the terminal and for the README."""

import dataclasses
from itertools import zip_longest
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from adv import METHODS, Cost, Method
from adv.core.settings import rule_of
from spaces import SPACES
from studies.planning.words import from_to

# Settings of every method; listed once below the table.
COMMON = frozenset(field.name for field in dataclasses.fields(Method))
WIDEST = 10**4


def passes_text(cost: Cost) -> str:
    """The passes of a step, such as "2 forward, 1 backward, 1 inner"."""
    named = zip(type(cost)._fields, cost, strict=True)
    return ", ".join(f"{round(number, 2):g} {name.replace('_', ' ')}" for name, number in named if number)


def text(value: Any) -> str:
    """A default value as short text."""
    return f"{value:g}" if isinstance(value, float) else str(value) or "''"


def setting_rows(name: str) -> list[tuple[str, str, str]]:
    """Name, default, and searched range or (allowed values) of each setting, the searched ones first."""
    fields = [field for field in dataclasses.fields(METHODS[name]) if field.name not in COMMON]
    space = SPACES[name]
    return [
        (
            field.name,
            text(field.default),
            from_to(space[field.name]) if field.name in space else f"({rule_of(field).removeprefix('one of ')})",
        )
        for field in sorted(fields, key=lambda field: field.name not in space)
    ]


def print_methods(console: Console) -> None:
    """Print the table: each method's cost, paper and passes on the left, one line per setting on the right.

    Lines fit the width of a terminal; in a file or a pipe they are not wrapped.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title, fold in (("method", True), ("setting", False), ("default", False), ("searched, or (allowed)", True)):
        table.add_column(title, overflow="fold", no_wrap=not fold)
    for name, kind in METHODS.items():
        cost = kind().cost()
        left = [f"{name} ({cost.relative:.2f}x)", kind.paper, passes_text(cost)]
        for first, cells in zip_longest(left, setting_rows(name)):
            table.add_row(Text(first or ""), *map(Text, cells or ("", "", "")))
        table.add_section()
    if not console.is_terminal:
        wanted = Measurement.get(console, console.options.update(max_width=WIDEST), table).maximum
        console = Console(file=console.file, width=max(wanted, console.width))
    console.print(table)
    for line in (
        "2.00x: as much as two clean steps; forward counts 1, backward 2, inner (only to the embeddings) 1.",
        "Every method also has start_epoch=0 (searched from 0 to epochs - 2) and same_dropout=True.",
    ):
        console.print(line, highlight=False, soft_wrap=True)


HEAD = ("| method | paper | searched | cost of a step |", "|---|---|---|---|")


def readme_row(name: str) -> str:
    """The method's line in the README's table."""
    searched = ", ".join(f"`{key}`" for key in (*SPACES[name], "start_epoch"))
    if name == "none":
        searched = "nothing (`--tune learning_rate,...` adds the recipe)"
    kind = METHODS[name]
    return f"| `{name}` | {kind.paper} | {searched} | {kind().cost().relative:.2f}x |"


def print_markdown(console: Console) -> None:
    """Print the README's table."""
    for line in (*HEAD, *map(readme_row, METHODS)):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
