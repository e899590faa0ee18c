"""Do ranges that were measured on the clean model leave fewer broken trials, and does the best stay as good?

    python benchmarks/calibrated_ranges.py --data FOLDER --data FOLDER --model MODEL --out FILE.jsonl
    python benchmarks/calibrated_ranges.py --summary FILE.jsonl

For each set of rows, method and seed: clean training, the curve and the ranges that it gives, then the first Sobol trials of
the declared space and of the measured one. A line of the file is one run; the same command goes on where it stopped.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

ROWS, EPOCHS, SEEDS, TRIALS = 256, 3, 5, 16
METHODS = ("awp", "fgm")
# Of more than twice as many classes, so many are kept: the most frequent ones.
CLASSES = 6
VALIDATION = 131
# Strengths and batches of the whole curve, which is kept for a look at other rules.
GRID, BATCHES = 9, 4
# So many trials of each space and seed come first: a whole power of 2 is an even sample.
HALF = 8
# A trial is broken if it is so many standard errors over sqrt(rows) below clean training: six rows, as in a search's report.
BROKEN = 15.0


def options() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", default=[])
    parser.add_argument("--model")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--out", default="calibrated_ranges.jsonl")
    parser.add_argument("--work", default="calibrated_ranges")
    parser.add_argument("--curves", action="store_true", help="the whole curves too, after each clean epoch")
    parser.add_argument("--summary")
    return parser.parse_args()


@cache
def bench_of(folder: str, model: str) -> Any:
    """Data and model; made once in a process."""
    import torch

    from finetune.config import Data
    from finetune.data.load import load_task
    from finetune.training.bench import Bench

    torch.set_num_threads(1)
    return Bench(cut(load_task(Data(data=folder))), recipe_of(model, 0))


def cut(task: Any) -> Any:
    """The first rows of few classes."""
    import numpy as np

    few = len(task.names) <= 2 * CLASSES
    classes = np.arange(len(task.names)) if few else np.argsort(-np.bincount(task.train.labels), kind="stable")[:CLASSES]
    rows = np.flatnonzero(np.isin(task.train.labels, classes))
    order = np.random.default_rng(0).permutation(rows)
    parts = [task.train.take(order[:ROWS]), task.train.take(order[ROWS : ROWS + VALIDATION])]
    place = np.full(len(task.names), -1)
    place[classes] = np.arange(len(classes))
    train, validation = [replace(part, labels=place[part.labels]) for part in parts]
    names = tuple(task.names[i] for i in classes)
    return replace(task, names=names, train=train, validation=validation, test=validation)


def recipe_of(model: str, seed: int) -> Any:
    """The usual recipe of a pretrained model."""
    from finetune.config import Recipe

    return Recipe(model=model, epochs=EPOCHS, learning_rate=5e-5, threads=1, seed=seed)


def training_of(task: dict[str, Any], count: int, method: Any = None) -> Any:
    """A run after so many clean epochs."""
    from adv import Clean
    from finetune.training.loop import Training

    training = Training(bench_of(task["data"], task["model"]), recipe_of(task["model"], task["seed"]), method or Clean())
    if count:
        assert training.load(snapshot(task, count)), f"no snapshot {count} of {task}"
    return training


def snapshot(task: dict[str, Any], count: int) -> Path:
    """The file with the state after so many clean epochs."""
    return Path(task["work"]) / f"{Path(task['data']).name}-{task['seed']}-clean-{count}.safetensors"


def clean(task: dict[str, Any]) -> dict[str, Any]:
    """Clean training; its states are kept."""
    training, began = training_of(task, 0), time.perf_counter()
    for epoch in training.epochs():
        if epoch.number + 1 < EPOCHS or task["curves"]:
            training.save(snapshot(task, epoch.number + 1))
    return {"seconds": time.perf_counter() - began, "epochs": told(training)}


def told(training: Any) -> list[dict[str, float]]:
    """What each epoch reached."""
    names = ("accuracy", "macro_f1", "log_loss", "mcrmse", "pearson")
    return [{n: v for n, v in e.metrics.items() if n in names} | {"loss": e.loss} for e in training.history]


def space_of(task: dict[str, Any]) -> dict[str, Any]:
    """The declared space."""
    import spaces

    return spaces.space_of(task["method"], EPOCHS)


def curve(task: dict[str, Any]) -> dict[str, Any]:
    """The ranges, with their cost, and the whole curve after each clean epoch."""
    from studies.calibrating.curve import ATTACKED, PLAIN, Bed
    from studies.calibrating.limits import limits_of
    from studies.calibrating.strength import strength_of

    strength = strength_of(task["method"], space_of(task), {})
    assert strength is not None
    began = time.perf_counter()
    limits = limits_of(strength, Bed(training_of(task, 0), 1), Bed(training_of(task, 1), 1))
    seconds = time.perf_counter() - began
    steps = (len(limits.points) + 1) * ATTACKED * strength.at(1.0).cost().relative + 2 * PLAIN / 3
    rows: list[dict[str, Any]] = []
    for count in range(EPOCHS + 1) if task["curves"] else ():
        bed = Bed(training_of(task, count), count, BATCHES)
        zero = bed.objectives(strength.at(0.0))
        rows.append({"count": count, "strength": 0.0, "objectives": zero, "losses": bed.losses()})
        for place in range(GRID):
            value = strength.low * (strength.high / strength.low) ** (place / (GRID - 1))
            method = strength.at(value)
            found = bed.objectives(method)
            rows.append({"count": count, "strength": value, "objectives": found, **method.diagnostics()})
    return {
        "names": strength.names, "others": strength.others, "low": limits.low, "high": limits.high, "zero": limits.zero,
        "untrained": limits.untrained, "noise": limits.noise, "steps": steps,
        "seconds": seconds, "tried": [point.strength for point in limits.points], "curve": rows,
    }  # fmt: skip


def trial(task: dict[str, Any]) -> dict[str, Any]:
    """One Sobol trial of a space."""
    from optuna.distributions import FloatDistribution

    import adv
    from studies.running.sampling import design_point

    space = space_of(task)
    for name, (low, high) in task["ranges"].items():
        space[name] = FloatDistribution(low, high, log=True)
    settings = design_point(space, task["seed"], task["number"])
    start = int(settings["start_epoch"])
    training = training_of(task, start, adv.METHODS[task["method"]](**settings))
    began = time.perf_counter()
    try:
        list(training.epochs())
    except Exception as error:
        return {"settings": settings, "failed": str(error), "seconds": time.perf_counter() - began}
    return {"settings": settings, "epochs": told(training), "seconds": time.perf_counter() - began}


KINDS = {"clean": clean, "curve": curve, "trial": trial}


def key_of(task: dict[str, Any]) -> tuple[Any, ...]:
    """What makes a run what it is."""
    names = ("kind", "method", "seed", "number", "measured")
    return (Path(task["data"]).name, *(task.get(name) for name in names))


def run(task: dict[str, Any]) -> dict[str, Any] | None:
    """One run; None if the time is up."""
    if time.time() > task["until"]:
        return None
    try:
        return task | {"data": Path(task["data"]).name} | KINDS[task["kind"]](task)
    except Exception as error:  # the others go on
        print(f"{key_of(task)}: {type(error).__name__}: {error}", flush=True)
        return None


def ranges_of(space: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The measured ranges inside the declared ones."""
    return {n: (max(space[n].low, found["low"]), min(space[n].high, found["high"])) for n in found["names"]}


