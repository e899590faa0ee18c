"""What a study says, computed once, for the terminal, the report and the exported config alike."""

import json
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from finetune.errors import UserError
from finetune.loop import Epoch
from spaces import Space
from studies.identity import KEY
from studies.importance import FOLDS, Importance, idle_settings, importances

BASELINE = "baseline"


@dataclass(frozen=True)
class Summary:
    """One study at one moment.

    Args:
        study: It.
        about: Its identity: method, data, recipe, space, versions.
        space: The declared space.
        trials: Finished trials by number.
        best: The best complete trial, or None.
        baseline: Epochs of clean training with the same recipe and seed.
        importances: The largest share first; empty with few trials.
        idle: Sentences about settings that did nothing.
    """

    study: optuna.Study
    about: dict[str, Any]
    space: Space
    trials: list[FrozenTrial]
    best: FrozenTrial | None
    baseline: list[Epoch]
    importances: list[Importance]
    idle: list[str]

    @property
    def metric(self) -> str:
        return str(self.about["recipe"]["metric"])

    @property
    def maximize(self) -> bool:
        return bool(self.about["direction"] == "maximize")

    @property
    def explore(self) -> int:
        """Trials before this number are the exploration phase."""
        return int(self.about["search"]["explore"])

    @property
    def clean(self) -> float:
        """The baseline's value."""
        return self.baseline[-1].metrics[self.metric]

    @property
    def gain(self) -> float | None:
        """How much better the best trial is than the baseline (positive: better), on one seed."""
        if self.best is None or self.best.value is None:
            return None
        return (self.best.value - self.clean) * (1 if self.maximize else -1)

    def count(self, state: TrialState) -> int:
        """Finished trials in that state."""
        return sum(trial.state is state for trial in self.trials)

    @property
    def failures(self) -> list[tuple[int, str]]:
        """Number and reason of failed trials."""
        failed = [trial for trial in self.trials if trial.state is TrialState.FAIL]
        return [(trial.number, str(trial.user_attrs.get("failure", "unknown"))) for trial in failed]


def settings_of(trial: FrozenTrial, about: dict[str, Any]) -> dict[str, Any]:
    """Fixed and searched settings of a trial."""
    return dict(about["fixed"]) | trial.params


def summarise(study: optuna.Study, folds: int = FOLDS) -> Summary:
    """Read a study.

    Args:
        study: Made by a search.
        folds: Bootstrap folds of the importances.

    Raises:
        UserError: It was not made by this program, or was stopped before its baseline was known.
    """
    about, baseline = study.user_attrs.get(KEY), study.user_attrs.get(BASELINE)
    if about is None:
        raise UserError(f"study {study.study_name!r} was not made by this program")
    if baseline is None:
        raise UserError(f"study {study.study_name!r} has no baseline yet: run the search first")
    trials = sorted((t for t in study.get_trials() if t.state.is_finished()), key=lambda trial: trial.number)
    space = {name: json_to_distribution(json.dumps(value)) for name, value in about["space"].items()}
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE and trial.value is not None]
    maximize = about["direction"] == "maximize"
    best = min(complete, key=lambda t: (-t.value if maximize else t.value, t.number), default=None)  # type: ignore[operator]
    return Summary(
        study=study,
        about=about,
        space=space,
        trials=trials,
        best=best,
        baseline=[Epoch(**epoch) for epoch in baseline],
        importances=importances(trials, space, about["search"]["explore"], maximize, folds),
        idle=idle_settings(trials, about["fixed"]),
    )
