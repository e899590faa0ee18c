"""What a confirmation compares: the best configurations of a search, and the winner's rivals."""

import json
from typing import Any

from optuna.distributions import json_to_distribution

from adv import METHODS, SettingError
from finetune.config import Recipe, checked
from finetune.errors import UserError
from spaces import Space
from studies.planning.identity import data_of, folds_of
from studies.planning.loop_plan import LoopPlan
from studies.planning.plan import Plan
from studies.results.summary import Summary, parted, runs_again
from studies.running.stages import Arm

CLEAN = "clean training"
CONTROL = "its control"


def plan_of(about: dict[str, Any]) -> Plan | LoopPlan:
    """What a study searches."""
    space: Space = {name: json_to_distribution(json.dumps(value)) for name, value in about["space"].items()}
    recipe = about["recipe"]
    if "loop" in about["data"]:
        own = {name: value for name, value in recipe.items() if name not in ("epochs", "seed")}
        return LoopPlan(about["method"], about["data"], recipe["epochs"], recipe["seed"], own, space, about["fixed"])
    return Plan(about["method"], data_of(about), checked(Recipe, recipe), space, about["fixed"], folds_of(about))


def contenders(summary: Summary, count: int) -> tuple[list[Arm], list[str]]:
    """The configurations of the race, the best of the search first; the method's defaults are always among them.

    Args:
        summary: The search.
        count: How many; 0 takes the best trial alone.

    Returns:
        The configurations, each once; lines about what is missing.

    Raises:
        UserError: No trial is complete.
    """
    about, name, found = summary.about, summary.study.study_name, dict[str, Arm]()
    usual = plan_of(about).defaults()
    sign = -1 if summary.maximize else 1
    ready = [trial for trial in summary.trials if trial.value is not None and runs_again(trial, about)]
    for trial in sorted(ready, key=lambda trial: (sign * (trial.value or 0.0), trial.number)):
        settings, tuned = parted(trial, about)
        who = f"the defaults (trial {trial.number})" if trial.params == usual else f"trial {trial.number}"
        found.setdefault(
            json.dumps([settings, tuned], sort_keys=True), Arm(who, about["method"], settings, tuned, trial=trial.number)
        )
    arms = list(found.values())
    if not arms:
        raise UserError(f"study {name!r} has no complete trial, so there is nothing to confirm")
    if count == 0:
        return arms[:1], []
    chosen = arms[:count]
    defaults = next((arm for arm in arms if arm.who.startswith("the defaults")), None)
    if defaults is None:
        tried = next((trial for trial in summary.trials if trial.params == usual), None)
        if tried is not None:
            why = tried.user_attrs.get("failure", f"it was {tried.state.name.lower()}")
            return chosen, [f"the method's defaults (trial {tried.number}) are not in the race: {why}"]
        settings = dict(about["fixed"]) | usual
        tuned = {key: settings.pop(key) for key in list(settings) if key in about["recipe"]}
        defaults = Arm("the defaults", about["method"], settings, tuned)
    if defaults not in chosen:
        chosen = [*chosen[: max(1, count - 1)], defaults]
    lines = [f"race: the study has {len(arms)} configurations with a value, fewer than {count}"] if len(arms) < count else []
    return chosen, lines


def nothing_in(summary: Summary) -> str | None:
    """Why a study has nothing to confirm; None if it has something."""
    name, about = summary.study.study_name, summary.about
    if about["method"] == "none" and not summary.space:
        return f"study {name!r} is clean training itself, so there is nothing to compare it with"
    if summary.best is None:
        return f"study {name!r} has no complete trial, so there is nothing to confirm"
    return None


def compared_with(winner: Arm) -> tuple[list[Arm], list[str]]:
    """The arms of the verdict: clean training, the winner, and its control, if there is one; lines about what is missing.

    Raises:
        UserError: The winner is clean training itself.
    """
    if winner.method == "none" and not winner.recipe:
        raise UserError("the best of this study is clean training itself, so there is nothing to compare it with")
    arms, lines = [Arm(CLEAN, "none", {}), winner], list[str]()
    if winner.recipe:
        lines.append("clean training has the study's recipe, not the winner's: a part of a gain may be the recipe's")
    try:
        rival = METHODS[winner.method](**winner.settings).rival()
    except SettingError as error:
        raise UserError(f"{winner.who}: {error}") from None
    if rival is not None:
        return [*arms, Arm(CONTROL, winner.method, winner.settings, winner.recipe, rival=True)], lines
    if winner.method != "none":
        lines.append(f"no control: {winner.method} follows no gradient that noise could replace")
    return arms, lines


def apart(about: dict[str, Any], winner: Arm) -> dict[str, tuple[Any, Any]]:
    """The searched settings in which a configuration differs from the defaults: the default, and its own value."""
    usual = plan_of(about).defaults()
    own = usual | winner.settings | winner.recipe
    return {name: (usual[name], own[name]) for name in about["space"] if own[name] != usual[name]}
