"""Which settings matter, alone or two together: for what breaks training, and for what makes it better among the rest.

Optuna's default plot after TPE and pruning rarely names the right setting: it looks only at complete trials, and there at
what TPE chose to sample. Here a pruned trial counts with what it would have reached, a diverged one as broken, and a finding
is what explains more than chance would.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial

from spaces import Space
from studies.results.broken import points_of, told_apart
from studies.results.selection import Row, Selection
from studies.results.terms import WAVES, Floats, columns, cosines
from studies.running.foreign import explores

Question = Literal["breaks", "improves"]
# For all findings of a study together; half for each question, and of that a fifth for the strength of the attack.
LEVEL = 0.05
STRENGTH = "strength"
# What a trial counts that the sampler chose: they crowd where the values are good, and a crowd passes for a pattern.
CHOSEN = 0.1
# With fewer points or broken trials, nothing can be told from chance.
AT_LEAST, FEW = 8, 3


@dataclass(frozen=True)
class Finding:
    """How much one setting explains, or two settings together.

    Args:
        settings: One or two names; ``("strength",)`` stands for the measured relative size of the perturbation.
        question: "breaks": what makes training end below clean training by more than noise; "improves": what makes the
            value of all other trials better.
        share: Share of the variance that it explains, 0..1 (a pair: with its two settings). Flexibility costs: where
            nothing is explained, it is near 0.
        low: Lower end of the 95 % interval.
        high: Upper end.
        floor: What the best of unrelated settings would reach.
        evidence: Whether this is more than chance: in a study where nothing matters, any finding has a probability of 5 %.
    """

    settings: tuple[str, ...]
    question: Question
    share: float
    low: float
    high: float
    floor: float
    evidence: bool

    @property
    def name(self) -> str:
        """The names in words."""
        return " and ".join(self.settings)


class Matters(NamedTuple):
    """What a study says about its settings.

    Args:
        findings: The largest share first within each question, those with evidence before the others.
        noise: Standard deviation of the value between trials with the same settings, as far as one seed tells.
        broken: Numbers of broken trials.
        points: How many trials were looked at.
    """

    findings: list[Finding]
    noise: float
    broken: list[int]
    points: int


def matters(
    trials: Sequence[FrozenTrial], space: Space, explore: int, maximize: bool, clean: float, least: float = 0.0
) -> Matters:
    """What breaks training and what improves it.

    Args:
        trials: Of one study, inside its space.
        space: Its declared space.
        explore: Trials before this number, other than those taken over, are spread evenly; the others count less.
        maximize: Whether a larger value is better.
        clean: The value of clean training.
        least: Trials that are closer to clean training are not broken, however small the noise.
    """
    names = sorted(name for name, distribution in space.items() if not distribution.single())
    points = points_of(trials, maximize)
    if len(names) < 2 or len(points.trials) < AT_LEAST:
        return Matters([], 0.0, [], len(points.trials))
    parts = columns([trial.params for trial in points.trials], space, names)
    noise, lost = told_apart(parts, points, clean if maximize else -clean, least)
    weights = np.array([1.0 if explores(trial, explore) else CHOSEN for trial in points.trials])
    look = Look(points.trials, names, parts, weights)
    findings = list[Finding]()
    if FEW <= lost.sum() <= len(lost) - FEW:
        findings += look.findings("breaks", lost.astype(float), np.ones_like(lost))
    if (~lost).sum() >= AT_LEAST:
        findings += look.findings("improves", points.values, ~lost)
    numbers = [trial.number for trial, gone in zip(points.trials, lost, strict=True) if gone]
    return Matters(findings, noise, numbers, len(points.trials))


class Look(NamedTuple):
    """Trials, and what is known of them before a question is asked."""

    trials: list[FrozenTrial]
    names: list[str]
    parts: list[Floats]
    weights: Floats

    def findings(self, question: Question, values: Floats, which: NDArray[np.bool_]) -> list[Finding]:
        """The findings of one question among some trials: settings and pairs, then the strength."""
        if values[which].std() == 0:
            return []
        parts = [part[which] for part in self.parts]
        rows = Selection(parts, values[which], 0.8 * LEVEL / 2, self.weights[which]).rows()
        found = [finding(row, tuple(self.names[index] for index in row.term), question) for row in rows]
        measured = np.array([strength_of(trial) for trial in self.trials])
        which = which & np.isfinite(measured)
        if which.sum() >= AT_LEAST and len(set(measured[which])) > FEW and values[which].std() > 0:
            from scipy.stats import rankdata  # takes most of a second to import; a search need not wait for it

            place = (rankdata(measured[which]) - 0.5) / which.sum()
            waves = [cosines(place, WAVES)]
            [row] = Selection(waves, values[which], 0.2 * LEVEL / 2, self.weights[which]).rows()
            found.append(finding(row, (STRENGTH,), question))
        return found


def finding(row: Row, settings: tuple[str, ...], question: Question) -> Finding:
    """A row of a selection under its names."""
    return Finding(settings, question, row.share, row.low, row.high, row.floor, row.found)


def strength_of(trial: FrozenTrial) -> float:
    """The mean relative size of its perturbations; nan where none was measured."""
    return float((trial.user_attrs.get("diagnostics") or {}).get("relative", float("nan")))
