"""Make one attacked step on a model and its data, and look at it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from adv import METHODS, AttackError, Clean, Method, Precision
from finetune.arguments import Line
from finetune.config import Recipe
from finetune.data.load import load_task
from finetune.machine import all_cores
from finetune.tasks.metrics import metrics_for
from finetune.tasks.task import Task
from finetune.training.bench import AUTOCAST, Bench
from finetune.training.steps import epoch_steps, refuse_many, total_steps
from studies.checking.facts import Facts, gather
from studies.checking.meter import Spent, load, measure
from studies.checking.probe import Bed
from studies.checking.strengths import curve_of
from studies.checking.verdict import Finding, judge
from studies.planning.plan import make_plan
from studies.planning.request import Request
from studies.planning.resolve import too_many_threads
from studies.running.objective import fitting

# Plans refuse an attack that never starts; a check runs it and reports that.
FOREVER = 10**6


@dataclass(frozen=True)
class Seen:
    """What a step did.

    Args:
        facts: What was touched, and what came back.
        bed: Model and batch.
        spent: Time and memory, next to a clean step.
        doubt: Why the times are not reliable; empty if they are.
    """

    facts: Facts
    bed: Bed
    spent: Spent
    doubt: str


@dataclass(frozen=True)
class Checked:
    """One attacked step, judged.

    Args:
        method: The method with its settings.
        recipe: Model and training.
        seen: What the step did; None if it could not be made.
        findings: What is wrong with the step, or worth a note.
        curve: How the loss rises with the strength of the attack after a clean epoch, as a search measures it.
    """

    method: Method
    recipe: Recipe
    seen: Seen | None
    findings: list[Finding]
    curve: dict[str, Any] | None = None

    @property
    def good(self) -> bool:
        """Whether the attack acts, and nothing failed."""
        return all(finding.kind == "note" for finding in self.findings)

    def __repr__(self) -> str:
        lines = [f"{finding.kind}: {finding.text}" for finding in self.findings]
        return "\n".join([f"<{'good' if self.good else 'not good'}: {self.method}>", *lines])


def check_step(request: Request, task: Task | None, say: Callable[[str], None]) -> Checked:
    """Make the step and judge it.

    Args:
        request: One method with its settings, data and recipe.
        task: The task, if it has been read already.
        say: Called with lines about what was read.

    Raises:
        UserError: Something in the request is wrong.
    """
    # Attacks do not run compiled.
    request = replace(request, recipe=request.recipe.model_copy(update={"compile": False}))
    name, metric = request.aim.method[0], request.aim.metric
    plan = make_plan(name, request.data, request.recipe.model_copy(update={"epochs": FOREVER}), request.aim.set)
    method = METHODS[name](**plan.fixed)  # refused before data and model are read
    task = (task or load_task(request.data, metric, request.folds)).fold(0)
    metrics_for(task, request.aim.metric)
    if many := too_many_threads(request.recipe.threads):
        say(many)
    seen, curve = None, None
    try:
        with fitting():
            bench = Bench(task, request.recipe)
            for line in (*bench.read, *bench.notes):
                say(line)
            seen = look(bench, request.recipe, name, plan.fixed)
            found = judge(seen.facts)
            curve = curve_of(bench, request, seen.spent.seconds[0])
    except AttackError as error:
        found = [Finding("failure", Line(str(error)))]
    return Checked(method, request.recipe, seen, found, curve)


def look(bench: Bench, recipe: Recipe, name: str, settings: dict[str, Any]) -> Seen:
    """Make and measure the step of the first training batch.

    Raises:
        AttackError: The method does not work with this model.
    """
    settings = {setting: value for setting, value in settings.items() if setting != "every"}  # this step attacks
    refuse_many(bench.train, recipe, METHODS[name](**settings).replays)
    before = load()
    scaler = torch.amp.GradScaler(bench.device.type) if recipe.precision == "fp16" else None
    micro = next(epoch_steps(bench.train, recipe, 0, Clean(), bench.device)).micros[0]
    precision = Precision(dtype=AUTOCAST[recipe.precision], scaler=scaler)
    bed = Bed(bench.model_for(recipe), micro, precision, bench.forward_of(recipe))
    facts = gather(bed, lambda: METHODS[name](**settings), recipe, total_steps(bench.train, recipe))
    attacked = facts.method
    spent = measure([lambda: bed.run(Clean()), lambda: bed.run(attacked)], bed.device, bed.model.zero_grad, before)
    return Seen(facts, bed, spent, spent.doubt(recipe.threads, all_cores()))
