"""The winner taken apart, as tables of the report."""

from collections.abc import Callable
from typing import Any

from finetune.words import listed, short
from studies.results.confirm_words import signed
from studies.results.confirmed import Confirmed
from studies.results.parts import Gain, Pair, Parts
from studies.results.parts_words import parts_lines, value, with_interval
from studies.results.summary import Summary


def parts_page(summary: Summary, sentence: Callable[[str], str]) -> dict[str, Any]:
    """Sentences, the steps and the corners of the pair; empty if the winner was not taken apart.

    Args:
        summary: The study's summary.
        sentence: Makes a sentence of a line.
    """
    found = summary.confirmed
    if found is None or found.parts is None:
        return {}
    parts = found.parts
    return {
        "lines": [sentence(line) for line in parts_lines(found, tables=True)],
        "steps": steps(found, parts),
        "corners": None if parts.pair is None else corners(found, parts, parts.pair),
    }


def steps(found: Confirmed, parts: Parts) -> list[list[str]]:
    """A row for clean training, the defaults and each step."""

    def told(gain: Gain | None) -> str:
        return "–" if gain is None else with_interval(found, gain)

    rows = [["clean training", "–" if parts.clean is None else found.shown(parts.clean), "–", "–", "–"]]
    for step in parts.steps:
        name = " ".join(f"+ {name} {short(parts.values[name][1])}" for name in step.added) or "the defaults"
        who = f"{name} (the winner)" if step is parts.winner else name
        rows.append([who, value(found, step), told(step.gain), told(step.from_defaults), told(step.from_clean)])
    return rows


def corners(found: Confirmed, parts: Parts, pair: Pair) -> dict[str, Any]:
    """A table of two by two: the mean values, and what they are better by than the defaults."""
    gains = [None, pair.first, pair.second, pair.both]
    cells = [
        {
            "value": "failed" if mean is None else found.shown(mean),
            "gain": "the defaults" if gain is None else f"{signed(found, gain.mean)}",
        }
        for mean, gain in zip(pair.values, gains, strict=True)
    ]
    one, other = pair.settings
    heads = {name: [f"{name} {short(end)}" for end in parts.values[name]] for name in (one, other)}
    others = [name for name in parts.values if name not in (one, other)]
    rest = f"; {listed(others)} {'has its default' if len(others) == 1 else 'have their defaults'}" if others else ""
    return {
        "title": f"{one} and {other}, alone and together",
        "note": f"Mean values over {parts.seeds} seeds, and the difference from the defaults{rest}.",
        "columns": [f"{heads[other][0]} (default)", f"{heads[other][1]} (winner)"],
        "rows": [[f"{heads[one][0]} (default)", cells[0], cells[2]], [f"{heads[one][1]} (winner)", cells[1], cells[3]]],
    }
