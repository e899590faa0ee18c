"""Warnings that a careful colleague would give about a study, each with what to do about it."""

import math

from finetune.arguments import arg
from finetune.words import counted
from studies.planning.identity import folds_of
from studies.planning.part import Part
from studies.results.broken_space import too_wide
from studies.results.budgets import best_among
from studies.results.digits import gained
from studies.results.edges import edges
from studies.results.scored import not_of_the_attack, optimistic
from studies.results.summary import Summary
from studies.results.trials import own, value_of

# Clean training still rises if its last epoch brings at least this share of all that it has learned.
STEEP = 0.1
# More trials are judged by what so many more would bring; with fewer than twice as many, nobody can tell.
MORE = 20


def careful(summary: Summary) -> list[str]:
    """One sentence for each thing to know before the result is believed; none if there is nothing to say.

    Args:
        summary: The study's summary.
    """
    scored = optimistic(summary), not_of_the_attack(summary)
    found = [*scored, rising(summary), small(summary), *edges(summary), too_wide(summary), enough(summary)]
    return [line for line in found if line]


def rising(summary: Summary) -> str | None:
    """Whether clean training was still getting better at its last epoch."""
    ends = summary.baseline[summary.per - 1 :: summary.per]
    values, number = [epoch.metrics[summary.metric] for epoch in ends], len(ends)
    if summary.best is None or number < 2 or not all(map(math.isfinite, values)):
        return None
    better = max if summary.maximize else min
    facts = summary.places, summary.maximize
    rise = gained(values[-1], better(values[:-1]), *facts)
    start = values[0] if summary.constant is None else summary.constant
    if rise <= summary.matters.noise or rise < STEEP * gained(values[-1], start, *facts):
        return None
    steps = f"{summary.metric} {summary.shown(values[-2])}, then {summary.shown(values[-1])}"
    why = "differences may be speed, not quality"
    whole = Part.of_study(summary.about).name_of_whole(summary.study.study_name)
    name = arg("study", f"{whole}-{2 * number}-epochs")
    return f"clean training is still improving at its last epoch ({steps}): {why}; try {arg('epochs', 2 * number)} {name}"


def small(summary: Summary) -> str | None:
    """Whether the validation rows are too few for the gain."""
    (rows, error), gain = summary.split_error, summary.gain
    if rows is None or error is None or not gain or not 0 < gain < error:
        return None
    what = f"on {counted(rows, 'validation row')} {summary.metric} has a standard error of {summary.shown(error)}"
    told = f"the gain of the best is {summary.shown(gain)}"
    if folds_of(summary.about).folded:  # every row is scored already
        what = what.replace("validation row", "row")
        return f"the data are few: {what}, over all folds together, and {told}; fresh seeds show whether it stays"
    limited = (summary.about["data"] or {}).get("max_validation_rows")
    more = arg("max_validation_rows", 4 * rows) if limited else arg("validation_file")
    how = f"{more} gives more rows"
    return f"the validation split is small: {what}, and {told}; {how}"


def enough(summary: Summary) -> str | None:
    """Whether more trials would bring less than the noise."""
    sign = 1 if summary.maximize else -1
    known = [value_of(trial) for trial in own(summary) if trial.state.name == "COMPLETE"]
    values = [sign * value for value in known if value is not None]
    if not values or not summary.matters.noise:
        return None
    values += [min(values)] * (len(own(summary)) - len(values))  # pruned and failed trials had their chance too
    if len(values) < 2 * MORE:
        return None
    gain = best_among(values, len(values)) - best_among(values, len(values) - MORE)
    if gain >= summary.matters.noise:
        return None
    moves = "raise" if summary.maximize else "lower"
    by = summary.shown(gain)
    by = f"{by} or less" if float(by) else f"less than {10.0**-summary.places:.{summary.places}f}"
    what = f"{MORE} more would {moves} the best by {by}"
    tell = "other seeds" if summary.gain and summary.gain > 0 else "other ranges or methods"
    noise = f"the noise between equal runs is {summary.shown(summary.matters.noise)}"
    trials = arg("trials", len(summary.trials) + MORE)
    return f"more trials do not pay any more: {what}, and {noise}; {tell} tell more, and {trials} goes on"
