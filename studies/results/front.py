"""The front of a study with two metrics, as rows and in sentences."""

from typing import Any, NamedTuple

from optuna.trial import FrozenTrial

from finetune.arguments import arg
from finetune.tasks.metrics import SECONDS
from finetune.words import counted, listed
from studies.results.choice import chosen
from studies.results.digits import gained
from studies.results.folded import seeds_told
from studies.results.second import Second
from studies.results.summary import Summary, settings_of
from studies.results.trials import complete

# Only so many trials of a front are printed; trials.csv marks them all.
MOST = 20


class FrontTrial(NamedTuple):
    """A trial of the front.

    Args:
        number: The trial's number.
        values: Its values in both metrics.
        settings: Fixed and searched settings, by name.
        better: The metrics in which it is better than clean training, on one seed.
    """

    number: int
    values: tuple[float, float]
    settings: dict[str, Any]
    better: tuple[str, ...]


def front_of(summary: Summary) -> list[FrontTrial]:
    """The front, the best in the first metric first; empty if the study has one metric, or no complete trial."""
    second = summary.second
    if second is None:
        return []
    return [
        FrontTrial(t.number, (t.value or 0.0, second.values[t.number]), settings_of(t, summary.about), better(t, summary))
        for t in summary.front
    ]


def better(trial: FrozenTrial, summary: Summary) -> tuple[str, ...]:
    """The metrics in which a trial is better than clean training at the printed digits."""
    second = summary.second
    assert second is not None
    gains = {
        summary.metric: gained(trial.value or 0.0, summary.clean, summary.places, summary.maximize),
        second.metric: second.gain(trial),
    }
    return tuple(name for name, gain in gains.items() if gain > 0)


def against(trial: FrontTrial) -> str:
    """A trial of the front against clean training, in words."""
    words = {2: "better in both", 1: f"better in {''.join(trial.better)}", 0: "better in neither"}
    return words[len(trial.better)]


def front_rows(summary: Summary) -> list[tuple[str, str, str, str, FrontTrial | None]]:
    """Who, both values as printed, how it compares with clean training, and the trial; clean training comes last."""
    second = summary.second
    if second is None:
        return []
    rows: list[tuple[str, str, str, str, FrontTrial | None]] = [
        (f"trial {t.number}", summary.shown(t.values[0]), second.shown(t.values[1]), against(t), t)
        for t in front_of(summary)[:MOST]
    ]
    return [*rows, ("clean training", summary.shown(summary.clean), second.shown(second.clean), "", None)]


def front_title(summary: Summary) -> str:
    """What a front is, and how many trials are on it."""
    second = summary.second
    assert second is not None
    who = f"{len(summary.front)} of {counted(len(complete(summary)), 'complete trial')}"
    return f"front of {summary.metric} and {second.metric}, {who}: no other is as good in both and better in one"


def front_lines(summary: Summary) -> list[str]:
    """What the front says, and how far to trust it; empty if the study has one metric or no complete trial."""
    second, found = summary.second, front_of(summary)
    if second is None or not found:
        return []
    more = [f"and {counted(len(found) - MOST, 'more trial')} of the front, in trials.csv"] if len(found) > MOST else []
    return [*more, both(found), trusted(summary, second), *guessing(summary, second), taken(summary)]


def both(found: list[FrontTrial]) -> str:
    """Which trials of the front are better than clean training in both metrics."""
    numbers = [str(trial.number) for trial in found if len(trial.better) > 1]
    if not any(trial.better for trial in found):
        return "clean training is as good or better in both metrics than every trial"
    if not numbers:
        return "no trial is better than clean training in both metrics"
    who = listed([f"trial {number}" for number in numbers])
    return f"{who} {'is' if len(numbers) == 1 else 'are'} better than clean training in both metrics"


def trusted(summary: Summary, second: Second) -> str:
    """How far the front can be trusted."""
    noise = summary.matters.noise
    known = f" (noise of one run in {summary.metric}: {summary.shown(noise)})" if noise else ""
    clock = f"; {SECONDS} are those of this machine, whatever else it did meanwhile" if second.metric == SECONDS else ""
    return f"{seeds_told(summary)}: trials of the front that are close may change places on another{known}{clock}"


def guessing(summary: Summary, second: Second) -> list[str]:
    """A line about trials that the front is without, because they have learned nothing."""
    if not second.guessing or summary.constant is None:
        return []
    who, one = listed([f"trial {number}" for number in second.guessing]), len(second.guessing) == 1
    why = f"no better than the constant guess ({summary.metric} {summary.shown(summary.constant)})"
    return [f"the front is without {who}: {'it is' if one else 'they are'} {why}"]


def taken(summary: Summary) -> str:
    """Which trial all else is about, and how to take another."""
    first = summary.front[0]
    best = chosen(summary) or first
    what = f"the best of the front in {summary.metric}" if best is first else "which the confirmation chose"
    others = [trial.number for trial in summary.front if trial.number != best.number]
    another = f"; another one: export with {arg('trial', others[-1])}" if others else ""
    return f"trial {best.number}, {what}, is in best.yaml{another}"
