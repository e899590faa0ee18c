"""Does it cost accuracy that texts of similar length share a batch, and what does it save?

    PYTHONPATH=. python benchmarks/length_batches.py --data FOLDER [--model FOLDER] [--seeds 8] [--epochs 3]
        [--max-train-rows 400]

Clean training on each seed, once with our batches and once with random ones of the same rows, by turns, one thread. Printed
are the last accuracy, the seconds and the tokens a batch of each run, then means, and the paired difference with its
standard error.
"""

import argparse
import math
import time
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
from minilm import minilm
from numpy.typing import NDArray

from adv import Clean
from finetune.config import Data, Recipe
from finetune.data.encode import Encoded, train_batches
from finetune.data.load import load_task
from finetune.training import steps
from finetune.training.bench import Bench
from finetune.training.loop import Training


def random_batches(data: Encoded, size: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """The order of one epoch without a look at lengths."""
    order = np.random.default_rng([seed, epoch]).permutation(len(data))
    return [order[start : start + size] for start in range(0, len(order), size)]


WAYS: dict[str, Any] = {"ours": train_batches, "random": random_batches}


def tokens(bench: Bench, recipe: Recipe, way: str) -> float:
    """Tokens of a batch with its padding, mean over the epochs."""
    lengths, size = bench.train.lengths, recipe.batch_size
    batches = [batch for epoch in range(recipe.epochs) for batch in WAYS[way](bench.train, size, recipe.seed, epoch)]
    return fmean(len(batch) * int(lengths[batch].max()) for batch in batches)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", default=minilm())
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--max-train-rows", type=int, default=400)
    args = parser.parse_args()
    torch.set_num_threads(1)
    task = load_task(Data(data=args.data, max_train_rows=args.max_train_rows))
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(args.seeds):
        recipe = Recipe(model=args.model, epochs=args.epochs, learning_rate=5e-5, seed=seed)
        bench = Bench(task, recipe)
        for way in WAYS:
            steps.train_batches = WAYS[way]
            began = time.perf_counter()
            *_, last = Training(bench, recipe, Clean(), "accuracy").epochs()
            found[way].append(last.metrics["accuracy"])
            seconds, many = time.perf_counter() - began, tokens(bench, recipe, way)
            print(f"seed {seed} {way:<6} {found[way][-1]:.4f}, {seconds:.1f} s, {many:.0f} tokens a batch", flush=True)
    apart = [other - ours for ours, other in zip(found["ours"], found["random"], strict=True)]
    for way, values in found.items():
        print(f"{way:<6} {fmean(values):.4f}, sd {stdev(values):.4f}")
    error = stdev(apart) / math.sqrt(len(apart))
    print(f"random - ours {fmean(apart):+.4f}, standard error {error:.4f}, {len(apart)} seeds")


if __name__ == "__main__":
    main()
