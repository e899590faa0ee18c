"""How a study was run: its command, its cost, its machine."""

import json
import shlex
from statistics import median
from typing import Any

from optuna.distributions import json_to_distribution

from adv import METHODS, SettingError
from finetune.arguments import arg, as_options
from finetune.config import TINY, Data
from finetune.folds import Folds
from finetune.words import short
from spaces import RECIPE, space_of
from studies.calibrating.strength import strength_of
from studies.planning.directions import SECOND
from studies.planning.identity import FOLDS, MACHINE
from studies.planning.part import KEY as PART
from studies.planning.request import recipe_of
from studies.planning.words import wide
from studies.results.costs import decided, measured
from studies.results.summary import Summary, parted
from studies.results.trials import complete

# The file of starting points in a command: they may have come from several files, or from Python.
STARTS = "starts.json"


def command(summary: Summary) -> str | None:
    """The command that makes such a study, from what the study stores; None if the user's own loop trained."""
    about, starts = summary.about, summary.about["search"].get("starts")
    if "loop" in about["data"]:
        return None
    words = [*aim(summary), *([arg("start", STARTS)] if starts else []), *inputs(about), *searching(summary)]
    line = " ".join(["python search.py", *map(as_options, words)])
    return f"echo {shlex.quote(json.dumps(starts))} > {STARTS} && {line}" if starts else line


def aim(summary: Summary) -> list[str]:
    """Method, metric, space and study."""
    about = summary.about
    usual = space_of(about["method"], about["recipe"]["epochs"], summary.per)
    words = [arg("method", about["method"]), arg("trials", len(summary.trials))]
    files = about.get("metric file", {})
    metrics = [files.get(name, name) for name in (about["metric"], about.get(SECOND)) if name]
    words += [arg("metric", metrics)] if metrics != ["accuracy"] else []
    words += [arg("set", {name: value}) for name, value in about["fixed"].items()]
    tuned = [name for name in summary.space if name in RECIPE]
    words += [arg("tune", tuned)] if tuned else []
    for name, value in about["space"].items():
        here = json_to_distribution(json.dumps(value))
        if name not in tuned and (here != usual.get(name) or chosen(summary, name)) and not hasattr(here, "choices"):
            words.append(arg("space", {name: wide(here)}))
    name = summary.study.study_name
    return words + ([arg("study", name)] if name != f"{about['data'].get('task')}-{about['method']}" else [])


def inputs(about: dict[str, Any]) -> list[str]:
    """Data, folds and recipe, where they differ from what is taken if nothing is said."""
    recipe, found = about["recipe"], []
    usual_recipe = recipe_of({"model": recipe.get("model", TINY)})
    parts = ((about["data"], Data(task="reviews")), (about.get(FOLDS) or {}, Folds()), (recipe, usual_recipe))
    for values, usual in parts:
        for name, value in values.items():
            value = tuple(value) if isinstance(value, list) else value
            if value is not None and (value != getattr(usual, name, None) or (name == "model" and value != TINY)):
                found.append(arg(name, list(value) if isinstance(value, tuple) else value))
    return found + ([arg("record", about["record"])] if about.get("record") else [])


def searching(summary: Summary) -> list[str]:
    """How it searched, where that differs from the defaults."""
    search = summary.about["search"]
    words = [arg("explore", search["explore"])] if search["explore"] != min(32, len(summary.trials) // 2) else []
    words += [arg("sampler", search["sampler"])] if search.get("sampler", "tpe") != "tpe" else []
    usual = "median" if summary.second is None else "none"
    words += [arg("pruner", search["pruner"])] if search.get("pruner", usual) != usual else []
    words += [arg(PART, search[PART])] if PART in search else []
    words += [arg("calibrate", False)] if declared(summary) else []
    return words + ([arg("from_study", search["from"])] if "from" in search else [])


def chosen(summary: Summary, name: str) -> bool:
    """Whether the user gave the range of a setting that is measured otherwise, be it the declared one."""
    if summary.measured is None or name in summary.measured["names"] or not getattr(summary.space[name], "log", False):
        return False
    return any(name in group for group in METHODS[summary.about["method"]].null)


def declared(summary: Summary) -> bool:
    """Whether it searched declared ranges where others would be measured today."""
    about = summary.about
    usual = space_of(about["method"], about["recipe"]["epochs"], summary.per)
    own = [name for name, each in summary.space.items() if each != usual.get(name)]
    try:
        strength = strength_of(about["method"], summary.space, about["fixed"], own)
    except SettingError:  # of an earlier version
        return False
    return summary.measured is None and strength is not None


def cost(summary: Summary) -> dict[str, str]:
    """What clean training, a trial and all trials took, and what a step costs."""
    clean = sum(epoch.seconds for epoch in summary.baseline)
    taken = [t.user_attrs["seconds"] for t in complete(summary) if "seconds" in t.user_attrs]
    every = [t.user_attrs["seconds"] for t in summary.trials if "seconds" in t.user_attrs]
    rows = {"Clean training": f"{short(clean, 3)} s"}
    if taken:
        rows["A complete trial"] = f"{short(float(median(taken)), 3)} s in the median, its clean epochs included"
    if every:
        rows["All trials"] = f"{spent(sum(every))} of training"
    if summary.best is not None:
        settings, _ = parted(summary.best, summary.about)
        passes = METHODS[summary.about["method"]](**settings).cost().relative
        rows["A step of the best"] = f"{passes:.2f} times a clean step, by its passes"
    known = {"What decides it": decided(summary) if summary.trials else None, "Seconds and passes": measured(summary)}
    return rows | {name: line for name, line in known.items() if line}


def spent(seconds: float) -> str:
    """A time in its unit."""
    if seconds < 120:
        return f"{short(float(seconds), 3)} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def machine(summary: Summary) -> dict[str, str]:
    """Where it ran, as far as the study says; seeds."""
    known = {"Device": summary.about.get("device"), "Machine": summary.attrs.get(MACHINE)}
    return {name: str(value) for name, value in known.items() if value}
