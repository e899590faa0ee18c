"""Are late and early starters pruned at similar rates, and what does pruning save and lose?

    python benchmarks/pruning_rates.py [--methods fgm,awp] [--points 100] [--orders 30]

Trains random configurations of the built-in task to the end, once; then replays their curves in random orders through
each pruner. A late starter's clean epochs are free (they are shared), so saved epochs count attacked ones only.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.trial import TrialState

from adv import METHODS
from finetune.config import Data, Recipe
from finetune.load import load_task
from finetune.loop import Bench, Training
from spaces import space_of
from studies.pruning import make_pruner
from studies.sampling import random_point

EXPLORE = 32
Curve = tuple[int, list[float]]


def curves(bench: Bench, recipe: Recipe, name: str, points: int) -> list[Curve]:
    """Start epoch and validation values of random configurations."""
    found = []
    for number in range(points):
        settings = random_point(space_of(name, recipe.epochs), 0, number)
        training = Training(bench, recipe, METHODS[name](**settings))
        values = [epoch.metrics[recipe.metric] for epoch in training.epochs()]
        found.append((int(settings["start_epoch"]), values))
    return found


def replay(found: Sequence[Curve], pruner: BasePruner, order: np.ndarray) -> dict[int, int | None]:
    """The epoch at which each configuration is pruned, or None."""
    study = optuna.create_study(direction="maximize", pruner=pruner)
    stopped: dict[int, int | None] = {}
    for index in order:
        start, values = found[index]
        trial = study.ask()
        trial.suggest_int("start_epoch", start, start)
        stopped[int(index)] = None
        for epoch, value in enumerate(values):
            trial.report(value, epoch)
            if epoch + 1 < len(values) and trial.should_prune():
                stopped[int(index)] = epoch
                break
        state = TrialState.COMPLETE if stopped[int(index)] is None else TrialState.PRUNED
        study.tell(trial, values[-1] if state is TrialState.COMPLETE else None, state=state)
    return {index: stopped[int(index)] for index in order[EXPLORE:]}


def table(found: Sequence[Curve], name: str, pruner: BasePruner, orders: int) -> str:
    """Rates by start epoch, attacked epochs saved, and how often the best configuration was lost."""
    pruned, seen = defaultdict(int), defaultdict(int)
    saved = total = lost = 0
    for seed in range(orders):
        result = replay(found, pruner, np.random.default_rng(seed).permutation(len(found)))
        for index, epoch in result.items():
            start, values = found[index]
            seen[start] += 1
            pruned[start] += epoch is not None
            total += len(values) - start
            saved += 0 if epoch is None else len(values) - 1 - epoch
        best = max(result, key=lambda index: found[index][1][-1])
        lost += result[best] is not None
    rates = " ".join(f"{start}: {100 * pruned[start] / seen[start]:3.0f} %" for start in sorted(seen))
    return f"{name:<28} {rates} | saved {100 * saved / total:.0f} % | best lost {lost} of {orders}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--methods", default="fgm,awp")
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--orders", type=int, default=30)
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    recipe = Recipe()
    bench = Bench(load_task(Data(task="reviews")), recipe)
    pruners = {
        "stock median": MedianPruner(n_startup_trials=EXPLORE),
        "ours (--pruner median)": make_pruner("median", EXPLORE),
        "ours (--pruner halving)": make_pruner("halving", EXPLORE),
        "none": NopPruner(),
    }
    for name in args.methods.split(","):
        found = curves(bench, recipe, name, args.points)
        print(f"{name}: share pruned by start_epoch", flush=True)
        for label, pruner in pruners.items():
            print("  " + table(found, label, pruner, args.orders), flush=True)


if __name__ == "__main__":
    main()
