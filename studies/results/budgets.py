"""What a search had found for what it had spent: best so far, and the best that a smaller budget would have given."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from adv import METHODS, SettingError
from studies.results.folded import runs_of
from studies.results.summary import Summary, parted
from studies.results.trials import complete, phase_of, value_of
from studies.running.estimate import passes_in


@dataclass(frozen=True)
class Spent:
    """What had been spent when a trial ended, and the best value by then.

    Args:
        number: The trial's number.
        seconds: Seconds of this and all earlier trials, as if one after the other.
        passes: Their passes, in complete clean trainings. Epochs that trials share count for each.
        best: The best value of a complete trial so far; None before the first.
    """

    number: int
    seconds: float
    passes: float
    best: float | None


def spending(summary: Summary) -> list[Spent]:
    """What a search spent, trial by trial; pruned and failed trials cost too."""
    measured = {trial.number for trial in complete(summary)}
    pick = max if summary.maximize else min
    seconds, passes, best, found = 0.0, 0.0, None, []
    length = training_length(summary)
    for trial in summary.trials:
        seconds += float(trial.user_attrs.get("seconds", 0.0))
        passes += passes_of(trial, summary) / length
        if trial.number in measured and (value := value_of(trial)) is not None:
            best = value if best is None else pick(best, value)
        found.append(Spent(trial.number, seconds, passes, best))
    return found


def training_length(summary: Summary) -> int:
    """Epochs of one clean training."""
    return int(summary.about["recipe"].get("epochs") or 0) or max(1, len(summary.clean_epochs))


def passes_of(trial: FrozenTrial, summary: Summary) -> float:
    """The passes of a trial in clean epochs: 1 for each epoch before the attack, from then on the cost of the step."""
    settings, tuned = parted(trial, summary.about)
    epochs = int(tuned.get("epochs", training_length(summary)))
    runs, known = runs_of(summary), len(trial.intermediate_values) / summary.per
    if runs > 1:  # its steps are runs, and one clean training has as many
        known = epochs * len(trial.intermediate_values) / runs
    done = epochs if trial.state is TrialState.COMPLETE else min(epochs, known)
    try:
        method = METHODS[summary.about["method"]](**settings)
        return passes_in(method, done)
    except (SettingError, TypeError):  # a trial that another program added, with settings the method does not take
        return float(done)


def independent(summary: Summary) -> list[float]:
    """Values of the trials that were drawn independently of each other: the exploration, without chosen starting points.

    A failed trial counts as the worst of them.
    """
    chosen = 1 + len(summary.about["search"].get("starts", []))
    drawn = [t for t in summary.trials if t.number >= chosen and phase_of(t, summary) == "explore"]
    values = [value_of(trial) for trial in drawn]
    known = [value for value in values if value is not None]
    if not known:
        return []
    worst = min(known) if summary.maximize else max(known)
    return [worst if value is None else value for value in values]


def best_among(values: Sequence[float], budget: int, maximize: bool = True) -> float:
    """The expected best of so many trials, without bias.

    After Tang et al. 2020, "Showing Your Work Doesn't Always Work" (arXiv 2004.13705): the mean of the best over all
    subsets of k of the n values. With v_1 <= ... <= v_n, v_i is the best of C(i - 1, k - 1) of the C(n, k) subsets, so
    E_k = sum over i = k ... n of C(i - 1, k - 1) / C(n, k) * v_i.

    Args:
        values: Values of trials.
        budget: At least 1 and at most the number of values.
        maximize: Whether a higher value is better.

    Example:
        >>> best_among([1.0, 2.0, 6.0], 1), best_among([1.0, 2.0, 6.0], 2), best_among([1.0, 2.0, 6.0], 3)
        (3.0, 4.666666666666667, 6.0)
    """
    count, sign = len(values), 1 if maximize else -1
    ordered = np.sort(sign * np.asarray(values, dtype=np.float64))[::-1]
    places = np.arange(count, 1, -1)
    # The share of v_n is k / n, and that of v_{i-1} is (i - k) / (i - 1) times that of v_i: no large numbers.
    falls = np.maximum(places - budget, 0) / (places - 1)
    return sign * float(budget / count * np.cumprod([1.0, *falls]) @ ordered)


def expected_best(values: Sequence[float], maximize: bool = True) -> list[float]:
    """The expected best of k trials, for k = 1 ... n/2, without bias.

    More than n/2 trials would rest on too few different subsets.

    Args:
        values: Values of independent trials.
        maximize: Whether a higher value is better.

    Example:
        >>> expected_best([1.0, 2.0, 3.0, 4.0])
        [2.5, 3.3333333333333335]
    """
    return [best_among(values, budget, maximize) for budget in range(1, len(values) // 2 + 1)]
