"""How often does a confirmation of a method that does nothing give a verdict, with real training?

    python benchmarks/verdict_trained.py [--confirmations 40] [--cap 30] [--processes 2]

Each confirmation has three arms on the built-in task: a winner (FGM with an epsilon of 1e-6), clean training, and a control
(such noise). Arms that do nothing end exactly alike on the same seed, so each arm has seeds of its own here: what
is left between them is the whole noise of training, which is more than a paired confirmation meets.
"""

import argparse
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from adv import FGM, METHODS, Clean, Method
from finetune.config import Data, Recipe
from finetune.data.load import load_task
from finetune.training.bench import Bench
from finetune.training.loop import Training
from studies.results.judging import Judgement, judge

SEEDS = 100_000
ARMS: tuple[Method, ...] = (FGM(epsilon=1e-6), Clean(), METHODS["random"](epsilon=1e-6))


def confirmation(number: int, cap: int) -> Judgement:
    """One confirmation, until it is decided."""
    recipe = Recipe(threads=1)
    bench = Bench(load_task(Data(task="reviews")), recipe)
    clean, control = list[float](), list[float]()
    for index in range(cap):
        values = []
        for arm, method in enumerate(ARMS):
            seed = (3 * number + arm) * SEEDS + index
            run = list(Training(bench, recipe.model_copy(update={"seed": seed}), method).epochs())
            values.append(run[-1].metrics["accuracy"])
        clean.append(values[0] - values[1])
        control.append(values[0] - values[2])
        found = judge(clean, control, cap)
        if found.decided:
            return found
    raise AssertionError("a confirmation is decided at its cap")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--confirmations", type=int, default=40)
    parser.add_argument("--cap", type=int, default=30)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    with ProcessPoolExecutor(args.processes, get_context("spawn")) as pool:
        found = list(pool.map(partial(confirmation, cap=args.cap), range(args.confirmations)))
    print(f"{args.confirmations} confirmations: {dict(Counter(each.word for each in found))} than clean training")
    print(f"against the control: {dict(Counter(str(each.control_word) for each in found))}")
    print(f"seeds used: {sum(each.seeds for each in found) / len(found):.1f} in the mean")


if __name__ == "__main__":
    main()
