"""Do the importances find the truth, beside Optuna's default on the same trials?

    python benchmarks/importance_truth.py [--seeds 20] [--trials 32 100] [--processes 2]

Synthetic objectives with a known answer, on the space of AWP: a cliff of 8 points along one setting, a collapse of 8 points
where two settings are both large, a hump of 2 points along the smaller of two settings, and nothing. Noise has a standard
deviation of 1 point, for the hump 0.5. 32 trials are a Sobol design, 100 a whole search: Sobol, then TPE with pruning.
"""

import argparse
import math
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.importance import get_param_importances
from optuna.trial import FrozenTrial, Trial

from spaces import Space
from studies.results.importance import Matters, matters
from studies.running.loop import Options, prepare, run_trials
from studies.running.objective import suggest
from studies.running.sampling import number_seed
from studies.running.storage import close_storage, open_storage

EPOCHS, CLEAN = 3, 80.0
SPACE: Space = {
    "adv_lr": FloatDistribution(1e-3, 1.0, log=True),
    "adv_eps": FloatDistribution(1e-4, 0.1, log=True),
    "start_epoch": IntDistribution(0, 1),
}
STARTS = [{"adv_lr": 0.03, "adv_eps": 0.003, "start_epoch": 0}]
PAIR = {"adv_eps", "adv_lr"}
# What has to be found: the settings of a finding with evidence, and for which question.
TRUTHS = {
    "cliff": ("breaks", {"adv_lr"}),
    "both large": ("breaks", PAIR),
    "hump along the smaller": ("improves", PAIR),
    "nothing": ("", set()),
}


class Truth:
    """Accuracy in points, with noise that depends on seed and trial only."""

    def __init__(self, name: str, seed: int) -> None:
        self.name, self.seed = name, seed

    def __call__(self, trial: Trial) -> float:
        params = suggest(trial, SPACE)
        lr, eps = (math.log10(params["adv_lr"]) + 3) / 3, (math.log10(params["adv_eps"]) + 4) / 3
        effect = {
            "cliff": -8.0 * (lr > 0.7),
            "both large": -8.0 * (lr > 0.6 and eps > 0.6),
            "hump along the smaller": 2 * math.exp(-(((min(lr, eps) - 0.6) / 0.2) ** 2)),
            "nothing": 0.0,
        }[self.name]
        rng = np.random.default_rng(number_seed(self.seed + 10_000, trial.number))
        final = CLEAN + effect + rng.normal() * (0.5 if "hump" in self.name else 1.0)
        for epoch in range(EPOCHS):
            early = final - 20.0 * math.exp(-1.2 * (epoch + 1)) + 0.3 * rng.normal()
            trial.report(final if epoch + 1 == EPOCHS else early, epoch)
            if epoch + 1 < EPOCHS and trial.should_prune():
                raise optuna.TrialPruned
        return final


def searched(name: str, seed: int, count: int, folder: str) -> tuple[list[FrozenTrial], list[str]]:
    """The trials of one search, and the settings as Optuna's default ranks them."""
    storage = open_storage(f"sqlite:///{Path(folder) / 'truth.db'}")
    study = optuna.create_study(storage=storage, study_name="truth", direction="maximize")
    options = Options(count, min(32, count), seed)
    prepare(study, options, SPACE, STARTS, 0)
    run_trials(study, storage, Truth(name, seed), options, say=lambda line: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stock = list(get_param_importances(study))
    trials = study.get_trials()
    close_storage(storage)
    return trials, stock


def right(found: Matters, name: str) -> bool:
    """Whether the truth was found; where there is none, whether nothing was."""
    question, settings = TRUTHS[name]
    evident = [(row.question, set(row.settings)) for row in found.findings if row.evidence]
    return (question, settings) in evident if settings else not evident


def asked(seed: int, name: str, count: int) -> tuple[bool, bool, float]:
    """Whether the truth was found in one search, whether Optuna's default ranks it first, and the seconds it took."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        trials, stock = searched(name, seed, count, folder)
    settings = TRUTHS[name][1]
    began = time.perf_counter()
    hit = right(matters(trials, SPACE, 32, True, CLEAN), name)
    return hit, bool(settings) and set(stock[: len(settings)]) == settings, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, nargs="+", default=[32, 100])
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    print(f"{'truth':24} trials  found     Optuna's default ranks it first   seconds")
    with ProcessPoolExecutor(args.processes, get_context("spawn")) as pool:
        for count in args.trials:
            for name, (_, settings) in TRUTHS.items():
                found = list(pool.map(partial(asked, name=name, count=count), range(args.seeds)))
                hits, stock, seconds = (sum(column) for column in zip(*found, strict=True))
                of = f"of {args.seeds}"
                first = f"{stock} {of}" if settings else "(it always names one)"
                print(f"{name:24} {count:6}  {hits} {of:6}  {first:32}  {seconds / args.seeds:.2f}", flush=True)


if __name__ == "__main__":
    main()
