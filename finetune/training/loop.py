"""The training loop: a generator that yields what is known after each evaluation."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adv import Method, Precision
from finetune.config import Recipe
from finetune.errors import Diverged
from finetune.machine import collect_as_usual
from finetune.tasks import measures_for
from finetune.tasks.metrics import metric_for, viewed
from finetune.training.average import Average
from finetune.training.bench import AUTOCAST, Bench, scoring
from finetune.training.chosen import Chosen
from finetune.training.epoch import Epoch, read, stored
from finetune.training.groups import adamw
from finetune.training.schedules import set_rates
from finetune.training.snapshot import (
    load_model,
    load_optimiser,
    model_tensors,
    optimiser_tensors,
    read_snapshot,
    write_snapshot,
)
from finetune.training.steps import epoch_steps, refuse_many, total_steps


@dataclass(frozen=True)
class Within:
    """Where a run stands in the part of an epoch that leads to its next evaluation.

    Args:
        steps: How many optimiser steps of the part are done.
        loss: What they add to its mean loss, shape ().
        seconds: What they took.
    """

    steps: int
    loss: Tensor
    seconds: float


class Training:
    """One run: its state after any evaluation is a function of (recipe, method, number of the evaluation).

    Args:
        bench: Data and models.
        recipe: How to train.
        method: The method, used from its ``start_epoch`` on; steps before it train clean.
        metric: The metric by which evaluations are chosen, if ``recipe.score`` chooses; by default the task's usual one.

    Raises:
        UserError: An epoch has fewer steps than evaluations.

    Attributes:
        model: The model.
        history: The evaluations so far.
        within: Where the run stands in the part of an epoch that leads to the next evaluation; None before its first step.
        after_step: Called with the run after every optimiser step; it may be saved there, and goes on from there.

    If the recipe averages, metrics are those of the averaged weights; ``model`` has the trained weights. Once the run is
    finished it has, inside ``with scored():``, the weights that the run's value is about.

    Example:
        >>> from adv import FGM
        >>> from finetune.tasks.task import Rows, Task
        >>> rows = Rows(["a fine film", "a dull film"] * 8, None, np.array([1, 0] * 8))
        >>> task = Task("films", "classification", ("bad", "good"), rows, rows, rows)
        >>> recipe = Recipe(epochs=2)
        >>> training = Training(Bench(task, recipe), recipe, FGM(epsilon=0.5, start_epoch=1))
        >>> [(epoch.number, "accuracy" in epoch.metrics) for epoch in training.epochs()]
        [(0, True), (1, True)]
    """

    def __init__(self, bench: Bench, recipe: Recipe, method: Method, metric: str | None = None) -> None:
        self.bench, self.recipe, self.method = bench, recipe, method
        refuse_many(bench.train, recipe, method.replays)
        self.model = bench.model_for(recipe)
        self.optimiser = adamw(self.model, recipe)
        self.forward = bench.forward_of(recipe)
        method.follow(self.optimiser)
        self.steps = total_steps(bench.train, recipe)
        self.average = Average(self.model, recipe, self.steps)
        self.metric = metric or metric_for(bench.task)
        direction = measures_for(bench.task)[viewed(self.metric)[1]].direction
        self.chosen = Chosen(self.average.live, recipe, direction == "maximize")
        scaler = torch.amp.GradScaler(bench.device.type) if recipe.precision == "fp16" else None
        self.precision = Precision(dtype=AUTOCAST[recipe.precision], scaler=scaler)
        self.history: list[Epoch] = []
        self.within: Within | None = None
        self._said: NDArray[Any] | None = None
        self.after_step: Callable[[Training], None] = lambda training: None
        collect_as_usual()  # all that a run needs is imported by now

    def epochs(self) -> Iterator[Epoch]:
        """Yield every evaluation: first those of a loaded snapshot, then each when its part of an epoch is trained.

        Raises:
            Diverged: Loss or predictions are no longer finite.
            AttackError: The method does not work with this model.
        """
        yield from list(self.history)
        per = self.recipe.evals_per_epoch
        for number in range(len(self.history), self.recipe.epochs * per):
            began = time.perf_counter() - (0.0 if self.within is None else self.within.seconds)
            loss = self._train_until(number, began)
            if not np.isfinite(loss):
                raise Diverged(f"the training loss is {loss} in epoch {number // per}")
            with self.average.swapped():
                metrics = self._score()
                self.chosen.offer(number, metrics[self.metric])
            diagnostics, spent = self.method.diagnostics(), time.perf_counter() - began
            epoch = Epoch(number, metrics, diagnostics, loss, spent)
            if self.chosen.kept and number + 1 == self.recipe.epochs * per:
                epoch = self._with_choice(epoch, began)
            self.history.append(epoch)
            yield epoch

    def _score(self) -> dict[str, float]:
        bench = self.bench
        self._said = bench.outputs(self.model, bench.validation, *scoring(self.recipe))
        return bench.score(self.model, bench.validation, bench.task.validation, self.recipe, self._said)

    def outputs(self) -> NDArray[Any]:
        """What the model of a finished run says about the validation rows, as ``Bench.outputs`` returns it.

        It has the weights that the run's value is about; it is asked again only if its last evaluation had others.
        """
        if self._said is None:
            with self.scored():
                self._said = self.bench.outputs(self.model, self.bench.validation, *scoring(self.recipe))
        return self._said

    def _with_choice(self, last: Epoch, began: float) -> Epoch:
        """The last evaluation, with the metrics of the weights that were chosen."""
        numbers = self.chosen.numbers
        if len(numbers) == 1:
            found = [*self.history, last][numbers[0]].metrics
            self._said = self._said if numbers[0] == last.number else None
        else:
            with self.scored():
                found = self._score()
        return replace(last, scored=found, chosen=numbers, seconds=time.perf_counter() - began)

    def scored(self) -> AbstractContextManager[None]:
        """Inside the context, the model of a finished run has the weights that the run's value is about."""
        return self.chosen.swapped() if self.chosen.kept else self.average.swapped()

    def _train_until(self, number: int, began: float) -> float:
        """Train the part of an epoch that leads to an evaluation; returns its mean loss."""
        self.within = self.within or Within(0, torch.zeros((), device=self.bench.device), 0.0)
        total = self.within.loss
        self.model.train()
        gone = self.within.steps
        for step in epoch_steps(self.bench.train, self.recipe, number, self.method, self.bench.device, gone):
            for micro in step.micros:
                torch.manual_seed(micro.seed)
                loss = step.method.backward(self.model, micro.batch, self.precision, self.forward, micro.weight)
                total += loss * micro.share
            taken = self._step(step.position)
            step.method.after_step(self.model)
            if taken:
                self.average.update(step.position)
            gone += 1
            self.within = Within(gone, total, time.perf_counter() - began)
            self.after_step(self)
        self.within = None
        return float(total)

    def _step(self, position: float) -> bool:
        """Clip (after unscaling) and take one optimiser step at the scheduled rate; False if the scaler skipped it."""
        set_rates(self.optimiser, position, self.steps, self.recipe)
        scaler = self.precision.scaler
        if scaler is not None:
            scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.max_grad_norm)
        taken = True
        if scaler is None:
            self.optimiser.step()
        else:
            # Only the scaler's scale shows a skipped step; reading it waits for the accelerator.
            averaged = self.recipe.average != "none"
            before = scaler.get_scale() if averaged else 0.0
            scaler.step(self.optimiser)
            scaler.update()
            taken = not averaged or scaler.get_scale() >= before
        self.optimiser.zero_grad()
        return taken

    def save(self, path: Path, facts: dict[str, Any] | None = None) -> None:
        """Write the state as it is, after an evaluation or after a step.

        Raises:
            OSError: The snapshot cannot be written.
        """
        tensors = model_tensors(self.model) | optimiser_tensors(self.optimiser)
        tensors |= {f"method.{name}": value for name, value in self.method.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        tensors |= {f"chosen.{name}": value for name, value in self.chosen.state_dict().items()}
        scaler, begun = self.precision.scaler.state_dict() if self.precision.scaler is not None else {}, {}
        if self.within is not None:
            tensors["within.loss"] = self.within.loss
            begun = {"within": {"steps": self.within.steps, "seconds": self.within.seconds}}
        history = [stored(epoch) for epoch in self.history]
        known = {"history": history, "scaler": scaler, "run": self.mark, **begun}
        write_snapshot(path, tensors, {**known, **self.chosen.facts(), **(facts or {})})

    @property
    def mark(self) -> str:
        """What tells this run from others: method and settings, recipe, rows and metric."""
        return mark_of(self.method, self.recipe, self.bench.task.fingerprint, self.metric)

    def load(self, path: Path, own: bool = False) -> bool:
        """Go on from a snapshot; if there is no complete one, return False and change nothing.

        Args:
            path: The snapshot.
            own: Whether it must be of this very run; another study of the same name may have left one of another.
        """
        found = read_snapshot(path)
        if found is None or (own and found[1].get("run", self.mark) != self.mark):
            return False
        tensors, facts = found
        load_model(self.model, tensors)
        load_optimiser(self.optimiser, tensors)
        self.method.load_state_dict(_named(tensors, "method."))
        self.average.load_state_dict(_named(tensors, "average."))
        self.chosen.load_state_dict(_named(tensors, "chosen."), facts)
        if self.precision.scaler is not None:
            self.precision.scaler.load_state_dict(facts["scaler"])
        self.history = [read(epoch) for epoch in facts["history"]]
        begun = facts.get("within")
        self.within = None if begun is None else Within(loss=tensors["within.loss"].to(self.bench.device), **begun)
        return True


def mark_of(method: Method, recipe: Recipe, data: Any, metric: str) -> str:
    """What tells a run with this method, recipe, data (as a fingerprint) and metric from others."""
    facts = type(method).__name__, asdict(method), recipe.model_dump(mode="json")
    return hashlib.sha256(repr((facts, data, metric)).encode()).hexdigest()[:16]


def _named(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
