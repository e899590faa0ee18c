"""The answer of a study in three sentences, and the facts beside it."""

from typing import Any

from adv import METHODS
from finetune.arguments import as_options
from finetune.words import counted, listed
from studies.planning.identity import folds_of
from studies.planning.words import quoted
from studies.report.scale import ends, heights
from studies.results.answers import QUESTIONS, named, silence, within
from studies.results.choice import choice_of
from studies.results.digits import gained
from studies.results.export import as_yaml, best_of
from studies.results.folded import runs_of, seeds_told
from studies.results.front import both, front_of
from studies.results.parts_words import in_short
from studies.results.summary import Summary
from studies.results.trials import complete, own, value_of
from studies.running.storage import LINK

# Bins of the dots, and the most pixels that a pile of them takes.
BINS, PILE = 56, 60.0


def answer(summary: Summary) -> list[str]:
    """What was reached (in two metrics also the front), how far to trust it, and which settings matter: a sentence each."""
    verdict = confirmation(summary)[:1] or [trusted(summary)]
    by_runs = "" if summary.confirmed is None else in_short(summary.confirmed)
    which = " ".join(filter(None, (mattered(summary), by_runs)))
    lines = (reached(summary), fronted(summary), *verdict, which)
    return [as_options(line) for line in lines if line]


def confirmation(summary: Summary) -> list[str]:
    """What a confirmation on new seeds says, the verdict first; empty as long as there is none."""
    lines = [] if summary.confirmed is None else summary.confirmed.lines
    return [f"{line[:1].upper()}{line[1:]}{'' if line.endswith('.') else '.'}" for line in lines]


def reached(summary: Summary) -> str:
    """The best trial beside clean training."""
    method, metric, clean = summary.about["method"], summary.metric, summary.shown(summary.clean)
    best, gain, tried = summary.best, summary.gain, len(complete(summary))
    if best is None or best.value is None or gain is None:
        return f"No trial of {method} is complete; clean training reaches {metric} {clean}."
    value = f"{metric} {summary.shown(best.value)} (trial {best.number})"
    if gain > 0:
        than = (
            f"where clean training reaches {clean} on the same {'seed' if folds_of(summary.about).seeds == 1 else 'seeds'}"
        )
        return f"{method} reaches {value} {than}: {summary.shown(gain)} better."
    word = "equals" if gain == 0 else "is worse than"
    many = f"none of {counted(tried, 'complete trial')} of {method} beats it"
    return f"Clean training reaches {metric} {clean}, and {many}: the best, {value}, {word} it."


def fronted(summary: Summary) -> str:
    """The front of two metrics; empty if there is none."""
    found = front_of(summary)
    if summary.second is None or not found:
        return ""
    return f"By {summary.metric} and {summary.second.metric}, {both(found)}."


def trusted(summary: Summary) -> str:
    """How much of that may be luck, and what settles it."""
    gain, noise, tried = summary.gain, summary.matters.noise, len(complete(summary))
    confirm = f"search.py confirm --study {quoted_name(summary)}"
    if gain is None or LINK in summary.attrs:  # a part of another study's confirmation, which measures it
        return ""
    if gain <= 0:
        return "There is no gain to confirm: other ranges, more epochs or another method may have one."
    luck = f"The best of {tried} trials looks better than it is" if tried > 1 else "One run may be luck"
    if noise:
        than = "smaller than" if gain < noise else f"{gain / noise:.1f} times"
        one = "run" if runs_of(summary) == 1 else "trial"
        luck += f", and this gain is {than} the noise of one {one} ({summary.shown(noise)})"
    return f"{luck}: what is left of it on new seeds is measured by {confirm}."


def quoted_name(summary: Summary) -> str:
    """The study's name, as it is typed."""
    name = summary.study.study_name
    return name if all(letter.isalnum() or letter in "-_." for letter in name) else quoted(name)


def mattered(summary: Summary) -> str:
    """Which settings matter."""
    if not summary.importances:
        return silence(summary)
    decided: dict[str, list[str]] = {}
    for question, what in zip(QUESTIONS, ("whether training breaks", "how good the other trials are"), strict=True):
        rows = [row for row in summary.importances if row.question == question]
        clear = [row for row in rows if row.evidence and not within(row, rows)]
        if clear:
            names = listed([f"{named(row)} together" if len(row.settings) > 1 else named(row) for row in clear])
            many = len(clear) > 1 or len(clear[0].settings) > 1
            decided.setdefault(f"{names} decide{'' if many else 's'}", []).append(what)
    if not decided:
        return f"Which settings matter cannot be told from {counted(summary.matters.points, 'trial')}."
    line = "; ".join(f"{who} {listed(what)}" for who, what in decided.items())
    return f"{line[:1].upper() if line.startswith('the ') else line[:1]}{line[1:]}."


def tiles(summary: Summary) -> list[dict[str, str]]:
    """The numbers beside each other: the best trial, clean training, the difference."""
    best, gain = summary.best, summary.gain
    none = best is None or best.value is None
    return [
        {"name": "best trial", "value": "–" if none else summary.shown(best.value), "kind": "best"},  # type: ignore[union-attr,arg-type]
        {"name": "clean training", "value": summary.shown(summary.clean), "kind": "clean"},
        {
            "name": f"{'worse' if gain is not None and gain < 0 else 'better'} by, on {seeds_told(summary)}",
            "value": "–" if gain is None else summary.shown(abs(gain)),
            "kind": "gain",
        },
    ]


def strip(summary: Summary) -> dict[str, Any] | None:
    """The trials as dots along the metric, for a drawing without scripts; None without trials that have a value."""
    trials = [trial for trial in own(summary) if value_of(trial) is not None and trial.state.name == "COMPLETE"]
    if not trials:
        return None
    low, high = ends(summary)
    drawn = [min(max(height, low), high) for height in heights(trials, summary)]
    room = 0.03 * ((high - low) or abs(high) or 1.0)
    low, high = low - room, high + room

    def at(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    piles: dict[int, int] = {}
    for height in drawn:
        number = round((BINS - 1) * (height - low) / (high - low))
        piles[number] = piles.get(number, 0) + 1
    step = min(9.0, PILE / max(piles.values()))
    dots = [(round(100 * bin / (BINS - 1), 2), round(step * i, 1)) for bin, count in piles.items() for i in range(count)]
    noise = summary.matters.noise
    best = None if summary.best is None or summary.best.value is None else at(summary.best.value)
    better = sum(gained(value_of(t) or 0.0, summary.clean, summary.places, summary.maximize) > 0 for t in trials)
    return {
        "dots": dots,
        "clean": at(summary.clean),
        "best": best,
        "band": (max(0.0, at(summary.clean - 2 * noise)), min(100.0, at(summary.clean + 2 * noise))) if noise else None,
        "ends": [summary.shown(low), summary.shown(high)],
        "words": f"{better} of {counted(len(trials), 'complete trial')} {'beats' if better == 1 else 'beat'} clean training",
    }


def config(summary: Summary) -> dict[str, str]:
    """The best settings as text to copy, by what they are for; empty without a complete trial."""
    best = choice_of(summary)
    if best is None:
        return {}
    lines = [
        f"method: {summary.about['method']}",
        *(f"{name}: {value}" for name, value in (best.settings | best.tuned).items()),
    ]
    call = ", ".join(f"{name}={value!r}" for name, value in best.settings.items())
    return {
        "Settings": "\n".join(lines),
        "In your own loop": f"method = {METHODS[summary.about['method']].__name__}({call})",
        "best.yaml": as_yaml(best_of(summary)),
    }
