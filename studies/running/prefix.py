"""Shared clean epochs: which folder a study keeps them in."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune.config import Recipe, checked
from finetune.errors import UserError
from finetune.tasks.own_metric import SOURCE
from finetune.training.bench import Bench
from finetune.training.epoch import clean_until
from studies.planning.plan import Plan
from studies.planning.versions import versions

# The folder in ``out`` that all studies share.
SHARED = "prefix"


def prefix_key(bench: Bench, recipe: Recipe, metric: str) -> str:
    """16 hex digits over everything that clean training depends on."""
    own = {own.name: own.source for own in bench.task.own}
    facts = bench.task.fingerprint, bench.models.fingerprint, recipe, versions(), str(bench.device)
    return key_of(*facts, bench.views, own, metric)


def key_of(
    data: str,
    model: str,
    recipe: Recipe,
    under: dict[str, str],
    device: str,
    views: Sequence[str] = (),
    own: Mapping[str, str] | None = None,
    metric: str = "",
) -> str:
    """The key from its parts: fingerprints, recipe, versions, device, the views and the user's metrics measured besides.

    The metric is a part where the recipe chooses evaluations by it.
    """
    parts = [
        data,
        model,
        recipe.model_dump_json(),
        under,
        device,
        *([list(views)] if views else []),
        *([own] if own else []),
        *([] if recipe.score == "last" else [metric]),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def shared_counts(plan: Plan) -> list[int]:
    """After how many clean evaluations their state is kept: with several in an epoch, those from which a trial may begin.

    With one, after every epoch before the last start that is searched by default: other methods may begin there.
    """
    recipe, start = plan.recipe, plan.space.get("start_epoch")
    if recipe.evals_per_epoch == 1:
        return list(range(1, recipe.epochs - 1))
    fixed = plan.fixed.get("start_epoch", 0)
    low, high = (getattr(start, end, fixed) for end in ("low", "high"))
    return [count for count in range(clean_until(low, recipe), clean_until(high, recipe) + 1) if count > 0]


def prefix_keys(about: dict[str, Any], accepted: Iterable[dict[str, str]] = ()) -> set[str]:
    """Keys of the clean epochs that a study may have used.

    Args:
        about: The study's identity.
        accepted: Versions under which it was continued.

    Returns:
        One key for each set of versions; none if the identity lacks something.
    """
    try:
        recipe = checked(Recipe, about["recipe"])
        facts, views = (about["data fingerprint"], about["model fingerprint"], recipe), about.get("record", [])
        own, metric = about.get(SOURCE), about["metric"]
        return {key_of(*facts, under, about["device"], views, own, metric) for under in (about["versions"], *accepted)}
    except (KeyError, TypeError, UserError):
        return set()


def complete(about: dict[str, Any]) -> bool:
    """Whether the stored recipe has all fields that the key is made of; older versions had fewer."""
    return set(Recipe.model_fields) <= set(about.get("recipe", {}))


def shared_folder(out: str) -> Path:
    """Where all studies keep their clean epochs."""
    return Path(out).expanduser() / SHARED
