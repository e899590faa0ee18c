"""best.yaml, and the other formats to export a trial in."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from adv import METHODS, SettingError
from finetune.arguments import arg, as_options
from finetune.config import Data, Recipe, checked
from finetune.errors import UserError, first_line, near
from finetune.folds import Folds
from finetune.own_name import is_own
from finetune.tasks.metrics import METRICS, viewed
from finetune.tasks.own_metric import SOURCE, read_own
from studies.planning.identity import folds_of, tuples
from studies.results.best import FORMAT, Best, Front, LoopBest, LoopRecorded, Recorded
from studies.results.choice import choice_of
from studies.results.confirm_record import record_of
from studies.results.recorded import asked_of
from studies.results.scripts.cfg import as_cfg
from studies.results.scripts.script import as_loop, as_trainer
from studies.results.snippet import as_python
from studies.results.summary import Summary


def best_of(summary: Summary, number: int | None = None) -> Best | LoopBest:
    """The best trial, or the winner of the confirmation, as a configuration.

    Args:
        summary: The study's summary.
        number: Another trial.

    Raises:
        UserError: No trial is complete, or that trial cannot be exported.
    """
    about, best = summary.about, choice_of(summary, number)
    if best is None:
        raise UserError(f"study {summary.study.study_name!r} has no complete trial to export")
    measured = {
        "study": summary.study.study_name,
        "trial": best.number,
        "value": best.value,
        "clean": best.clean,
        "versions": best.made.get("versions", about["versions"]),
        "device": best.made.get("device", about.get("device")),
    }
    common: dict[str, Any] = {"format": FORMAT, "method": about["method"], "metric": about["metric"]}
    common["settings"] = best.settings
    usual = choice_of(summary)
    confirmed = summary.confirmed if usual is not None and best.number == usual.number else None
    common |= {} if confirmed is None else {"confirmed": record_of(confirmed)}
    recipe = about["recipe"] | best.tuned | ({} if best.seed is None else {"seed": best.seed})
    second = summary.second
    if second is not None and best.number in second.values:
        known = {"value": second.values[best.number], "clean": second.clean, "trials": [t.number for t in summary.front]}
        common["front"] = Front(metric=second.metric, **known)
    if "loop" in about["data"]:
        recorded = LoopRecorded(**measured, loop=about["data"])
        return LoopBest(**common, recipe=recipe, recorded=recorded)
    prints = {"data_fingerprint": about["data fingerprint"], "model_fingerprint": about["model fingerprint"]}
    common["metric"] = about.get("metric file", {}).get(about["metric"], about["metric"])
    found = Best(
        **common,
        data=checked(Data, tuples(about["data"])),
        folds=folds_of(about) if folds_of(about).used else None,
        metric_source=about.get(SOURCE, {}).get(about["metric"]),
        recipe=Recipe(**recipe),
        recorded=Recorded(**measured, **prints),
    )
    searched = found.recorded.model_copy(update={"searched": asked_of(found)})
    return found.model_copy(update={"recorded": searched})


def as_yaml(best: Best | LoopBest) -> str:
    """The file that ``search.py train`` takes."""
    head = f"# {best.recorded.study}: {best.measured} {best.recorded.value:.6g}, clean {best.recorded.clean:.6g}\n"
    if best.recorded.trial is None:
        seed = best.recipe["seed"] if isinstance(best, LoopBest) else best.recipe.seed
        head += f"# the winner of the confirmation, on its first seed, {seed}: no trial of the search has these settings\n"
    front = best.front
    if front is not None:
        numbers = ", ".join(map(str, front.trials))
        another = f"search.py export {as_options(arg('study', best.recorded.study))} --trial N"
        head += f"# {front.metric} {front.value:.6g}, clean {front.clean:.6g}; this is trial {best.recorded.trial}\n"
        head += f"# the front of {best.measured} and {front.metric}: trials {numbers}; another of them: {another}\n"
    return head + yaml.safe_dump(best.model_dump(mode="json", exclude=unknown(best)), sort_keys=False, allow_unicode=True)


def unknown(best: Best | LoopBest) -> dict[str, Any]:
    """What a file leaves out: the confirmation, the front, folds and the source of the metric, if there are none."""
    names = ("confirmed", "front", "metric_source", "folds")
    found: dict[str, Any] = {name: True for name in names if getattr(best, name, None) is None}
    return found | ({"recorded": {"searched": {"folds"}}} if "folds" in found and isinstance(best, Best) else {})


def as_json(best: Best | LoopBest) -> str:
    """The configuration as JSON."""
    return best.model_dump_json(indent=2, exclude=unknown(best)) + "\n"


WRITERS = {
    "yaml": as_yaml,
    "json": as_json,
    "python": as_python,
    "trainer": as_trainer,
    "loop": as_loop,
    "cfg": as_cfg,
}


def writer_of(format: str) -> Callable[[Best | LoopBest], str]:
    """The function that writes a format.

    Raises:
        UserError: The format is unknown.
    """
    if format not in WRITERS:
        raise UserError(f"unknown format {format!r}{near(format, WRITERS)}")
    return WRITERS[format]


def upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """The content in today's shape: version 0.1.0 stored the metric in every recipe."""
    found = {name: upgraded(value) if isinstance(value, dict) else value for name, value in content.items()}
    recipe = found.get("recipe")
    if isinstance(recipe, dict) and "metric" in recipe and "metric" not in found:
        found["metric"] = recipe.pop("metric")
    return found


def read_best(path: str) -> Best:
    """Read best.yaml (or its JSON form).

    Raises:
        UserError: The file is missing, broken, in another format, or names something that does not exist.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} is not readable YAML: {first_line(error)}") from None
    if not isinstance(content, dict) or "method" not in content:
        raise UserError(f"{path} is not an exported configuration: it has no method; a search writes one as best.yaml")
    if content.get("format") != FORMAT:
        raise UserError(f"{path} has format {content.get('format')!r}, this version reads {FORMAT}; export it again")
    if isinstance(content.get("recorded"), dict) and "loop" in content["recorded"]:
        loop = content["recorded"]["loop"]
        name = loop.get("loop") if isinstance(loop, dict) else loop
        raise UserError(f"{path} is for your own loop, {name}: run that with these settings")
    content = upgraded(content)
    if isinstance(content.get("folds"), dict):
        content["folds"] = checked(Folds, content["folds"], f"{path}: folds")
    for name, kind in (("data", Data), ("recipe", Recipe), ("recorded", Recorded)):
        if not isinstance(content.get(name), dict):
            raise UserError(f"{path}: {name} is missing")
        values = content[name]
        values = tuples(values) if name == "data" else values
        content[name] = checked(kind, values, f"{path}: {name}")
    best = checked(Best, content, path)
    if is_own(best.metric):
        read_own(best.metric)
    elif viewed(best.metric)[1] not in METRICS:
        raise UserError(f"{path}: unknown metric {best.metric!r}{near(best.metric, METRICS)}")
    if best.method not in METHODS:
        raise UserError(f"{path}: unknown method {best.method!r}{near(best.method, METHODS)}")
    try:
        known = [field.name for field in dataclasses.fields(METHODS[best.method])]
        for name in best.settings:
            if name not in known:
                raise SettingError(f"{best.method} has no setting {name!r}{near(name, known)}")
        METHODS[best.method](**best.settings)
    except SettingError as error:
        raise UserError(f"{path}: settings: {error}") from None
    return best
