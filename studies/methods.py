"""The table of methods, from the code itself."""

import dataclasses
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from rich.console import Console
from rich.table import Table

from adv import METHODS
from spaces import SPACES


def range_text(distribution: BaseDistribution | None) -> str:
    """What is searched, in words."""
    match distribution:
        case FloatDistribution() | IntDistribution():
            return f"{distribution.low:g} to {distribution.high:g}{', log' if distribution.log else ''}"
        case CategoricalDistribution():
            return ", ".join(map(str, distribution.choices))
    return ""


def rows() -> list[tuple[str, str, str, str, float]]:
    """Method, paper, searched settings, other settings, cost in clean steps."""
    table = []
    for name, kind in METHODS.items():
        fields = {field.name: field for field in dataclasses.fields(kind)}
        searched = [f"{key} {range_text(dist)} ({text(fields[key].default)})" for key, dist in SPACES[name].items()]
        others = [f"{key}={text(field.default)}" for key, field in fields.items() if key not in SPACES[name]]
        table.append((name, kind.paper, "; ".join(searched), " ".join(others), kind().cost().relative))
    return table


def text(value: Any) -> str:
    """A default, short."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def print_methods(console: Console) -> None:
    """Print the table."""
    table = Table("method", "paper", "searched (default)", "other settings", "cost", pad_edge=False)
    for name, paper, searched, others, cost in rows():
        table.add_row(name, paper, searched or "-", others, f"{cost:.2f}x")
    console.print(table)
    console.print("cost: in passes, a clean step is 1; start_epoch (0 to epochs - 2) is searched for every method but none")
