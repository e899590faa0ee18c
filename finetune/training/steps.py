"""The optimiser steps of an epoch: which rows, with which dropout, at which learning rate.

All of this depends only on (recipe, epoch, replays), never on what ran before.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adv import Method
from adv.core.settings import DECIMALS
from finetune.arguments import arg
from finetune.config import Recipe
from finetune.data.encode import Encoded, train_batches
from finetune.errors import UserError
from finetune.training.epoch import clean_until
from finetune.words import counted


@dataclass(frozen=True)
class Micro:
    """One micro-batch.

    Args:
        batch: The model's inputs. Replays of a step get the same object: a method recognises a batch by identity.
        seed: Seed of its dropout.
        weight: Its share of the rows of the optimiser step; of their words, if words have labels, as the loss is a mean
            over words: the sum over the micro-batches then is the mean over all.
        share: Its share of the rows, or words, of the epoch, counting every replay.
    """

    batch: dict[str, Tensor]
    seed: int
    weight: float
    share: float


@dataclass(frozen=True)
class Step:
    """One optimiser step.

    Args:
        position: Where it lies in the run, in steps of clean epochs, from 0 up to ``total_steps``.
        method: What trains it.
        micros: Its micro-batches.
    """

    position: float
    method: Method
    micros: list[Micro]


def epoch_steps(
    data: Encoded, recipe: Recipe, number: int, method: Method, device: torch.device, gone: int = 0
) -> Iterator[Step]:
    """The steps of the part of an epoch that leads to evaluation ``number``: the whole epoch, with one evaluation each.

    Part i of N ends after the optimiser step that is nearest to i/N of the epoch. In the same way, a ``start_epoch`` with a
    fraction begins at the nearest step: step j of S in epoch e is trained by ``method.at(e + (j + 1/2) / S)``. So a start
    at i/N lies exactly after an evaluation.

    With ``m = method.replays``, the rows of each step are trained ``m`` times in a row, and the epoch takes every ``m``-th
    batch, so it costs as much as a clean epoch; ``m`` such epochs see all data. However many steps an epoch has, it
    advances the schedule by one epoch. A part ends after the last replay of a batch.

    The first ``gone`` steps of the part are left out; all of them are clean.
    """
    epoch, part = divmod(number, recipe.evals_per_epoch)
    starting = method.at(epoch)
    replays = starting.replays
    groups = epoch_groups(data, recipe, epoch, starting.start_epoch, replays)
    steps, clean = len(groups) * replays, total_steps(data, recipe) // recipe.epochs
    ends = [nearest(i, recipe.evals_per_epoch, len(groups)) for i in (part, part + 1)]
    seen = sum(data.counted(index) for group in groups[slice(*ends)] for index in group) * replays
    for i in range(ends[0] + gone, ends[1]):
        group = groups[i]
        batches, counts = [data.batch(index, device) for index in group], [data.counted(index) for index in group]
        for step in range(i * replays, (i + 1) * replays):
            first = step * recipe.gradient_accumulation
            yield Step(
                epoch * clean + step * clean / steps,
                method.at(epoch + (step + 0.5) / steps),
                [
                    Micro(batch, step_seed(recipe.seed, epoch, first + j), count / sum(counts), count / seen)
                    for j, (batch, count) in enumerate(zip(batches, counts, strict=True))
                ],
            )


def clean_steps(start: float, data: Encoded, recipe: Recipe) -> tuple[int, int]:
    """Where the attack begins: after how many evaluations, and after how many steps of the part that follows.

    It never begins after the last evaluation, so a run that is not attacked has the evaluation before.

    Args:
        start: ``start_epoch``.
        data: The train rows.
        recipe: For its epochs, evaluations and steps.
    """
    per, steps = recipe.evals_per_epoch, total_steps(data, recipe) // recipe.epochs
    count = clean_until(start, recipe)
    epoch, part = divmod(count, per)
    begins, ends = (nearest(i, per, steps) for i in (part, part + 1))
    attacked = [round(epoch + (j + 0.5) / steps, DECIMALS) >= round(start, DECIMALS) for j in range(begins, ends)]
    if any(attacked):
        return count, attacked.index(True)
    return min(count + 1, recipe.epochs * per - 1), 0


def nearest(part: int, parts: int, steps: int) -> int:
    """How many of an epoch's steps are nearest to a share of it; of two, the fewer.

    Example:
        >>> [nearest(part, 4, 10) for part in range(5)]
        [0, 2, 5, 7, 10]
    """
    return -((parts - 2 * part * steps) // (2 * parts))


def epoch_groups(data: Encoded, recipe: Recipe, number: int, start: float, replays: int) -> list[list[NDArray[np.int64]]]:
    """Row numbers of each micro-batch of each optimiser step of an epoch, without replays."""
    turn, part = divmod(number - int(start), replays)
    batches = train_batches(data, recipe.batch_size, recipe.seed, int(start) + turn)
    parts = min(replays, len(batches))
    batches = batches[part % parts :: parts]
    many = recipe.gradient_accumulation
    return [batches[i : i + many] for i in range(0, len(batches), many)]


def fewest_groups(data: Encoded, recipe: Recipe, replays: int) -> int:
    """The fewest optimiser steps that any epoch has, without replays: so often it can be evaluated."""
    batches = -(-len(data) // recipe.batch_size)
    return -(-(batches // min(replays, batches)) // recipe.gradient_accumulation)


def refuse_many(data: Encoded, recipe: Recipe, replays: int = 1) -> None:
    """Refuse more evaluations in an epoch than it has steps to evaluate after.

    Raises:
        UserError: There are more.
    """
    most, asked = fewest_groups(data, recipe, replays), recipe.evals_per_epoch
    if asked > most:
        rows = recipe.batch_size * recipe.gradient_accumulation
        what = f"{counted(most, 'optimiser step')} ({len(data)} rows, {rows} a step"
        what += f", each batch {replays} times" if replays > 1 else ""
        raise UserError(
            f"{arg('evals_per_epoch', asked)}: an epoch has {what}), so it can be evaluated {counted(most, 'time')} at most"
        )


def total_steps(data: Encoded, recipe: Recipe) -> int:
    """Optimiser steps of a clean run."""
    batches = -(-len(data) // recipe.batch_size)
    return recipe.epochs * -(-batches // recipe.gradient_accumulation)


def step_seed(seed: int, epoch: int, step: int) -> int:
    """The seed of one micro-batch's dropout."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{epoch}/{step}".encode(), digest_size=8).digest()) >> 1
