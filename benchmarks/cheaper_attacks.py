"""What do cheaper attacks and late starts keep of an attack's gain, and what do they cost?

    python benchmarks/cheaper_attacks.py --data reviews --out runs.jsonl [--processes 2] [--minutes 5]
    python benchmarks/cheaper_attacks.py --data FOLDER ... --model MINILM --out runs.jsonl --processes 16 --minutes 5
    python benchmarks/cheaper_attacks.py --summary runs.jsonl

Each variant is trained at a few strengths on a few seeds; the one with the best mean on the validation rows is trained on
fresh seeds, beside clean training, and measured on the test rows: as they are, and under the fixed attack on the embeddings
(``robust``). Gains are paired by seed. "Kept" is the gain as a share of the same method's from the first epoch on, with a
95 % interval from resampled seeds. Cost counts passes: 1.00 is clean training of the whole run.

Every run is a line of the file, so the same command goes on where it stopped.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

SELECT, FRESH = tuple(range(1, 9)), tuple(range(101, 125))
# Recipe and rows of each set: enough epochs at a high rate, so that a few hundred rows are learned.
SETS: dict[str, dict[str, Any]] = {
    "reviews": {},
    "banking10": {"learning_rate": 2e-4, "epochs": 3, "rows": 400},
    "emobank": {"learning_rate": 1e-4, "epochs": 3, "rows": 600, "labels": ("valence", "arousal", "dominance")},
    "banking77": {"learning_rate": 2e-4, "epochs": 4, "rows": 1000},
}
VALIDATION, TEST = 600, 1000
# Families that come first.
FIRST = ("fgm", "awp")
Run = tuple[str, str, float, int]  # set, variant, strength, seed


@cache
def bench_of(where: str, model: str) -> tuple[Any, Any]:
    """Data and models of a set, and its recipe."""
    import torch

    from finetune.config import Data, Recipe
    from finetune.data.load import load_task
    from finetune.training.bench import Bench

    torch.set_num_threads(1)
    known = SETS.get(Path(where).name, {"epochs": 3, "learning_rate": 2e-4})
    if where == "reviews":
        task, recipe = load_task(Data(task="reviews")), Recipe()
    else:
        task = load_task(Data(data=where, label_column=known.get("labels", ("label",))))
        recipe = Recipe(model=model, epochs=known["epochs"], learning_rate=known["learning_rate"])
        order, many = np.random.default_rng(0).permutation(len(task.train)), known.get("rows", 400)
        rest = task.train.take(order[many : many + VALIDATION])
        validation = rest if len(rest) >= VALIDATION else task.validation
        test = task.test.take(np.arange(len(task.test))[:: max(1, len(task.test) // TEST)])
        task = replace(task, train=task.train.take(order[:many]), validation=validation, test=test)
    return Bench(task, recipe), recipe


def run(where: str, name: str, strength: float, seed: int, model: str) -> dict[str, Any]:
    """Train once; the line of the file."""
    from cheaper_prototypes import VARIANTS

    from finetune.tasks.metrics import evaluate
    from finetune.training.loop import Training

    bench, recipe = bench_of(where, model)
    recipe = recipe.model_copy(update={"seed": seed})
    training = Training(bench, recipe, method_of(name, strength, recipe.epochs, VARIANTS))
    began, validation = time.perf_counter(), {}
    for epoch in training.epochs():
        validation = epoch.metrics
    seconds, test, fresh = time.perf_counter() - began, {}, seed in FRESH
    if fresh:
        rows = bench.task.test
        encoded = bench.encode(rows)
        attacked = bench.predict(training.model, encoded, 64, None, bench._attacked())
        test = bench.score(training.model, encoded, rows, recipe) | evaluate(bench.task, rows.labels, attacked, "robust")
    means = training.history[-1].diagnostics
    key = {"set": Path(where).name, "variant": name, "strength": strength, "seed": seed}
    return key | {"validation": validation, "test": test, "seconds": round(seconds, 3), "diagnostics": means}


def method_of(name: str, strength: float, epochs: int, variants: Sequence[Any]) -> Any:
    """The variant at a strength."""
    from adv import Clean

    if name == "clean":
        return Clean()
    variant = next(one for one in variants if one.name == name)
    start = variant.fixed.get("start_epoch", 0)
    fixed = variant.fixed | {"start_epoch": start + epochs if start < 0 else start}
    return variant.kind(**fixed, **{variant.strength: strength})


def cost_of(variant: Any, epochs: int) -> float:
    """Clean runs that a run costs."""
    start = variant.fixed.get("start_epoch", 0)
    attacked = -start / epochs if start < 0 else 1.0
    return 1 + attacked * (variant.step - 1)


def metric_of(name: str, asked: str | None = None) -> tuple[str, float]:
    """The metric of a set, and the sign of better."""
    metric = asked or ("mcrmse" if name == "emobank" else "accuracy")
    return metric, -1.0 if metric in ("mcrmse", "log_loss") else 1.0


class Book:
    """The runs of a file, and which come next."""

    def __init__(self, file: Path, sets: Sequence[str], asked: Sequence[str], select: int, seeds: int) -> None:
        from cheaper_prototypes import VARIANTS

        self.file, self.sets, self.select, self.fresh = file, sets, SELECT[:select], FRESH[:seeds]
        given = {name: values for name, _, values in (one.partition("=") for one in asked)}
        self.given = {name: tuple(map(float, values.split(","))) for name, values in given.items() if values}
        families = given.keys() - self.given.keys()
        self.variants = [one for one in VARIANTS if not given or one.name in given or one.family in families]
        lines = file.read_text().splitlines() if file.exists() else []
        self.lines: dict[Run, dict[str, Any]] = {}
        for line in map(json.loads, lines):
            self.add(line)

    def add(self, line: dict[str, Any]) -> None:
        self.lines[line["set"], line["variant"], line["strength"], line["seed"]] = line

    def strengths(self, where: str, variant: Any) -> tuple[float, ...]:
        usual: tuple[float, ...] = variant.tiny if where == "reviews" else variant.pretrained
        return self.given.get(variant.name, usual)

    def chosen(self, where: str, variant: Any) -> float | None:
        """The strength with the best mean over the first seeds; None while one is missing."""
        metric, sign = metric_of(where)
        means, strengths = {}, self.strengths(where, variant)
        if len(strengths) == 1:
            return strengths[0]
        for strength in strengths:
            lines = [self.lines.get((where, variant.name, strength, seed)) for seed in self.select]
            if any(line is None for line in lines):
                return None
            values = [sign * line["validation"].get(metric, -np.inf) for line in lines if line]
            means[strength] = float(np.mean(values))
        return max(means, key=lambda strength: means[strength])

    def wanted(self) -> Iterator[Run]:
        """Every run that is missing and can be made now, the most informative first."""
        names = [Path(where).name for where in self.sets]
        first = [one for one in self.variants if one.family in FIRST]
        rest = [one for one in self.variants if one.family not in FIRST]
        for variants in (first, rest):
            for name in names:
                yield from self._selecting(name, variants)
                yield from self._fresh(name, variants, self.fresh[:8])
        for name in names:
            yield from self._fresh(name, [*first, *rest], self.fresh)

    def _selecting(self, name: str, variants: Sequence[Any]) -> Iterator[Run]:
        for variant in variants:
            for seed in self.select if len(self.strengths(name, variant)) > 1 else ():
                for strength in self.strengths(name, variant):
                    yield name, variant.name, strength, seed

    def _fresh(self, name: str, variants: Sequence[Any], seeds: Sequence[int]) -> Iterator[Run]:
        for seed in seeds:
            yield name, "clean", 0.0, seed
            for variant in variants:
                if (strength := self.chosen(name, variant)) is not None:
                    yield name, variant.name, strength, seed

    def missing(self, running: set[Run]) -> Iterator[Run]:
        return (one for one in self.wanted() if one not in self.lines and one not in running)


def work(book: Book, model: str, processes: int, minutes: float, most: int) -> None:
    """Make runs until none is missing or the time is over."""
    ends, folder_of = time.monotonic() + 60 * minutes, {Path(where).name: where for where in book.sets}
    running: dict[Future[dict[str, Any]], Run] = {}
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool, book.file.open("a") as out:
        made = 0
        while True:
            over = time.monotonic() > ends or made + len(running) >= most
            busy = set(running.values())
            for one in [] if over else book.missing(busy):
                if len(running) >= processes + 2:
                    break
                running[pool.submit(attempted, folder_of[one[0]], *one[1:], model)] = one
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                running.pop(future)
                book.add(line := future.result())
                out.write(json.dumps(line) + "\n")
                out.flush()
                made += 1


def attempted(where: str, name: str, strength: float, seed: int, model: str) -> dict[str, Any]:
    """As ``run``; a run that fails has no values, and says why."""
    try:
        return run(where, name, strength, seed, model)
    except Exception as error:
        key = {"set": Path(where).name, "variant": name, "strength": strength, "seed": seed}
        return key | {
            "validation": {},
            "test": {},
            "seconds": 0.0,
            "diagnostics": {},
            "failed": f"{type(error).__name__}: {error}",
        }


def interval(values: np.ndarray, draws: int = 4000) -> tuple[float, float]:
    """The middle 95 % of values of resampled seeds."""
    low, high = np.percentile(values[np.isfinite(values)], [2.5, 97.5]) if np.isfinite(values).any() else (np.nan, np.nan)
    return float(low), float(high)


def summary(book: Book, asked: str | None = None) -> None:
    """Print a table for each set; in another metric than that by which strengths are chosen, if one is asked for."""
    for name in dict.fromkeys(one[0] for one in book.lines):
        metric, sign = metric_of(name, asked)
        unit = 100.0 if metric == "accuracy" else 1000.0
        epochs = SETS.get(name, {}).get("epochs", 6 if name == "reviews" else 3)
        clean = {one[3]: line["test"] for one, line in book.lines.items() if one[:2] == (name, "clean")}
        clean = {seed: values for seed, values in clean.items() if values}
        level = " | ".join(
            f"{key} {np.mean([t[key] for t in clean.values()]):.4f}" for key in (metric, f"robust_{metric}") if clean
        )
        print(f"\n{name}: clean {level}, {len(clean)} seeds; gains in {metric} x {unit:.0f}" if clean else f"\n{name}")
        print(f"| variant | strength | cost | seeds | {metric} | kept | robust | kept | seconds |")
        print("|" + "---|" * 9)
        gains: dict[str, dict[str, dict[int, float]]] = defaultdict(dict)
        for variant in book.variants:
            strength = book.chosen(name, variant)
            lines = {one[3]: line for one, line in book.lines.items() if one[:3] == (name, variant.name, strength)}
            fresh = {seed: line for seed, line in lines.items() if seed in clean and line["test"]}
            if len(fresh) < 2:
                continue
            cells = []
            for key in (metric, f"robust_{metric}"):
                mine = {seed: unit * sign * (line["test"][key] - clean[seed][key]) for seed, line in fresh.items()}
                gains[variant.name][key] = mine
                cells += [gain_words(mine), kept_words(mine, gains.get(variant.family, {}).get(key))]
            seconds = float(np.median([line["seconds"] for line in fresh.values()]))
            row = [variant.name, f"{strength:g}", f"{cost_of(variant, epochs):.2f}", len(fresh), *cells, f"{seconds:.1f}"]
            print("| " + " | ".join(map(str, row)) + " |")


def gain_words(gains: dict[int, float]) -> str:
    """Mean and standard error of the mean."""
    values = np.array(list(gains.values()))
    return f"{values.mean():+.2f} (se {values.std(ddof=1) / np.sqrt(len(values)):.2f})"


def kept_words(mine: dict[int, float], whole: dict[int, float] | None) -> str:
    """The share of the whole gain, with its interval."""
    seeds = sorted(mine.keys() & (whole or {}).keys())
    if whole is None or len(seeds) < 2 or mine == whole:
        return ""
    one, all_ = np.array([mine[seed] for seed in seeds]), np.array([whole[seed] for seed in seeds])
    drawn = np.random.default_rng(0).integers(len(seeds), size=(4000, len(seeds)))
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = interval(100 * one[drawn].mean(1) / all_[drawn].mean(1))
        share = 100 * one.mean() / all_.mean()
    return f"{share:.0f} % ({low:.0f} to {high:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", nargs="+", default=["reviews"])
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--variants", nargs="*", default=[], help="NAME, FAMILY or NAME=STRENGTH,... (all)")
    parser.add_argument("--select", type=int, default=3, help="seeds that choose a strength")
    parser.add_argument("--seeds", type=int, default=len(FRESH), help="fresh seeds")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--runs", type=int, default=10**9)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--summary", type=Path)
    parser.add_argument("--metric", help="of the summary: accuracy, log_loss, mcrmse, ...")
    args = parser.parse_args()
    book = Book(args.summary or args.out, args.data, args.variants, args.select, args.seeds)
    if not args.summary:
        work(book, args.model, args.processes, args.minutes, args.runs)
    summary(book, args.metric)


if __name__ == "__main__":
    main()
