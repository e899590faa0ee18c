"""A training loop of one's own, in thirty lines, on the built-in task; and one that dies once."""

import os
from functools import cache

import torch

from finetune.config import Data, Recipe
from finetune.data.load import load_task
from finetune.training.bench import Bench
from finetune.training.groups import adamw
from finetune.training.schedules import set_rates
from finetune.training.steps import epoch_steps, total_steps

RECIPE = Recipe(epochs=3)
SIZE = {"max_train_rows": 60, "max_validation_rows": 100}


@cache
def bench():
    return Bench(load_task(Data(task="reviews", **SIZE)), RECIPE)


def train(run):
    here = bench()
    recipe = RECIPE.model_copy(update={"seed": run.seed, "epochs": run.epochs})
    model = here.models.build(run.seed)
    optimiser = adamw(model, recipe)
    run.method.follow(optimiser)
    steps = total_steps(here.train, recipe)
    for epoch in range(run.epochs):
        model.train()
        method = run.method.at(epoch)
        for step in epoch_steps(here.train, recipe, epoch, method, here.device):
            for micro in step.micros:
                torch.manual_seed(micro.seed)
                method.backward(model, micro.batch, share=micro.weight)
            set_rates(optimiser, step.position, steps, recipe)
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.max_grad_norm)
            optimiser.step()
            optimiser.zero_grad()
            method.after_step(model)
        value = here.score(model, here.validation, here.task.validation, recipe)["accuracy"]
        run.report(value, epoch)
    return value


def deadly(run):
    """The same, but the process dies in the middle of trial 2, once, without a word."""
    mark = run.folder / "began"
    if run.trial is not None and run.trial.number == 2 and not mark.exists():
        mark.touch()
        method = run.method

        class Dying(type(method)):
            def at(self, epoch):
                if epoch == 2:
                    os.kill(os.getpid(), 9)
                return super().at(epoch)

        method.__class__ = Dying
    return train(run)
