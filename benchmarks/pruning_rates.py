"""Are late and early starters pruned at similar rates, and what does pruning save and lose?

    python benchmarks/pruning_rates.py [--methods fgm,awp] [--points 100] [--orders 30] [--curves FILE]

Trains random configurations of the built-in task to the end, once; then replays their curves in random orders through
each pruner. The clean epochs of a late starter are free (they are shared), so saved epochs count only attacked ones.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner, SuccessiveHalvingPruner
from optuna.trial import TrialState

from adv import METHODS
from finetune.config import Data, Recipe
from finetune.data.load import load_task
from finetune.training.bench import Bench
from finetune.training.loop import Training
from spaces import space_of
from studies.running.pruning import make_pruner
from studies.running.sampling import random_point

EXPLORE = 32
Curve = tuple[int, list[float]]


def curves(bench: Bench, recipe: Recipe, name: str, points: int) -> list[Curve]:
    """Start epoch and validation values of random configurations."""
    found = []
    for number in range(points):
        settings = random_point(space_of(name, recipe.epochs), 0, number)
        training = Training(bench, recipe, METHODS[name](**settings))
        values = [epoch.metrics["accuracy"] for epoch in training.epochs()]
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
    """Rates by start epoch for configurations that end in the lower and the upper half, savings, and the best one's fate."""
    median = float(np.median([values[-1] for _, values in found]))
    pruned, seen = defaultdict(int), defaultdict(int)
    saved = total = lost = 0
    regret = 0.0
    for seed in range(orders):
        result = replay(found, pruner, np.random.default_rng(seed).permutation(len(found)))
        for index, epoch in result.items():
            start, values = found[index]
            for half in (values[-1] < median, "all"):
                seen[half, start] += 1
                pruned[half, start] += epoch is not None
            total += len(values) - start
            saved += 0 if epoch is None else len(values) - 1 - epoch
        ends = {index: found[index][1][-1] for index in result}
        best = max(ends, key=lambda index: ends[index])
        kept = [end for index, end in ends.items() if result[index] is None]
        lost += result[best] is not None
        regret += ends[best] - max(kept, default=0.0)
    lines = [f"  {name}: saved {100 * saved / total:.0f} % of the attacked epochs, best lost in {lost} of {orders} orders, "
             f"best value given up {100 * regret / orders:.2f} points on average"]  # fmt: skip
    for half, label in (("all", "all"), (True, "that end in the lower half"), (False, "in the upper half")):
        starts = sorted(start for which, start in seen if which == half)
        rates = "  ".join(f"{start}: {100 * pruned[half, start] / seen[half, start]:3.0f} %" for start in starts)
        lines.append(f"      {label:<27} {rates}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--methods", default="fgm,awp")
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--orders", type=int, default=30)
    parser.add_argument("--curves", type=Path, help="keep the curves in this JSON file, and read them from it")
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    recipe = Recipe()
    bench = Bench(load_task(Data(task="reviews")), recipe)
    pruners = {
        "stock median": MedianPruner(n_startup_trials=EXPLORE),
        "stock successive halving": SuccessiveHalvingPruner(),
        "ours (--pruner median)": make_pruner("median", EXPLORE),
    }
    for name in args.methods.split(","):
        kept = json.loads(args.curves.read_text()) if args.curves and args.curves.exists() else {}
        found = kept[name] if name in kept else curves(bench, recipe, name, args.points)
        if args.curves:
            args.curves.write_text(json.dumps(kept | {name: found}))
        print(f"{name}: share pruned by start_epoch", flush=True)
        for label, pruner in pruners.items():
            print(table(found, label, pruner, args.orders), flush=True)


if __name__ == "__main__":
    main()
