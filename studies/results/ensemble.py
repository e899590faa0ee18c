"""An ensemble that was selected: its members, what it is worth, and its file."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from optuna.trial import FrozenTrial

from finetune.arguments import arg
from finetune.errors import writing
from finetune.training.members import ENSEMBLE, FORMATS
from finetune.words import counted
from studies.results.blending import Nested
from studies.results.candidates import Candidate
from studies.results.digits import gained, shown
from studies.results.greedy import Picked
from studies.results.summary import settings_of
from studies.running.whole import write_whole

# So many standard errors of a difference are called a difference.
CLEAR = 2.0


@dataclass
class Ensemble:
    """An ensemble that was selected, and what it is worth.

    Args:
        candidates: The trials that it was selected from.
        picked: How often each of them counts.
        nested: What the selection is worth on rows that it did not see.
        metric: The metric.
        maximize: Whether a higher value is better.
        places: Decimals of its values.
        chosen: What was settled on the ensemble's predictions, such as thresholds; None if nothing is.
        what: What is averaged: "probabilities" or "targets".
        drawn: What the standard error is over: "rows", or "groups" of rows.

    Attributes:
        folder: Where its models are; None if they were not trained.
        lines: What is said of the selection.
    """

    candidates: list[Candidate]
    picked: Picked
    nested: Nested
    metric: str
    maximize: bool
    places: int
    chosen: list[float] | None
    what: str
    drawn: str = "rows"
    folder: Path | None = None
    lines: list[str] = field(default_factory=list)

    @property
    def members(self) -> list[tuple[Candidate, float]]:
        """The members with their weights, the heaviest first."""
        found = [(each, weight) for each, weight in zip(self.candidates, self.picked.weights, strict=True) if weight]
        return sorted(found, key=lambda member: -member[1])

    @property
    def value(self) -> float:
        """Its score out of fold, on the rows that it was selected on: too good."""
        return self.picked.score

    def shown(self, value: float) -> str:
        """A value of the metric as it is printed."""
        return shown(value, self.places)

    def to_frame(self) -> pd.DataFrame:
        """A row for each candidate, the heaviest first: study, trial, weight, its own score out of fold, settings."""
        rows = [
            {
                "study": each.study,
                "trial": each.number,
                "weight": weight,
                self.metric: alone,
                "settings": settings_of(trial_of(each), each.summary.about),
            }
            for each, weight, alone in zip(self.candidates, self.picked.weights, self.picked.alone, strict=True)
        ]
        columns = ["study", "trial", "weight", self.metric, "settings"]
        return pd.DataFrame(rows, columns=columns).sort_values("weight", ascending=False, kind="stable", ignore_index=True)

    def sentences(self) -> list[str]:
        """What it is worth, beside the best trial alone, and how much of that is luck of the selection."""
        best, nested, show = self.candidates[self.picked.best], self.nested, self.shown
        alone = self.picked.alone[self.picked.best]
        who = f"the best trial alone ({best.number} of {best.study})"
        found = [f"out of fold, on the rows that chose it: ensemble {self.metric} {show(self.value)}, {who} {show(alone)}"]
        error = "" if nested.error is None else f", standard error {show(nested.error)} over {self.drawn}"
        gain = gained(nested.ensemble, nested.single, self.places, self.maximize)
        apart = f"difference {'+' if gain > 0 else ''}{show(gain)}{error}"
        found.append(
            f"on rows that did not choose it (nested): ensemble {show(nested.ensemble)}, best trial {show(nested.single)}, "
            f"{apart}"
        )
        lost = [
            gained(*pair, self.places, self.maximize) for pair in ((self.value, nested.ensemble), (alone, nested.single))
        ]
        found.append(f"optimism of the choice: ensemble {show(lost[0])}, best trial {show(lost[1])}")
        if len(self.members) == 1:
            found.append("one trial was chosen: no mixture of these trials is better on these rows")
        elif gain <= CLEAR * (nested.error or 0.0):
            where = "on rows that did not choose it"
            found.append(f"the ensemble is not clearly better than the best trial {where}; one model may serve you")
        return found

    def __repr__(self) -> str:
        return f"<Ensemble of {counted(len(self.members), 'trial')}: {self.metric} {self.shown(self.value)}>"


def trial_of(candidate: Candidate) -> FrozenTrial:
    """The trial of a candidate."""
    return next(trial for trial in candidate.summary.trials if trial.number == candidate.number)


def write_ensemble(ensemble: Ensemble, folder: Path) -> Path:
    """Write ``ensemble.json`` beside the folders of its members: ``predict`` takes the folder then.

    Raises:
        UserError: It cannot be written.
    """
    members = [
        {"folder": each.name, "weight": weight, "study": each.study, "trial": each.number}
        for each, weight in ensemble.members
    ]
    facts = {"format": FORMATS[ENSEMBLE], "metric": ensemble.metric, "value": ensemble.value, "mean": ensemble.what}
    nested = {"nested": {"ensemble": ensemble.nested.ensemble, "single": ensemble.nested.single}}
    text = json.dumps(facts | nested | {"chosen": ensemble.chosen, "members": members}, indent=2)
    with writing(arg("out", folder)):
        return write_whole(folder / ENSEMBLE, text + "\n")
