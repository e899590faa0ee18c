"""What a study is about. The study stores it, so it is never resumed as something else."""

import json
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import json_to_distribution

from adv import METHODS
from finetune.arguments import arg
from finetune.config import Data, Recipe, Strict, checked
from finetune.errors import UserError
from finetune.folds import Folds
from finetune.tasks.metrics import direction_of, views_of
from finetune.tasks.own_metric import SOURCE, changed, record_of
from finetune.training.bench import Bench
from studies.planning.directions import SECOND, SECOND_DIRECTION, directions_of
from studies.planning.loop_plan import LoopPlan
from studies.planning.part import KEY as PART
from studies.planning.plan import Plan, describe_space
from studies.planning.resolve import Job
from studies.planning.versions import changes, told, versions, weighty
from studies.planning.words import wide

KEY = "identity"
# The epochs of clean training with the same recipe and seed, and the scores of the constant guess.
BASELINE = "baseline"
CONSTANT = "constant guess"
# How many validation rows there are, and the standard error that so many give the metric of clean training.
VALIDATION = "validation"
# The machine that began the study, in words.
MACHINE = "machine"
ACCEPTED = "accepted versions"
# Of a study that measures no other views, searches one metric, and has neither folds nor several seeds.
FOLDS = "folds"
PLAIN: dict[str, Any] = {"record": [], SECOND: None, SOURCE: None, FOLDS: Folds().model_dump(mode="json")}
# In place of a metric that is not known yet.
ANY = "accuracy"


def identity(
    plan: Plan | LoopPlan,
    metric: str,
    direction: str,
    explore: int,
    sampler: str,
    pruner: str,
    starts: list[dict[str, Any]],
    bench: Bench | None = None,
    views: Sequence[str] = (),
    second: str | None = None,
) -> dict[str, Any]:
    """Everything that must be the same for two trials to belong to one study, as JSON values.

    Without ``bench``, before data and model are read, their fingerprints are missing. The device is printed, not compared.
    """
    known: dict[str, Any] = {
        "method": plan.method,
        "fixed": plan.fixed,
        "space": describe_space(plan.space),
        **plan.inputs(),
        "metric": metric,
        "direction": direction,
        "search": {"explore": explore, "sampler": sampler, "pruner": pruner} | ({"starts": starts} if starts else {}),
        "versions": versions(),
    }
    known |= {"record": list(views)} if views else {}
    known |= {SECOND: second, SECOND_DIRECTION: direction_of(second)} if second else {}
    known |= record_of(metric, second)
    formula = METHODS[plan.method].formula
    known |= {"formula": formula} if formula > 1 else {}
    if bench is None:
        return known
    prints = {"data fingerprint": bench.task.fingerprint, "model fingerprint": bench.models.fingerprint}
    return known | prints | {"device": bench.device.type}


def data_of(about: dict[str, Any]) -> Data:
    """The data that a study was begun with.

    Args:
        about: Its identity.
    """
    return checked(Data, tuples(about["data"]))


def folds_of(about: dict[str, Any]) -> Folds:
    """The folds and seeds that a study was begun with; of an older study none.

    Args:
        about: Its identity.
    """
    return checked(Folds, about.get(FOLDS, {}))


def tuples(stored: dict[str, Any]) -> dict[str, Any]:
    """Stored data with tuples where JSON and YAML have lists."""
    return stored | {name: tuple(value) for name, value in stored.items() if isinstance(value, list)}


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
    """The identity with ranges as users type them and a line for each starting point."""
    starts = enumerate(identity["search"].get("starts", []), 1)
    lines = {str(trial): " ".join(f"{name}={value}" for name, value in sorted(start.items())) for trial, start in starts}
    search = {name: value for name, value in identity["search"].items() if name != "starts"}
    return identity | {
        "space": {name: wide(json_to_distribution(json.dumps(dist))) for name, dist in identity["space"].items()},
        "search": search | ({"starts": lines} if lines else {}),
    }


