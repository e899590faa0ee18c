"""Does the importance report find the truth? Optuna's default on the same trials is shown beside it.

    python benchmarks/importance_truth.py [--seeds 10] [--trials 100]

A synthetic objective with a known answer: ``epsilon`` dominates with a cliff, ``start_epoch`` and ``K`` are weak, three
settings are inert, and the noise has a standard deviation of 1 point. Each seed is a full search: Sobol, then TPE with
pruning.
"""

import argparse
import math
import tempfile
import warnings
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.importance import get_param_importances
from optuna.trial import Trial

from spaces import Space
from studies.results.importance import importances
from studies.running.loop import Options, prepare, run_trials
from studies.running.objective import suggest
from studies.running.sampling import number_seed
from studies.running.storage import open_storage

EPOCHS = 6
SPACE: Space = {
    "epsilon": FloatDistribution(0.05, 5.0, log=True),
    "start_epoch": IntDistribution(0, EPOCHS - 2),
    "K": IntDistribution(2, 5),
    "alpha": FloatDistribution(0.02, 2.0, log=True),
    "adv_lr": FloatDistribution(1e-4, 1.0, log=True),
    "adv_eps": FloatDistribution(1e-4, 0.3, log=True),
}
STARTS = [{"epsilon": 1.0, "start_epoch": 0, "K": 3, "alpha": 0.3, "adv_lr": 1.0, "adv_eps": 0.2}]
INERT = ("alpha", "adv_lr", "adv_eps")


class Truth:
    """Accuracy in points: 80; 8 less beyond the cliff at epsilon 1; small effects of the weak two; noise of sd 1."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self, trial: Trial) -> float:
        params = suggest(trial, SPACE)
        final = 80.0 + 0.5 * math.log10(params["epsilon"]) - 8.0 * (params["epsilon"] > 1.0)
        final += 0.4 * params["start_epoch"] / (EPOCHS - 2) + 0.2 * (params["K"] - 2)
        rng = np.random.default_rng(number_seed(self.seed + 10_000, trial.number))
        final += rng.normal()
        value = final
        for epoch in range(EPOCHS):
            value = final - 20.0 * math.exp(-1.2 * (epoch + 1)) + (0.3 * rng.normal() if epoch + 1 < EPOCHS else 0.0)
            trial.report(value, epoch)
            if epoch + 1 < EPOCHS and trial.should_prune():
                raise optuna.TrialPruned
        return value


def searched(seed: int, trials: int, folder: Path) -> optuna.Study:
    """One full search on the synthetic objective."""
    storage = open_storage(f"sqlite:///{folder / 'truth.db'}")
    study = optuna.create_study(storage=storage, study_name=f"truth-{seed}", direction="maximize")
    options = Options(trials, min(32, trials // 2), seed)
    prepare(study, options, SPACE, STARTS, 0)
    run_trials(study, storage, Truth(seed), options)
    return study


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=100)
    args = parser.parse_args()
    first = stock_first = false = 0
    for seed in range(args.seeds):
        with tempfile.TemporaryDirectory() as folder:
            study = searched(seed, args.trials, Path(folder))
            rows = importances(study.get_trials(), SPACE, min(32, args.trials // 2), maximize=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                stock = get_param_importances(study)
        pruned = sum(trial.state.name == "PRUNED" for trial in study.get_trials())
        found = {row.name for row in rows if row.evidence}
        first += rows[0].name == "epsilon"
        stock_first += next(iter(stock)) == "epsilon"
        false += len(found & set(INERT))
        shares = " ".join(f"{row.name} {row.share:.2f}" for row in rows[:3])
        default = ", ".join(f"{name} {share:.2f}" for name, share in list(stock.items())[:3])
        print(f"seed {seed}: {pruned} pruned | {shares} | floor {rows[0].floor:.2f} | evidence for {sorted(found)}")
        print(f"    Optuna's default on the same trials: {default}", flush=True)
    cases = args.seeds * len(INERT)
    print(f"dominant setting first: report {first} of {args.seeds}, Optuna's default {stock_first} of {args.seeds}")
    print(f"inert settings called important by the report: {false} of {cases}")


if __name__ == "__main__":
    main()
