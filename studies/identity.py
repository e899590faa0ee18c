"""What a study is about, kept in the study, so that it is never resumed as something else."""

from importlib.metadata import version
from typing import Any

import optuna

from finetune.errors import UserError
from finetune.loop import Bench
from studies.plan import Plan, describe_space

PACKAGES = ("advsearch", "torch", "transformers", "optuna")
KEY = "identity"


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    return {name: version(name) for name in PACKAGES}


def identity(
    plan: Plan,
    bench: Bench,
    direction: str,
    explore: int,
    sampler: str,
    pruner: str,
    starts: list[dict[str, Any]],
) -> dict[str, Any]:
    """Everything that must be the same for two trials to belong to one study, as JSON values."""
    return {
        "method": plan.method,
        "fixed": plan.fixed,
        "space": describe_space(plan.space),
        "data": plan.data.model_dump(mode="json"),
        "data fingerprint": bench.task.fingerprint,
        "recipe": plan.recipe.model_dump(mode="json"),
        "model fingerprint": bench.models.fingerprint,
        "direction": direction,
        "search": {"explore": explore, "sampler": sampler, "pruner": pruner} | ({"starts": starts} if starts else {}),
        "versions": versions(),
    }


def differences(there: Any, here: Any, name: str = "") -> list[str]:
    """One line for each leaf that differs, "name: there X, here Y"."""
    if isinstance(there, dict) and isinstance(here, dict):
        keys = [*there, *(key for key in here if key not in there)]
        return [
            line
            for key in keys
            for line in differences(there.get(key), here.get(key), f"{name}.{key}" if name else str(key))
        ]
    return [] if there == here else [f"{name}: there {there!r}, here {here!r}"]


def readable(identity: dict[str, Any]) -> dict[str, Any]:
    """The same with ranges as ``--range`` takes them, and a line for each starting point."""
    starts = enumerate(identity["search"].get("starts", []), 1)
    lines = {str(trial): " ".join(f"{name}={value}" for name, value in sorted(start.items())) for trial, start in starts}
    search = {name: value for name, value in identity["search"].items() if name != "starts"}
    return identity | {
        "space": {name: range_of(dist) for name, dist in identity["space"].items()},
        "search": search | ({"starts": lines} if lines else {}),
    }


def range_of(distribution: dict[str, Any]) -> str:
    """LOW:HIGH or LOW:HIGH:log of a stored distribution, or its choices."""
    facts = distribution["attributes"]
    if "choices" in facts:
        return ",".join(map(str, facts["choices"]))
    return f"{facts['low']:g}:{facts['high']:g}{':log' if facts['log'] else ''}"


def refuse_another(study: optuna.Study, mine: dict[str, Any]) -> None:
    """Compare with what the study was begun as.

    Raises:
        UserError: It differs; shows where.
    """
    there = study.user_attrs.get(KEY)
    if there is None:
        raise UserError(f"study {study.study_name!r} was not made by this program; choose another --study name")
    found = differences(readable(there), readable(mine))
    if found:
        more = f" (and {len(found) - 4} more)" if len(found) > 4 else ""
        what = "; ".join(found[:4])
        raise UserError(f"study {study.study_name!r} is about something else: {what}{more}. Choose another --study name")
