"""Is the verdict of a confirmation true, and how many seeds does it take?

    python benchmarks/verdict_truth.py [--runs 2000] [--cap 30]

Simulated confirmations: paired differences of a known mean, in standard deviations, with normal noise, heavy tails (t with
4 degrees of freedom) and coarse steps of half a standard deviation (a small validation split). The winner is judged against
clean training alone, and against clean training and a control. A confirmation goes on until it is decided. A further rival
has the seeds that the verdict took.
"""

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from studies.results.further import place
from studies.results.intervals import bca
from studies.results.judging import ENOUGH, Judgement, judge
from studies.results.signs import e_value, peak

Array = NDArray[np.float64]
MEANS = (0.0, 0.5, 0.75, 1.0, 1.5, 2.0)
STEP = 0.5
# Seeds that someone adds after the cap.
LATER = 30


def normal(rng: np.random.Generator, size: int) -> Array:
    """Normal noise, sd 1."""
    return rng.normal(size=size)


def heavy(rng: np.random.Generator, size: int) -> Array:
    """Noise of Student's t with 4 degrees of freedom, scaled to sd 1."""
    return rng.standard_t(4, size) / np.sqrt(2)


NOISES = {"normal": normal, "t(4)": heavy, "coarse": normal}


def stepped(found: Array, noise: str) -> Array:
    """Differences as they are measured."""
    return np.round(found / STEP) * STEP if noise == "coarse" else found


def confirmed(clean: Array, control: Array | None, cap: int) -> Judgement:
    """A confirmation that stops when it is decided."""
    for seeds in range(1, cap + 1):
        found = judge(clean[:seeds].tolist(), None if control is None else control[:seeds].tolist(), cap)
        if found.decided:
            return found
    raise AssertionError("a confirmation is decided at its cap")


def one_arm(noise: str, mean: float, runs: int, cap: int) -> list[str]:
    """Rates of one cell: against clean training alone."""
    rng = np.random.default_rng([round(100 * mean), list(NOISES).index(noise)])
    series = [stepped(mean + NOISES[noise](rng, cap + LATER), noise) for _ in range(runs)]
    ends = [confirmed(found, None, cap) for found in series]
    looked = np.mean([peak(found[:cap].tolist()) >= ENOUGH for found in series])
    added = np.mean([judge(found.tolist(), None, cap).word != "not separable" for found in series])
    return [
        f"{mean:g}",
        noise,
        percent(np.mean([end.word == "better" for end in ends])),
        percent(np.mean([end.word == "worse" for end in ends])),
        f"{np.mean([end.seeds for end in ends]):.1f}",
        percent(looked),
        percent(added),
    ]


def two_arms(noise: str, clean: float, control: float, runs: int, cap: int) -> list[str]:
    """Rates of one cell: against clean training and a control, whose differences share the winner's noise."""
    rng = np.random.default_rng([round(100 * clean), round(100 * control), list(NOISES).index(noise)])
    ends = []
    for _ in range(runs):
        winner, *others = (NOISES[noise](rng, cap) for _ in range(3))
        apart = [
            stepped((winner - other) / np.sqrt(2) + mean, noise)
            for other, mean in zip(others, (clean, control), strict=True)
        ]
        ends.append(confirmed(apart[0], apart[1], cap))
    return [
        f"{clean:g}, {control:g}",
        noise,
        percent(np.mean([end.word == "better" for end in ends])),
        percent(np.mean([end.control_word == "better" for end in ends])),
        percent(np.mean([false(end, clean, control) for end in ends])),
        f"{np.mean([end.seeds for end in ends]):.1f}",
    ]


def beside(noise: str, clean: float, rival: float, runs: int, cap: int) -> list[str]:
    """Rates of one cell: a further rival on the verdict's seeds; the control is as far away as clean training."""
    rng = np.random.default_rng([round(100 * clean), round(100 * (rival + 1)), list(NOISES).index(noise), 2])
    ends = []
    for _ in range(runs):
        winner, *others = (NOISES[noise](rng, cap) for _ in range(4))
        apart = [
            stepped((winner - other) / np.sqrt(2) + mean, noise)
            for other, mean in zip(others, (clean, clean, rival), strict=True)
        ]
        end = confirmed(apart[0], apart[1], cap)
        found = apart[2][: end.seeds].tolist()
        ends.append((end.word == "better", place(float(np.mean(found)), *(bca(found) or (None, None)), e_value(found))))
    good = [where for better, where in ends if better]
    return [
        f"{clean:g}, {rival:g}",
        noise,
        percent(len(good) / runs),
        *(percent(np.mean([where == one for where in good])) for one in ("ahead", "unsure", "not shown", "level", "behind")),
    ]


def false(end: Judgement, clean: float, control: float) -> bool:
    """Whether a difference was found where there is none."""
    return (not clean and end.word != "not separable") or (not control and end.control_word != "not separable")


def percent(rate: float) -> str:
    """A rate."""
    return f"{100 * rate:.1f} %"


def show(heads: list[str], cell: Callable[..., list[str]], cells: list[tuple[object, ...]]) -> None:
    """Print a Markdown table, a row as soon as it is known."""
    print(f"\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for arguments in cells:
        print(f"| {' | '.join(cell(*arguments))} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--cap", type=int, default=30)
    options = parser.parse_args()
    rest = (options.runs, options.cap)
    heads = ["mean", "noise", "better", "worse", "seeds", "e-value ever 20", f"found, {LATER} seeds added"]
    show(heads, one_arm, [(noise, mean, *rest) for mean in MEANS for noise in NOISES])
    heads = ["means", "noise", "better than clean", "better than control", "any false word", "seeds"]
    pairs = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    show(heads, two_arms, [(noise, *pair, *rest) for pair in pairs for noise in NOISES])
    heads = ["clean, rival", "noise", "better than clean", "ahead", "unsure", "not shown", "level", "behind"]
    pairs = [(1.0, -0.5), (1.0, 0.0), (1.0, 0.5), (1.0, 1.0), (2.0, 2.0)]
    show(heads, beside, [(noise, *pair, *rest) for pair in pairs for noise in NOISES])


if __name__ == "__main__":
    main()
