"""What a study is about, kept in the study, so that it is never resumed as something else."""

from typing import Any

import optuna

from adv import METHODS
from finetune.config import Data, Recipe, Strict
from finetune.errors import UserError
from finetune.tasks.metrics import find_metric
from finetune.training.bench import Bench
from studies.planning.plan import Plan, describe_space
from studies.planning.versions import changes, told, versions, weighty

KEY = "identity"
ACCEPTED = "accepted versions"


def identity(
    plan: Plan,
    metric: str,
    explore: int,
    sampler: str,
    pruner: str,
    starts: list[dict[str, Any]],
    bench: Bench | None = None,
) -> dict[str, Any]:
    """Everything that must be the same for two trials to belong to one study, as JSON values.

    Before data and model are read (without ``bench``) it lacks their fingerprints. The device is told, not compared.
    """
    known: dict[str, Any] = {
        "method": plan.method,
        "fixed": plan.fixed,
        "space": describe_space(plan.space),
        "data": plan.data.model_dump(mode="json"),
        "recipe": plan.recipe.model_dump(mode="json"),
        "metric": metric,
        "direction": find_metric(metric).direction,
        "search": {"explore": explore, "sampler": sampler, "pruner": pruner} | ({"starts": starts} if starts else {}),
        "versions": versions(),
    }
    formula = METHODS[plan.method].formula
    known |= {"formula": formula} if formula > 1 else {}
    if bench is None:
        return known
    prints = {"data fingerprint": bench.task.fingerprint, "model fingerprint": bench.models.fingerprint}
    return known | prints | {"device": bench.device.type}


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


def identity_of(study: optuna.Study) -> dict[str, Any] | None:
    """What a study was begun as; None where this program did not make it, or was stopped before it knew.

    Version 0.1.0 kept the metric in the recipe.
    """
    found: dict[str, Any] | None = study.user_attrs.get(KEY)
    if found is None or "metric" in found:
        return found
    recipe = dict(found["recipe"])
    return found | {"metric": recipe.pop("metric"), "recipe": recipe}


def known_identity(study: optuna.Study) -> dict[str, Any] | None:
    """The same; None too where another program keeps something else under that name."""
    found = study.user_attrs.get(KEY)
    whole = isinstance(found, dict) and {"method", "space", "search", "versions"} <= found.keys()
    return identity_of(study) if whole else None


def completed(there: dict[str, Any]) -> dict[str, Any]:
    """A stored identity with the defaults of fields that are younger than it."""
    return there | {"data": defaults(Data) | there["data"], "recipe": defaults(Recipe) | there["recipe"]}


def defaults(kind: type[Strict]) -> dict[str, Any]:
    """The fields of a configuration that need not be given."""
    return {name: field.default for name, field in kind.model_fields.items() if not isinstance(field.default, tuple)}


def refuse_another(study: optuna.Study, mine: dict[str, Any], accept: bool = False) -> list[str]:
    """Compare what is known of an identity with what the study was begun as.

    Args:
        study: It.
        mine: What is asked for, whole or as far as known.
        accept: Whether other versions than patches of the study's own will do.

    Returns:
        Lines about what differs and is no obstacle.

    Raises:
        UserError: It is about something else; shows where.
    """
    there, name = identity_of(study), study.study_name
    if there is None:
        raise UserError(f"study {name!r} was not made by this program; choose another --study name")
    apart = {"versions", "device", "formula"}
    stored = {key: value for key, value in readable(completed(there)).items() if key in mine.keys() - apart}
    asked = {key: value for key, value in readable(mine).items() if key in stored}
    found = differences(stored, asked)
    if found:
        more = f" (and {len(found) - 4} more)" if len(found) > 4 else ""
        what = "; ".join(found[:4])
        raise UserError(f"study {name!r} is about something else: {what}{more}. Choose another --study name")
    return other_formula(name, there, mine) + other_versions(name, there, mine, accept)


def other_formula(name: str, there: dict[str, Any], mine: dict[str, Any]) -> list[str]:
    """A line where the method has come to compute something else from the same settings since the study was begun."""
    if there.get("formula", 1) == mine.get("formula", 1):
        return []
    method = mine["method"]
    return [
        f"study {name}: begun when {method} computed something else from the same settings (CHANGELOG): its values do not "
        "compare with new ones; another --study begins anew"
    ]


def other_versions(name: str, there: dict[str, Any], mine: dict[str, Any], accept: bool) -> list[str]:
    """Lines about versions and device that differ from the study's.

    Raises:
        UserError: More than patches differ, and that was not accepted.
    """
    changed = changes(there["versions"], mine["versions"])
    grave = {package: pair for package, pair in changed.items() if weighty(*pair)}
    if grave and not accept:
        ways = "install those of then, choose another --study name, or give --accept-versions"
        raise UserError(f"study {name!r} was made under other versions, so values may not compare: {told(grave)}; {ways}")
    lines = []
    if changed:
        why = "accepted by --accept-versions" if grave else "a patch, so it goes on"
        lines.append(f"study {name}: {told(changed)} ({why}); the trials from here on keep these versions")
    device, now = there.get("device"), mine.get("device")
    if device and now and device != now:
        lines.append(f"study {name}: begun on {device}, now on {now}: the same settings give slightly other values there")
    return lines
