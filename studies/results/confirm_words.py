"""A verdict in sentences, the same on the terminal, in the report and in a notebook."""

import math
from collections.abc import Sequence

from finetune.arguments import arg
from finetune.tasks.metrics import viewed
from finetune.words import counted, listed
from studies.results.confirmed import Confirmed
from studies.results.further_words import aside, but, finding
from studies.results.judging import AT, ENOUGH
from studies.results.sentences import settings_line
from studies.results.side import Compared

SCOPE = "This is about this configuration on this split of the data, not about the method or the search."


def verdict_lines(found: Confirmed) -> list[str]:
    """Everything that a confirmation says, the answer first."""
    lines = [headline(found), found.judgement.why]
    lines += [difference_line(found, each) for each in (found.clean, found.control) if each is not None]
    lines += [*control_lines(found), *further_lines(found), *size_lines(found), *search_lines(found)]
    lines += [*score_lines(found), *test_lines(found)]
    if found.failures:
        more = f" (and {counted(len(found.failures) - 1, 'more run')})" if len(found.failures) > 1 else ""
        lines.append(f"failed, counted as the largest loss: {found.failures[0]}{more}")
    return [*(line for line in lines if line), SCOPE]


def score_lines(found: Confirmed) -> list[str]:
    """What values mean where each run is scored by evaluations that were chosen on the validation rows."""
    if found.score == "last":
        return []
    alike = f"values on the validation rows are those of chosen evaluations ({arg('score', found.score)})"
    lines = [f"{alike}, and look better than they are for every arm alike; on the test split nothing is chosen"]
    if found.early:
        runs = f"{found.early} of the winner's {counted(found.seeds, 'run')}"
        lines.append(f"in {runs} the chosen evaluations lie before the attack: such a value is no merit of the attack")
    return lines


def headline(found: Confirmed) -> str:
    """The verdict in one sentence."""
    name, method = found.winner.who, found.winner.method
    names = f"{name[:-1]}, {method})" if name.endswith(")") else f"{name} ({method})"
    who = f"on {counted(found.seeds, 'fresh seed')}"
    against, more = found.clean, but(found.further) if found.word == "better" else ""
    if found.word != "not separable":
        size = f"{signed(found, against.mean)}{more}"
        return f"verdict: {found.word}. {names} is {found.word} than clean training {who}: {size}"
    if not found.judgement.decided:
        return f"verdict: none yet. {names} against clean training {who}: {signed(found, against.mean)}"
    return f"verdict: not separable. {names} and clean training {who}: {at_most(found, against)}"


def at_most(found: Confirmed, against: Compared) -> str:
    """How large a difference may be that was not shown."""
    low, high, _ = widest(against)
    if low is None or high is None:
        return "one seed shows no difference"
    end = max(abs(low), abs(high))
    return f"less than {found.shown(end)} either way, if any" if end else "no difference on any seed"


def signed(found: Confirmed, value: float) -> str:
    """A difference with its sign."""
    return f"{'+' if value > 0 else ''}{found.shown(value)}"


def further_lines(found: Confirmed) -> list[str]:
    """Comparisons with further rivals, and what they say about the gain."""
    lines = list[str | None]()
    for each in found.further:
        recipe = f" with {settings_line(each.arm.recipe)}" if each.name == "tuned" else ""
        line = difference_line(found, each.compared, f"{each.arm.who}{recipe}")
        evidence = f"e-value {each.e:.3g} ({ENOUGH:g} or more is evidence)"
        lines += [f"{aside(each, found.seeds)}, {line}, {evidence}", finding(found.word, each)]
    return [line for line in lines if line]


def difference_line(found: Confirmed, against: Compared, name: str | None = None) -> str:
    """One comparison with its intervals.

    Args:
        found: The verdict.
        against: The comparison.
        name: The rival, if it is neither clean training nor the control.
    """
    name = name or ("clean training" if against is found.clean else "its control (a random direction)")
    parts = [f"against {name}: {signed(found, against.mean)}"]
    if against.low is not None and against.high is not None:
        parts.append(f"95 % interval over seeds {signed(found, against.low)} to {signed(found, against.high)}")
    if against.rows_low is not None and against.rows_high is not None:
        parts.append(f"over seeds and rows {signed(found, against.rows_low)} to {signed(found, against.rows_high)}")
    if not math.isnan(against.sd):
        parts.append(f"sd {found.shown(against.sd)}")
    parts.append(better_on(against.differences))
    line = ", ".join(parts)
    if against.chances is not None and found.smallest is not None:
        worse, within, better = (f"{100 * chance:.0f} %" for chance in against.chances)
        line += f"; better by more than {found.smallest:g}: {better}, within: {within}, worse by more: {worse}"
    return line