def lines_of(file: str) -> list[dict[str, Any]]:
    """What was run before."""
    path = Path(file)
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def main() -> None:
    """Run everything that is left, the most telling first."""
    asked = options()
    if asked.summary:
        return summary(lines_of(asked.summary))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    Path(asked.work).mkdir(exist_ok=True)
    until = time.time() + 60 * asked.minutes
    common = {"model": asked.model, "work": asked.work, "until": until, "curves": asked.curves}
    pairs = [{**common, "data": d, "seed": s} for s in range(asked.seeds) for d in asked.data]
    with multiprocessing.get_context("spawn").Pool(asked.processes) as pool, open(asked.out, "a", encoding="utf-8") as out:

        def go(tasks: list[dict[str, Any]], again: bool = False) -> None:
            done = {key_of(line) for line in lines_of(asked.out)}
            for line in pool.imap_unordered(run, [task for task in tasks if again or key_of(task) not in done]):
                if line is not None:
                    print(json.dumps(line), file=out, flush=True)

        halves = (range(asked.trials)[:HALF], range(asked.trials)[HALF:])
        for half, method, data in [(h, m, d) for m in asked.methods.split(",") for h in halves for d in asked.data]:
            mine = [{**pair, "method": method} for pair in pairs if pair["data"] == data]
            cleans = [{**task, "method": None, "kind": "clean"} for task in mine]
            go([task for task in cleans if not snapshot(task, EPOCHS - 1).exists()], again=True)
            go([{**task, "kind": "curve"} for task in mine])
            found = {x["seed"]: x for x in lines_of(asked.out) if key_of(x)[:3] == (Path(data).name, "curve", method)}
            tasks = []
            for task in [task for task in mine if task["seed"] in found]:
                for measured in (True, False):
                    ranges = ranges_of(space_of(task), found[task["seed"]]) if measured else {}
                    more = {"kind": "trial", "measured": measured, "ranges": ranges}
                    tasks += [{**task, **more, "number": number} for number in half]
            go(tasks)
    summary(lines_of(asked.out))


