"""Do the settings matter on the built-in task? Sobol configurations of each method against clean training.

    python benchmarks/settings_matter.py [--methods fgm,pgd,awp] [--seeds 5] [--points 32]

Configurations are ranked by their mean over the seeds. The table shows the mean of the best and of the worst quarter, with
the standard deviation, over the seeds, of that quarter's mean.
"""

import argparse
import statistics
import time
from typing import Any

from adv import METHODS, Clean, Method
from finetune.config import Data, Recipe
from finetune.data.load import load_task
from finetune.training.bench import Bench
from finetune.training.loop import Training
from spaces import space_of
from studies.running.sampling import design_point


def value(bench: Bench, recipe: Recipe, method: Method) -> float:
    *_, last = Training(bench, recipe, method).epochs()
    return last.metrics["accuracy"]


def quarters(scores: dict[int, list[float]]) -> list[tuple[float, float]]:
    ranked = sorted(scores, key=lambda point: -statistics.mean(scores[point]))
    size = len(ranked) // 4
    rows = []
    for group in (ranked[:size], ranked, ranked[-size:]):
        by_seed = [statistics.mean(column) for column in zip(*(scores[point] for point in group), strict=True)]
        rows.append((statistics.mean(by_seed), statistics.stdev(by_seed) if len(by_seed) > 1 else 0.0))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--methods", default="fgm,pgd,awp")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--points", type=int, default=32)
    args = parser.parse_args()
    recipes = [Recipe(seed=seed) for seed in range(args.seeds)]
    bench = Bench(load_task(Data(task="reviews")), recipes[0])
    clean = [value(bench, recipe, Clean()) for recipe in recipes]
    print(f"clean: {statistics.mean(clean):.4f} sd {statistics.stdev(clean):.4f} over {args.seeds} seeds", flush=True)
    for name in args.methods.split(","):
        began = time.perf_counter()
        scores: dict[int, list[float]] = {}
        space = space_of(name, recipes[0].epochs)
        for point in range(args.points):
            settings: dict[str, Any] = design_point(space, 0, point)
            scores[point] = [value(bench, recipe, METHODS[name](**settings)) for recipe in recipes]
            short = {key: round(setting, 4) for key, setting in settings.items()}
            print(f"  {name} {statistics.mean(scores[point]):.4f} {short}", flush=True)
        best, middle, worst = (f"{mean:.4f} sd {sd:.4f}" for mean, sd in quarters(scores))
        seconds = time.perf_counter() - began
        print(f"{name}: best quarter {best} | all {middle} | worst quarter {worst} | {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
