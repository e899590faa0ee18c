"""Where in the space a finding acts: the corner in which trials break, the range in which the best ones are."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from finetune.words import counted, short
from studies.results.importance import STRENGTH, Finding, strength_of
from studies.results.summary import Summary
from studies.results.terms import Floats
from studies.results.trials import own, value_of
from studies.running.foreign import is_number

# At most so many borders of a setting are tried.
BORDERS = 24
# The best trials of which a range is given, and the part of it that is given.
BEST, INNER = 0.25, (0.1, 0.9)


def where(finding: Finding, summary: Summary) -> str:
    """A clause that says where; empty where the settings are choices among words."""
    trials = [trial for trial in own(summary) if all(is_number(at(trial, name)) for name in finding.settings)]
    lost = set(summary.matters.broken)
    if finding.question == "breaks":
        return corner(finding.settings, trials, [trial.number in lost for trial in trials])
    kept = [trial for trial in trials if trial.number not in lost and value_of(trial) is not None]
    return best_range(finding.settings, kept, summary)


def corner(names: Sequence[str], trials: Sequence[FrozenTrial], broken: Sequence[bool]) -> str:
    """The corner that holds broken trials best, by the difference of the two rates."""
    lost, values = np.array(broken), [np.array([at(trial, name) for trial in trials], float) for name in names]
    if not lost.any() or lost.all():
        return ""
    best, found = 0.0, None
    for sides in itertools.product((1, -1), repeat=len(names)):
        for borders in itertools.product(*(borders_of(column) for column in values)):
            inside = np.all(
                [side * (column - border) > 0 for side, border, column in zip(sides, borders, values, strict=True)], 0
            )
            gap = (lost & inside).sum() / lost.sum() - (~lost & inside).sum() / (~lost).sum()
            if gap > best:
                best, found = gap, (sides, borders, inside)
    if found is None:
        return ""
    sides, borders, inside = found
    words = [f"{n} {'above' if s > 0 else 'below'} {short(b, 2)}" for n, s, b in zip(names, sides, borders, strict=True)]
    here, there = (f"{(lost & part).sum()} of {counted(int(part.sum()), 'trial')}" for part in (inside, ~inside))
    return f"with {' and '.join(words)}, {here} broke, elsewhere {there}"


def best_range(names: Sequence[str], trials: Sequence[FrozenTrial], summary: Summary) -> str:
    """In which range the best quarter of the trials is."""
    sign = -1.0 if summary.maximize else 1.0
    ranked = sorted(trials, key=lambda trial: sign * (value_of(trial) or 0.0))
    top = ranked[: max(2, round(BEST * len(ranked)))]
    if len(top) == len(ranked):
        return ""
    words = []
    for name in names:
        low, high = np.quantile([at(trial, name) for trial in top], INNER, method="nearest")
        words.append(f"{name} {short(low, 2)}" + (f" to {short(high, 2)}" if high > low else ""))
    return f"the best quarter of them has {' and '.join(words)}"


def borders_of(values: Floats) -> list[float]:
    """Between neighbouring values, in the middle; on a log scale where they span decades."""
    ordered = np.unique(values)
    wide = ordered[0] > 0 and ordered[-1] > 30 * ordered[0]
    middle = np.sqrt(ordered[1:] * ordered[:-1]) if wide else (ordered[1:] + ordered[:-1]) / 2
    return [float(border) for border in middle[:: max(1, len(middle) // BORDERS)]]


def at(trial: FrozenTrial, name: str) -> Any:
    """A setting of a trial, or the strength that it measured."""
    return strength_of(trial) if name == STRENGTH else trial.params.get(name)
