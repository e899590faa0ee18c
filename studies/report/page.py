"""The words and tables of the report, for the template."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from finetune.arguments import as_options
from finetune.words import counted, short
from studies.planning.calibrated import whence
from studies.planning.words import from_to
from studies.report.answer import answer, config, confirmation, strip, tiles
from studies.report.drawing import one_in
from studies.report.parts import parts_page
from studies.report.ran import command, cost, machine
from studies.results.answers import QUESTIONS, TITLES, answers, silence
from studies.results.careful import careful
from studies.results.digits import judged, places_of
from studies.results.digits import shown as shown_value
from studies.results.facts import metrics_of, task_of
from studies.results.folded import facts_of_runs, seeds_told
from studies.results.front import front_lines, front_rows
from studies.results.importance import Finding
from studies.results.sentences import counts, other_views
from studies.results.summary import Summary, settings_of
from studies.results.trials import complete, own, phase_of, value_of

TOP = 20


def number(value: float | None, summary: Summary) -> str:
    """A value of the metric."""
    return "–" if value is None else summary.shown(value)


def parts_title(summary: Summary) -> str:
    """What the scores of single targets or labels are."""
    return "Error by target" if summary.part_metric == "rmse" else f"{summary.part_metric} by label"


def error_of(value: float | None, summary: Summary) -> str:
    """The score of one target, in the unit of its labels, or of one label."""
    return "–" if value is None else shown_value(value, places_of(summary.part_metric != "rmse", value))


# Parts of the report by their id, in reading order.
PARTS = {
    "config": "The best configuration",
    "careful": "Before you rely on it",
    "front": "Two metrics: the front",
    "confirmed": "Confirmed on new seeds",
    "matters": "Which settings matter",
    "act": "How the settings act",
    "history": "The trials",
    "cost": "What it cost",
    "ran": "How it was run",
}


def page(summary: Summary, drawn_in: Mapping[str, Sequence[Any]] | None = None) -> dict[str, Any]:
    """Everything that the template shows, except the figures.

    Args:
        summary: The study's summary.
        drawn_in: The figures of each part: a part without any may be left out.
    """
    shown = {
        "config": config(summary),
        "careful": [as_sentence(line, summary) for line in [*summary.unlearned, *careful(summary)]],
        "front": [as_sentence(line, summary) for line in front_lines(summary)],
        "confirmed": [as_options(line) for line in confirmation(summary)],
        "apart": parts_page(summary, lambda line: as_sentence(line, summary)),
    }
    drawn = drawn_in or {}
    without = {part for part, content in shown.items() if not content}
    without |= {"act"} if not drawn.get("act") else set()
    without |= {"history"} if not (drawn.get("history") or complete(summary)) else set()
    return shown | {
        "name": summary.study.study_name,
        "head": f"{summary.about['method']} on {task_of(summary.about['data'])}",
        "answer": answer(summary),
        "tiles": tiles(summary),
        "strip": strip(summary),
        "views": other_views(summary),
        "parts": {part: title for part, title in PARTS.items() if part not in without},
        "command": command(summary),
        "cost": cost(summary),
        "facts": facts(summary),
        "idle": summary.idle,
        "notes": list(summary.notes.values())[:TOP],
        "more_notes": max(0, len(summary.notes) - TOP),
        "importances": tables(summary),
        "answers": [as_sentence(line, summary) for line in answers(summary)],
        "silence": silence(summary),
        "source": source(summary),
        "failures": summary.failures[:TOP],
        "more_failures": max(0, len(summary.failures) - TOP),
        "one_in": one_in(summary),
        "metric": summary.metric,
        "second": "" if summary.second is None else summary.second.metric,
        "front_rows": front_cells(summary),
        "best": best_rows(summary),
        "settings": list(summary.space),
        "identity": sections(summary),
    }


def as_sentence(line: str, summary: Summary) -> str:
    """A line as a sentence, with options; names of settings keep their letters."""
    first = line.split(" ", 1)[0]
    return as_options(line if first in summary.space else f"{line[0].upper()}{line[1:]}") + "."


def front_cells(summary: Summary) -> list[list[str]]:
    """The front and clean training: who, both values, how it compares, and settings."""
    return [
        [*cells, *(short(trial.settings.get(name, "–"), 3) if trial else "" for name in summary.space)]
        for *cells, trial in front_rows(summary)
    ]


def facts(summary: Summary) -> dict[str, str]:
    """The summary in rows."""
    about, recipe, best = summary.about, summary.about["recipe"], summary.best
    rows = {
        "Method": about["method"],
        "Task": task_of(about["data"]),
        "Model": recipe.get("model", "the loop's own"),
        "Metric": metrics_of(summary),
        "Seed": str(recipe["seed"]),
        **{name: as_options(line) for name, line in facts_of_runs(summary).items()},
        "Trials": f"{len(summary.trials)}: {counts(summary)}",
        "Clean baseline": summary.shown(summary.clean),
    }
    if summary.constant is not None:
        rows["Constant guess"] = f"{summary.shown(summary.constant)}, for comparison: the best guess without reading a text"
    if summary.unlearned:
        rows["Learned nothing"] = " ".join(as_options(f"{line[0].upper()}{line[1:]}.") for line in summary.unlearned)
    errors = {name: [error_of(value, summary) for value in values] for name, values in summary.targets.items()}
    if errors:
        rows[parts_title(summary)] = ", ".join(f"{name} {best} (clean {clean})" for name, (best, clean) in errors.items())
    if best is None:
        return rows | {"Best value": "none: no trial is complete"}
    chosen = ", ".join(f"{name} = {short(value, 3)}" for name, value in settings_of(best, about).items())
    rows["Best value"] = f"{number(best.value, summary)} (trial {best.number})"
    rows["Best settings"] = chosen or "none to set"
    return rows | {"Gain": gain(summary), "Time per trial": seconds(summary)}


AGAIN = "search.py train best.yaml --seed 1, --seed 2, ..."


def gain(summary: Summary) -> str:
    """The best trial against clean training, and how far to trust that."""
    gained, tried = summary.gain or 0.0, len(complete(summary))
    if gained <= 0:
        return f"{judged(gained, summary.places)}: no trial beats clean training on this seed"
    luck = f"the best of {tried} trials is optimistic, a part is luck" if tried > 1 else "it may be luck"
    better = f"+{summary.shown(gained)} better than clean, on {seeds_told(summary)}"
    return f"{better}: {luck}. See how much is left on other seeds: {AGAIN}"


def seconds(summary: Summary) -> str:
    """The time of trials and of clean training. No ratio, because the machine may have had other work."""
    clean = sum(epoch.seconds for epoch in summary.baseline)
    taken = [t.user_attrs["seconds"] for t in complete(summary) if "seconds" in t.user_attrs]
    if not taken:
        return f"clean training {clean:.3g} s"
    trials = f"{median(taken):.3g} s (median of complete trials, their clean epochs included); clean training {clean:.3g} s"
    return f"{trials}. The cost of a method is seen from its passes: search.py check --method {summary.about['method']}"


def tables(summary: Summary) -> dict[str, list[Finding]]:
    """The findings of each question that has some, by its title."""
    found = {TITLES[question]: [row for row in summary.importances if row.question == question] for question in QUESTIONS}
    return {title: rows for title, rows in found.items() if rows}


def source(summary: Summary) -> str:
    """Which trials the importances come from, and how they count."""
    phases = [phase_of(trial, summary) for trial in own(summary) if value_of(trial) is not None]
    even = phases.count("explore")
    later = f", and {len(phases) - even} that the sampler chose, each counted as a tenth" if len(phases) > even else ""
    return f"From {counted(even, 'evenly spread trial')}{later}."


def best_rows(summary: Summary) -> list[list[str]]:
    """The best trials: number, phase, value, settings, seconds."""
    ranked = sorted(complete(summary), key=lambda t: (value_of(t) or 0.0) * (-1 if summary.maximize else 1))
    return [
        [str(t.number), phase_of(t, summary), number(t.value, summary)]
        + [short(t.params.get(name, "–"), 3) for name in summary.space]
        + [short(t.user_attrs.get("seconds", "–"), 3)]
        for t in ranked[:TOP]
    ]


def sections(summary: Summary) -> dict[str, dict[str, str]]:
    """The study's identity, by section."""
    about = summary.about
    prints = {name: about[name] for name in ("data fingerprint", "model fingerprint") if name in about}
    sections = {
        "Recipe": about["recipe"],
        "Space": {name: from_to(each) + whence(summary.measured, name) for name, each in summary.space.items()},
        "Fixed settings": about["fixed"],
        "Search": about["search"],
        "Data": about["data"] | prints,
        "Versions": about["versions"],
        "Machine": machine(summary),
    }
    return {
        title: {name: shown(value) for name, value in values.items() if value is not None}
        for title, values in sections.items()
        if values
    }


def shown(value: Any) -> str:
    """A recorded value; lists without brackets."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
