"""What does pruning over folds save, and how often does it stop a good trial, compared with Optuna's WilcoxonPruner?

    python benchmarks/fold_pruning.py [--methods fgm,awp] [--trials 40] [--folds 5] [--rows 200] [--orders 40] [--out DIR]

Searches the built-in task with folds and random settings, to the end and once (the studies stay in DIR); then replays the
recorded runs in random orders through each pruner. A trial is good if it is among the best tenth of all; to stop a good
trial is a mistake. Saved are the runs that a stopped trial did not need, of all runs after the exploration.

The WilcoxonPruner gets what it asks for: the value of each fold alone, compared with those of the best trial so far. Besides
its own default, it is given thresholds at which it makes about as many mistakes.
"""

import argparse
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.pruners import BasePruner, WilcoxonPruner
from optuna.trial import TrialState

from studies import search
from studies.running.pruning import make_pruner

EXPLORE = 12
# The share of trials that nobody would want to lose.
GOOD = 0.1


class Trial(NamedTuple):
    """What a trial was worth over its first runs, and in each run alone."""

    together: list[float]
    alone: list[float]


class Rates(NamedTuple):
    """After the exploration: runs saved, good trials stopped; and how far below the true best the found one is."""

    saved: float
    lost: float
    regret: float


def recorded(method: str, options: argparse.Namespace) -> list[Trial]:
    """The trials of a search with folds in which nothing is stopped."""
    found: Any = search(
        method,
        trials=options.trials,
        explore=options.trials,
        sampler="random",
        pruner="none",
        folds=options.folds,
        epochs=2,
        max_train_rows=options.rows,
        study=f"pruning-{method}",
        storage=f"sqlite:///{options.out}/p.db",
        out=f"{options.out}/runs",
        progress=False,
    )
    rows = [trial.user_attrs["runs"] for trial in found.study.trials if trial.state is TrialState.COMPLETE]
    return [Trial([run["together"] for run in runs], [run["metrics"]["accuracy"] for run in runs]) for runs in rows]


def replay(trials: list[Trial], pruner: BasePruner, alone: bool, order: np.ndarray) -> Rates:
    """Run trials in an order; the pruner sees the values of runs alone, or of all runs so far."""
    study = optuna.create_study(direction="maximize", pruner=pruner)
    ends = [trials[index].together[-1] for index in order]
    good, used, lost, ended = np.quantile(ends, 1 - GOOD), 0, 0, list[float]()
    for place, index in enumerate(order):
        shown, trial = trials[index].alone if alone else trials[index].together, study.ask()
        stopped = False
        for number, value in enumerate(shown):
            trial.report(value, number)
            used += place >= EXPLORE
            if number + 1 < len(shown) and place >= EXPLORE and trial.should_prune():
                stopped = True
                break
        lost += stopped and ends[place] >= good
        if not stopped:
            ended.append(ends[place])
        study.tell(trial, None if stopped else ends[place], state=TrialState.PRUNED if stopped else TrialState.COMPLETE)
    after = len(order) - EXPLORE
    there = sum(end >= good for end in ends[EXPLORE:])
    return Rates(1 - used / (after * len(trials[0].alone)), lost / max(1, there), max(ends) - max(ended))


def main() -> None:
    """Print a row for each method and pruner."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default="fgm,awp")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--orders", type=int, default=40)
    parser.add_argument("--out", default="runs/fold_pruning")
    options = parser.parse_args()
    Path(options.out).mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    pruners: dict[str, tuple[bool, Any]] = {
        "forecast of all runs": (False, lambda: make_pruner("median", EXPLORE, runs=options.folds)),
        **{
            f"Wilcoxon, p < {threshold}": (
                True,
                lambda threshold=threshold: WilcoxonPruner(p_threshold=threshold, n_startup_steps=2),
            )
            for threshold in (0.1, 0.2, 0.3, 0.5)
        },
    }
    print(f"{'method':8}{'pruner':24}{'runs saved':>12}{'good trials lost':>18}{'best value lost':>17}")
    for method in options.methods.split(","):
        trials = recorded(method, options)
        orders = [np.random.default_rng(seed).permutation(len(trials)) for seed in range(options.orders)]
        for name, (alone, made) in pruners.items():
            rates = np.mean([replay(trials, made(), alone, order) for order in orders], axis=0)
            print(f"{method:8}{name:24}{rates[0]:>12.0%}{rates[1]:>18.0%}{rates[2]:>17.4f}")


if __name__ == "__main__":
    main()
