"""Does a method help on the built-in task? Its best setting on fresh seeds, beside clean training and a control.

    python benchmarks/methods_compared.py [--methods all] [--trials 20] [--seeds 6] [--out DIR]

Each method is searched as by the command (seed 0, validation rows). Its best setting is trained on seeds that the search
did not use, and scored on the test rows. Differences are paired by seed; p is from an exact sign-flip test (with 6 seeds
never below 0.03). The control is ``random_weights`` for methods on weights, else ``random``, each with the best setting of
its own search. Cost: passes, and the measured time of a step on a 6-layer encoder, interleaved with clean steps.
"""

import argparse
import json
import statistics
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import torch
from scipy.stats import permutation_test
from transformers import BertConfig, BertForSequenceClassification

import search
from adv import METHODS, Clean, Method
from adv.steps.weights import WeightMethod
from finetune.config import Data, Recipe
from finetune.data.load import load_task
from finetune.training.bench import Bench
from finetune.training.loop import Training
from studies.report.terminal import settings_line
from studies.results.export import best_of
from studies.results.summary import summarise
from studies.running.storage import load_study

CONTROLS = ("random", "random_weights")


def best_setting(name: str, trials: int, folder: Path) -> tuple[Method, str]:
    """The best trial of a search, and its settings in words."""
    storage = f"sqlite:///{folder / 'studies.db'}"
    options = ["--method", name, "--trials", str(trials), "--storage", storage, "--out", str(folder)]
    with (folder / f"{name}.log").open("w") as log, redirect_stdout(log):
        assert search.run(options) == 0
    best = best_of(summarise(load_study(storage, f"reviews-{name}")))
    words = settings_line(best.settings)
    return METHODS[name](**best.settings), f"{best.recorded.value:.4f} {words}"


def on_test(bench: Bench, method: Method, seeds: range) -> list[float]:
    """Test accuracy after training on each seed."""
    encoded, scores = bench.encode(bench.task.test), []
    for seed in seeds:
        recipe = Recipe(seed=seed)
        method.load_state_dict({})
        training = Training(bench, recipe, method)
        for _ in training.epochs():
            pass
        scores.append(bench.score(training.model, encoded, bench.task.test, recipe)["accuracy"])
    return scores


def against(one: list[float], other: list[float]) -> str:
    """Mean paired difference in points, its standard deviation, and the p of the sign flips."""
    points = 100 * (np.array(one) - np.array(other))
    if not points.any():
        return "+0.00 (sd 0.00)"
    p = permutation_test((points,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    return f"{points.mean():+.2f} (sd {points.std(ddof=1):.2f}, p {p:.2f})"


def step_times(methods: dict[str, Method], rounds: int = 5) -> dict[str, float]:
    """Median time of a step, without the optimiser, as a ratio to the clean step of the same round."""
    torch.manual_seed(0)
    shape = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
    model = BertForSequenceClassification(BertConfig(**shape)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    ids = torch.randint(1000, 30000, (16, 24))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.zeros(16, dtype=torch.long)}
    for method in methods.values():
        method.load_state_dict({})  # teachers and tables belong to the model of the step before
    ratios: dict[str, list[float]] = {name: [] for name in methods}
    for number in range(rounds + 1):
        clean = 0.0
        for name, method in {"none": Clean(), **methods}.items():
            method.follow(optimizer)
            began = time.perf_counter()
            method.backward(model, batch)
            seconds = time.perf_counter() - began
            optimizer.step()
            optimizer.zero_grad()
            method.after_step(model)
            clean = seconds if name == "none" else clean
            if number and name in ratios:
                ratios[name].append(seconds / clean)
    return {name: statistics.median(values) for name, values in ratios.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--methods", default="all")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--out", default=None)
    args = parser.parse_args()
    names = [name for name in METHODS if name != "none"] if args.methods == "all" else args.methods.split(",")
    names = [*CONTROLS, *(name for name in names if name not in CONTROLS)]
    folder = Path(args.out or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    seeds, bench = range(1, args.seeds + 1), Bench(load_task(Data(task="reviews")), Recipe())
    clean = on_test(bench, Clean(), seeds)
    print(
        f"clean: test {statistics.mean(clean):.4f} sd {statistics.stdev(clean):.4f} over {args.seeds} fresh seeds",
        flush=True,
    )
    scores: dict[str, list[float]] = {}
    chosen: dict[str, Method] = {}
    for name in names:
        chosen[name], words = best_setting(name, args.trials, folder)
        known = folder / f"{name}-{args.seeds}.json"  # a stopped benchmark continues
        if not known.exists():
            known.write_text(json.dumps([words, on_test(bench, chosen[name], seeds)]))
        found = json.loads(known.read_text())
        scores[name] = found[1] if found[0] == words else on_test(bench, chosen[name], seeds)
        print(f"  {name}: search {words} | test {statistics.mean(scores[name]):.4f}", flush=True)
    times = step_times(chosen)
    print("| method | test accuracy | points over clean | over its control | passes | measured |")
    print("|---|---|---|---|---|---|")
    for name in names:
        control = CONTROLS[issubclass(METHODS[name], WeightMethod)]
        beside = "" if name in CONTROLS else against(scores[name], scores[control])
        level = f"{100 * statistics.mean(scores[name]):.2f} (sd {100 * statistics.stdev(scores[name]):.2f})"
        cost = f"{chosen[name].cost().relative:.2f}x | {times[name]:.2f}x"
        print(f"| {name} | {level} | {against(scores[name], clean)} | {beside} | {cost} |")


if __name__ == "__main__":
    main()