def better_on(differences: Sequence[float]) -> str:
    """On how many seeds the winner is better, and on how many it is equal, which is not better.

    Example:
        >>> better_on([0.1, 0.0, -0.1])
        'better on 1 of 3 seeds, equal on 1'
    """
    better, equal = sum(each > 0 for each in differences), sum(each == 0 for each in differences)
    return f"better on {better} of {counted(len(differences), 'seed')}" + (f", equal on {equal}" if equal else "")


def control_lines(found: Confirmed) -> list[str]:
    """What the control says about the reason of a gain."""
    if found.control is None or found.word != "better":
        return []
    if found.control.word == "better":
        return ["It also beats noise of the same size, so the direction of the attack matters."]
    if found.control.word == "worse":
        return ["Noise of the same size does even better: the gain does not come from the direction of the attack."]
    return ["It was not shown to beat noise of the same size: the gain may come from noise alone."]


def size_lines(found: Confirmed) -> list[str]:
    """What so many seeds could have shown, the evidence for anyone who looks at every seed, and the cost."""
    lines = []
    if 0 < found.clean.smallest < math.inf:  # where no seed differs, their spread says nothing
        rows = " and rows" if found.clean.rows_low is not None else ""
        lines.append(f"so many seeds{rows} show a difference of {found.shown(found.clean.smallest)} with a chance of 80 %")
    elif found.seeds < AT[0]:
        lines.append(f"fewer than {AT[0]} seeds show nothing, however large it is: the same command with more seeds goes on")
    if found.clean.rows_low is None and (why := without_rows(found)):
        lines.append(f"no interval over rows: {why}")
    after = f"after {counted(found.seeds, 'seed')}: {found.judgement.e:.3g}"
    lines.append(f"e-value against clean training {after} (20 or more is evidence at any time)")
    cost = f"cost: {found.passes:.2f}x clean training by passes"
    return [*lines, cost if found.seconds is None else f"{cost}, {found.seconds:.2f}x by time"]


def without_rows(found: Confirmed) -> str | None:
    """Why there is no interval over rows; None while the verdict goes on, which has it at its end."""
    view, metric = viewed(found.metric)
    if view:
        return f"the runs keep predictions of the rows as they are, and {found.metric} is {metric} in another view of them"
    if not found.judgement.decided:
        return None
    return "a run that failed has no predictions" if found.failures else "the runs kept no predictions"


def search_lines(found: Confirmed) -> list[str]:
    """How much too good the search made its best look."""
    if found.optimism is None:
        return []
    mean = found.shown(found.values[found.winner.who])
    if found.optimism <= 0:
        return [f"on fresh seeds the winner's mean is {mean}, no less than the search's best value"]
    return [f"optimism of the search: its best value was {found.shown(found.optimism)} above the winner's mean, {mean}"]


def test_lines(found: Confirmed) -> list[str]:
    """The reading of the test split."""
    test = found.test
    if test is None:
        return []
    sides = [(test.clean_difference, "clean training")]
    sides += [] if test.control_difference is None else [(test.control_difference, "its control")]
    sides += [(side, side.against) for side in test.further.values()]
    each = [f"{signed(found, side.mean)} against {name}{interval(found, side)}" for side, name in sides]
    head = f"test split ({counted(test.rows, 'row')}, read once, {test.time}, {counted(test.seeds, 'seed')})"
    more = f"; it is not read again for the {found.seeds - test.seeds} seeds since" if found.seeds > test.seeds else ""
    return [f"{head}: {found.shown(test.winner)}, {listed(each)}{more}"]


def widest(side: Compared) -> tuple[float | None, float | None, str]:
    """The ends of the widest interval that is known, and over what it is."""
    if side.rows_low is None:
        return side.low, side.high, "seeds"
    return side.rows_low, side.rows_high, "seeds and rows"


def interval(found: Confirmed, side: Compared) -> str:
    """The widest interval in words."""
    low, high, over = widest(side)
    return "" if low is None or high is None else f" ({signed(found, low)} to {signed(found, high)} over {over})"
