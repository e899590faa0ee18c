"""Which settings matter, in sentences."""

import math

from finetune.arguments import arg
from finetune.words import counted
from studies.results.importance import AT_LEAST, FEW, STRENGTH, Finding, Question
from studies.results.summary import Summary
from studies.results.trials import own, value_of
from studies.results.where import where
from studies.running.foreign import explores

QUESTIONS: tuple[Question, ...] = ("breaks", "improves")
TITLES: dict[Question, str] = {"breaks": "what breaks training", "improves": "what makes the other trials better"}
# A share of the variance that is worth finding.
WORTH = 0.1


def answers(summary: Summary) -> list[str]:
    """A sentence for each finding, and for each question without one what would settle it.

    Returns:
        Nothing where no question could be asked; ``silence`` says why.
    """
    found = []
    for question in QUESTIONS:
        rows = [row for row in summary.importances if row.question == question]
        clear = [row for row in rows if row.evidence and not within(row, rows)]
        if clear:
            found += [sentence(row, summary) for row in clear]
        elif rows:
            found.append(nothing(question, rows, summary))
    broken = summary.matters.broken
    if summary.importances and len(broken) < FEW:
        found.insert(0, f"{counted(len(broken), 'trial')} of {summary.matters.points} broke training: too few to ask why")
    return found


def verdict(row: Finding) -> str:
    """The verdict on a setting or a pair, for tables."""
    return "matters" if row.evidence else "no evidence"


def within(row: Finding, rows: list[Finding]) -> bool:
    """Whether a single setting is part of a pair that was found: the pair says it."""
    return any(row != other and other.evidence and set(row.settings) < set(other.settings) for other in rows)


def sentence(row: Finding, summary: Summary) -> str:
    """One finding: what it decides, how much of it, and where."""
    place = where(row, summary)
    who = f"{named(row)} decide{' together' if len(row.settings) > 1 else 's'}"
    lost = counted(len(summary.matters.broken), "trial")
    what = {
        "breaks": f"{who} whether training breaks ({lost} of {summary.matters.points} did)",
        "improves": f"{who} how good the trials are that do not break",
    }[row.question]
    return f"{what}: {row.share:.2f} of the variance (floor {row.floor:.2f})" + (f"; {place}" if place else "")


def named(row: Finding) -> str:
    """The settings of a finding, in a sentence."""
    return "the strength of the attack" if row.settings == (STRENGTH,) else row.name


def nothing(question: Question, rows: list[Finding], summary: Summary) -> str:
    """That nothing was found, and how many trials would show a setting that is worth finding."""
    top = max(rows, key=lambda row: row.share)
    what = {"breaks": "whether training breaks", "improves": "how good the trials are that do not break"}[question]
    # The floor is a gain in log evidence, which hardly depends on the number of trials.
    evenly = sum(explores(trial, summary.explore) for trial in own(summary))
    gain = -math.log(1 - min(top.floor, 0.99)) * max(evenly, AT_LEAST)
    needed = math.ceil(gain / -math.log(1 - WORTH) / 10) * 10
    evenly_spread = f"about {needed} evenly spread trials ({arg('explore', needed)})"
    more = f"; a setting with a tenth of the variance would show in {evenly_spread}"
    return f"nothing explains {what} beyond chance (the most: {top.name}, {top.share:.2f}, floor {top.floor:.2f})" + (
        more if needed > evenly else ""
    )


def silence(summary: Summary) -> str:
    """Why there are no importances; empty if there are some."""
    if summary.importances:
        return ""
    varying = sum(not distribution.single() for distribution in summary.space.values())
    if varying < 2:
        return f"Importances compare settings, and this study varies {'only one' if varying else 'none'}."
    points = sum(value_of(trial) is not None for trial in own(summary))
    if points < AT_LEAST:
        return f"Importances need {AT_LEAST} trials with a value, and this study has {points}."
    if (sound := summary.matters.points - len(summary.matters.broken)) < AT_LEAST:
        return f"Importances need {AT_LEAST} trials that do not break training, and this study has {sound} of {points}."
    return "All trials that do not break training have the same value: no setting can be shown to matter."