def loss_of(line: dict[str, Any]) -> float:
    """What a run reached at the end: an error, the smaller the better."""
    if "failed" in line:
        return float("inf")
    return float(1 - line["epochs"][-1]["accuracy"])


def summary(lines: list[dict[str, Any]]) -> None:
    """A table: broken trials, the best and the better half against clean training, the cost as a share of 16 trials."""
    base = {(x["data"], x["seed"]): x for x in lines if x["kind"] == "clean"}
    limits = {(x["data"], x["method"], x["seed"]): x for x in lines if x["kind"] == "curve"}
    print("data       method space     trials  broken     best upper half   cost  range")
    for data, method in sorted({(x["data"], x["method"]) for x in limits.values()}):
        for measured in (False, True):
            row = [x for x in lines if x["kind"] == "trial" and (x["data"], x["method"]) == (data, method)]
            row = [x for x in row if x["measured"] == measured]
            if not row:
                continue
            broken, best, upper, cost = 0, [], [], []
            for seed in sorted({x["seed"] for x in row}):
                mine, zero = [x for x in row if x["seed"] == seed], loss_of(base[data, seed])
                ends = sorted(loss_of(x) for x in mine)
                broken += sum(end > zero + far(zero) for end in ends)
                best.append(zero - ends[0])
                upper.append(zero - statistics.mean(ends[: max(1, len(ends) // 2)]))
                cost.append(limits[data, method, seed]["steps"] / (passes(mine, method) * TRIALS / len(mine)))
            some = [limits[key] for key in limits if key[:2] == (data, method)]
            where = f"{statistics.median(x['low'] for x in some):.2g}..{statistics.median(x['high'] for x in some):.2g}"
            print(
                f"{data:10} {method:6} {'measured' if measured else 'declared':9} {len(row):6} {broken / len(row):7.0%} "
                f"{statistics.mean(best):+8.4f} {statistics.mean(upper):+10.4f} "
                f"{statistics.mean(cost) if measured else 0:6.1%}  {where if measured else ''}"
            )


def passes(trials: list[dict[str, Any]], method: str) -> float:
    """What the trials cost, in clean steps; evaluations and clean training itself are left out."""
    import adv

    epoch, found = -(-ROWS // 16), 0.0
    for trial in trials:
        settings = trial["settings"]
        found += (EPOCHS - settings["start_epoch"]) * epoch * adv.METHODS[method](**settings).cost().relative
    return found


def far(clean_error: float) -> float:
    """How far a broken trial is below clean training."""
    return BROKEN * (clean_error * (1 - clean_error)) ** 0.5 / VALIDATION


if __name__ == "__main__":
    main()