def asked(
    job: Job[Any],
    metric: str | None,
    there: optuna.Study | None,
    bench: Bench | None = None,
    direction: str | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """The identity of the requested study; if first phase or starts are not given, the existing study's are used.

    Args:
        job: What to search.
        metric: The metric of the trials; None while it is not known from the labels.
        there: The existing study of that name, if there is one.
        bench: Data and model; None before they are read: the identity is then only partly known.
        direction: Direction of the user's own metric.

    Returns:
        The identity, and lines about versions and device that differ from the study's.

    Raises:
        UserError: A study of that name is about something else.
    """
    running, begun = job.request.running, (identity_of(there) if there is not None else None) or {}
    known = begun.get("search", {})
    came, source = known.get("taken"), job.request.aim.from_study or known.get("from")
    explore = known.get("explore", job.explore) if running.explore is None else running.explore + (came or 0)
    starts = job.starts if job.request.aim.start else known.get("starts", [])
    part = {} if job.part.whole else {PART: str(job.part)}
    direction = direction or direction_of(metric or ANY)
    second = job.request.aim.second
    views = views_of(metric, job.request.aim.record, second)
    pruner = "none" if second else running.pruner
    mine = identity(job.plan, metric or ANY, direction, explore, running.sampler, pruner, starts, bench, views, second)
    mine["search"] |= part
    if source is not None:
        mine["search"] |= {"from": source} | ({} if came is None else {"taken": came})
    if bench is not None:
        mine["model fingerprint"] = bench.models.fingerprint_like(begun.get("model fingerprint"))
    if metric is None:
        del mine["direction"], mine["metric"]
    # A study without identity and trials is ours: its creation was interrupted.
    if there is not None and (begun or there.trials or there.directions != directions_of(mine)):
        return mine, refuse_another(there, mine, running.accept_versions)
    return mine, []


def identity_of(study: optuna.Study) -> dict[str, Any] | None:
    """The identity that a study was begun with; None if another program made it, or this one was stopped too early.

    Version 0.1.0 stored the metric in the recipe.
    """
    found: dict[str, Any] | None = study.user_attrs.get(KEY)
    if found is None or "metric" in found:
        return found
    recipe = dict(found["recipe"])
    return found | {"metric": recipe.pop("metric"), "recipe": recipe}


def known_identity(study: optuna.Study) -> dict[str, Any] | None:
    """The stored identity; None also if another program stores something else under that name."""
    found = study.user_attrs.get(KEY)
    whole = isinstance(found, dict) and {"method", "space", "search", "versions"} <= found.keys()
    return identity_of(study) if whole else None


def completed(there: dict[str, Any]) -> dict[str, Any]:
    """A stored identity, with defaults for fields that were added later."""
    if "loop" in there["data"]:
        return there
    return there | {"data": defaults(Data) | there["data"], "recipe": defaults(Recipe) | there["recipe"]}


def defaults(kind: type[Strict]) -> dict[str, Any]:
    """The fields of a configuration that have defaults."""
    return {name: field.default for name, field in kind.model_fields.items() if not isinstance(field.default, tuple)}


def refuse_another(study: optuna.Study, mine: dict[str, Any], accept: bool = False) -> list[str]:
    """Compare an identity, as far as it is known, with the one that the study was begun with.

    Args:
        study: The study.
        mine: Identity of the request, complete or as far as known.
        accept: Whether to go on under versions that differ by more than a patch.

    Returns:
        Lines about accepted differences.

    Raises:
        UserError: The study is about something else; the message shows the differences.
    """
    there, name = identity_of(study), study.study_name
    if there is None:
        raise UserError(f"study {name!r} was not made by this program; choose another {arg('study')} name")
    apart, mine = {"versions", "device", "formula", "source", "metric file"}, PLAIN | mine
    stored = {key: value for key, value in readable(PLAIN | completed(there)).items() if key in mine.keys() - apart}
    asked = {key: value for key, value in readable(mine).items() if key in stored}
    found = differences(stored, asked)
    if any(line.startswith(f"{SECOND}:") for line in found):  # it decides whether anything is pruned
        found = [line for line in found if not line.startswith("search.pruner:")]
    if found and all(line.startswith(f"{SOURCE}.") for line in found):
        file = next(iter(mine[SOURCE])).partition(":")[0]
        raise UserError(f"study {name!r}: {changed(file)}; undo the change, or choose another {arg('study')} name")
    if found:
        raise UserError(f"study {name!r} is about something else: {some_of(found)}. Choose another {arg('study')} name")
    return other_formula(name, there, mine) + other_versions(name, there, mine, accept)


def refuse_source(source: optuna.Study, mine: dict[str, Any], accept: bool = False) -> list[str]:
    """Refuse to take over trials of a study that searched something else: only space, fixed settings and search may differ.

    Args:
        source: The study whose trials would be taken over.
        mine: Identity of the new study, complete or as far as known.
        accept: Whether to take trials that were made under other versions.

    Returns:
        A line about versions that differ, if the difference is accepted.

    Raises:
        UserError: Something else differs, so values cannot be compared.
    """
    there, name = known_identity(source), source.study_name
    where = arg("from_study", name)
    if there is None:
        raise UserError(
            f"{where}: study {name!r} was not made by this program, so its trials cannot be compared with new ones"
        )
    apart = {"versions", "device", "space", "fixed", "search", "metric file"}
    asked = {"formula": 1, **PLAIN} | {key: value for key, value in mine.items() if key not in apart}
    stored = {"formula": 1, **PLAIN} | {key: value for key, value in completed(there).items() if key in asked}
    if found := differences(stored, asked):
        why = "Its trials cannot be compared with new ones: only ranges and fixed settings may differ"
        raise UserError(f"{where} is about something else: {some_of(found)}. {why}")
    changed = changes(there["versions"], mine["versions"])
    other_versions(name, there, mine, accept)
    return [f"the trials of {name} keep their versions: {told(changed)}"] if changed else []


def some_of(found: list[str]) -> str:
    """The first differences."""
    return "; ".join(found[:4]) + (f" (and {len(found) - 4} more)" if len(found) > 4 else "")


def other_formula(name: str, there: dict[str, Any], mine: dict[str, Any]) -> list[str]:
    """A line if, with the same settings, the method now computes something else than when the study was begun."""
    if there.get("formula", 1) == mine.get("formula", 1):
        return []
    method = mine["method"]
    return [
        f"study {name} was begun when {method} computed something else from the same settings (see CHANGELOG): its values "
        f"cannot be compared with new ones; another {arg('study')} name begins a new study"
    ]


def other_versions(name: str, there: dict[str, Any], mine: dict[str, Any], accept: bool) -> list[str]:
    """Lines about versions and device that differ from the study's.

    Raises:
        UserError: The versions differ by more than a patch, and the user did not accept that.
    """
    changed = changes(there["versions"], mine["versions"])
    grave = {package: pair for package, pair in changed.items() if weighty(*pair)}
    if grave and not accept:
        ways = f"install those, choose another {arg('study')} name, or give {arg('accept_versions', True)}"
        raise UserError(f"study {name!r} was made under other versions, so values may differ: {told(grave)}; {ways}")
    lines = []
    if changed:
        why = f"accepted by {arg('accept_versions', True)}" if grave else "a patch, so it goes on"
        lines.append(f"study {name}: {told(changed)} ({why}); the trials from here on keep these versions")
    device, now = there.get("device"), mine.get("device")
    if device and now and device != now:
        lines.append(f"study {name}: begun on {device}, now on {now}: the same settings give slightly different values")
    return lines
