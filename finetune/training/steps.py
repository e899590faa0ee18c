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
from finetune.config import Recipe
from finetune.data.encode import Encoded, train_batches


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
    """One optimiser step and its position in the run, in steps of clean epochs, from 0 up to ``total_steps``."""

    position: float
    micros: list[Micro]


def epoch_steps(data: Encoded, recipe: Recipe, number: int, method: Method, device: torch.device) -> Iterator[Step]:
    """The steps of epoch ``number`` with ``method``.

    With ``m = method.replays``, the rows of each step are trained ``m`` times in a row, and the epoch takes every ``m``-th
    batch, so it costs as much as a clean epoch; ``m`` such epochs see all data. However many steps an epoch has, it
    advances the schedule by one epoch.
    """
    groups = epoch_groups(data, recipe, number, method.start_epoch, method.replays)
    steps, clean = len(groups) * method.replays, total_steps(data, recipe) // recipe.epochs
    seen = sum(data.counted(index) for group in groups for index in group) * method.replays
    for i, group in enumerate(groups):
        batches, counts = [data.batch(index, device) for index in group], [data.counted(index) for index in group]
        for step in range(i * method.replays, (i + 1) * method.replays):
            first = step * recipe.gradient_accumulation
            yield Step(
                number * clean + step * clean / steps,
                [
                    Micro(batch, step_seed(recipe.seed, number, first + j), count / sum(counts), count / seen)
                    for j, (batch, count) in enumerate(zip(batches, counts, strict=True))
                ],
            )


def epoch_groups(data: Encoded, recipe: Recipe, number: int, start: int, replays: int) -> list[list[NDArray[np.int64]]]:
    """Row numbers of each micro-batch of each optimiser step, without replays."""
    turn, part = divmod(number - start, replays)
    batches = train_batches(data, recipe.batch_size, recipe.seed, start + turn)
    parts = min(replays, len(batches))
    batches = batches[part % parts :: parts]
    many = recipe.gradient_accumulation
    return [batches[i : i + many] for i in range(0, len(batches), many)]


def total_steps(data: Encoded, recipe: Recipe) -> int:
    """Optimiser steps of a clean run."""
    batches = -(-len(data) // recipe.batch_size)
    return recipe.epochs * -(-batches // recipe.gradient_accumulation)


def step_seed(seed: int, epoch: int, step: int) -> int:
    """The seed of one micro-batch's dropout."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{epoch}/{step}".encode(), digest_size=8).digest()) >> 1
