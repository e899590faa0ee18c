"""The winner taken apart, in sentences: the same on the terminal, in the report and in a notebook."""

from finetune.words import listed, short
from studies.results.confirm_words import signed
from studies.results.confirmed import Confirmed
from studies.results.parts import Gain, Pair, Parts, Step


def parts_lines(found: Confirmed, tables: bool = False) -> list[str]:
    """Everything that these runs say, the answer first; empty if there are none.

    Args:
        found: The confirmation.
        tables: Whether tables beside the lines have the steps.
    """
    parts = found.parts
    if parts is None:
        return []
    lines = [doubt(found), f"{answered(found, parts)}, {basis(parts)}"]
    lines += [] if tables else [values_line(parts)]
    lines += [] if parts.pair is None else [beyond_line(found, parts.pair)]
    lines += [] if tables or len(parts.steps) < 3 else [path_line(found, parts)]
    lines += [last_line(found, parts), "" if tables else clean_line(found, parts), *failed_lines(parts), note(parts)]
    return [line for line in lines if line]


def in_short(found: Confirmed) -> str:
    """The answer in one sentence without intervals; empty if there are no such runs."""
    parts = found.parts
    return "" if parts is None else f"Measured {basis(parts)}: {answered(found, parts, whole=False)}."


def basis(parts: Parts) -> str:
    """What the differences are against."""
    return f"against the method's defaults on {parts.seeds} fresh seeds"


def doubt(found: Confirmed) -> str:
    """That there may be no gain, unless the verdict is "better"."""
    if found.word == "better":
        return ""
    if found.word == "worse":
        return "the winner is worse than clean training: there is no gain to take apart, only a difference from the defaults"
    return "no gain over clean training was shown, so there may be none to take apart"


def answered(found: Confirmed, parts: Parts, whole: bool = True) -> str:
    """What the settings do together, and each alone.

    Args:
        found: The confirmation.
        parts: Its winner taken apart.
        whole: Whether to give the intervals.
    """

    def told(gain: Gain) -> str:
        return with_interval(found, gain) if whole else signed(found, gain.mean)

    pair = parts.pair
    if pair is not None:
        one, other = pair.settings
        alone = f"{one} alone {told(pair.first)}; {other} alone {told(pair.second)}"
        return f"{one} and {other} together {told(pair.both)}; {alone}"
    everything = parts.winner.from_defaults
    assert everything is not None
    return f"{listed(list(parts.values))}{' together' if len(parts.values) > 1 else ''} {told(everything)}"


def values_line(parts: Parts) -> str:
    """The winner's values and the defaults."""
    each = [f"{name} {short(own)} (default {short(usual)})" for name, (usual, own) in parts.values.items()]
    return f"the winner has {listed(each)}"


def beyond_line(found: Confirmed, pair: Pair) -> str:
    """Whether two settings do together what each does alone."""
    gain, (one, other) = pair.beyond, pair.settings
    equal = all(more.low <= 0 <= more.high for more in (pair.over_first, pair.over_second))
    if equal and gain.high < 0:
        more = [with_interval(found, gain) for gain in (pair.over_first, pair.over_second)]
        return f"either is enough: to {one} alone, both together add {more[0]}; to {other} alone, {more[1]}"
    if gain.low > 0:
        return f"together they do more than the sum of each alone: {with_interval(found, gain)}"
    if gain.high < 0:
        return f"together they do less than the sum of each alone: {with_interval(found, gain)}"
    return f"together they do about the sum of each alone: the difference is {with_interval(found, gain)}"


def path_line(found: Confirmed, parts: Parts) -> str:
    """The steps from the defaults to the winner."""
    how = "the change that helps most first" if parts.greedy else "in the order of their importances"
    ends = f"from the defaults ({value(found, parts.defaults)}) to the winner ({value(found, parts.winner)})"
    steps = [f"{listed(step.added)} {with_interval(found, step.gain)}" for step in parts.steps if step.gain is not None]
    return f"{ends}, {how}: {', then '.join(steps)}"


def last_line(found: Confirmed, parts: Parts) -> str:
    """That the winner is worse than the configuration before it; empty if it is not."""
    last = parts.winner
    if len(parts.steps) < 3 or last.gain is None or last.gain.high >= 0:
        return ""
    default = "its default" if len(last.added) == 1 else "their defaults"
    return (
        f"the last step makes it worse: with {listed(last.added)} at {default} the winner reaches "
        f"{value(found, parts.steps[-2])} instead of {value(found, last)} on these seeds; other seeds must confirm that"
    )


def clean_line(found: Confirmed, parts: Parts) -> str:
    """The defaults and the winner against clean training."""
    clean = "" if parts.clean is None else f" ({found.shown(parts.clean)})"
    ends = [("the defaults", parts.defaults), ("the winner", parts.winner)]
    sides = [f"{who} {with_interval(found, step.from_clean)}" for who, step in ends]
    return f"against clean training{clean} on these seeds: {', '.join(sides)}"


def failed_lines(parts: Parts) -> list[str]:
    """Which configurations of the path failed."""
    failed = [f"{who(step, parts)} on {step.failed}" for step in parts.steps if step.failed]
    return [f"failed, counted as the largest difference: {listed(failed)} of {parts.seeds} seeds"] if failed else []


def who(step: Step, parts: Parts) -> str:
    """A configuration of the path."""
    return "the defaults" if not step.added else f"{listed(step.added)}" + (" (the winner)" if step is parts.winner else "")


def note(parts: Parts) -> str:
    """How far to trust the intervals."""
    chosen = "; the order was chosen on the seeds that it is shown on" if parts.greedy and len(parts.values) > 1 else ""
    return f"these 95 % intervals are over seeds, and not corrected for their number{chosen}"


def with_interval(found: Confirmed, gain: Gain) -> str:
    """A difference with its interval; if it is the same on every seed, there is none."""
    if gain.low == gain.high:
        return f"{signed(found, gain.mean)} (on every seed)"
    return f"{signed(found, gain.mean)} ({signed(found, gain.low)} to {signed(found, gain.high)})"


def value(found: Confirmed, step: Step) -> str:
    """The mean value of a configuration."""
    return "failed" if step.value is None else found.shown(step.value)
