"""Every benchmark of speed in a short form, one after the other, and one table of what they found.

    make bench [MODEL=FOLDER] [DATA=FOLDER]
    PYTHONPATH=. python benchmarks/everything.py [--model FOLDER] [--data FOLDER] [--only WORD,...] [--out runs/bench]

Ratios compare things that were measured side by side in one run. What each benchmark printed is in the folder of ``--out``.
Run it on a quiet machine. Short forms show the order of size; the figures in docs/performance.md come from the long ones,
which it names. What takes hours is not here: ``cheaper_attacks.py``, ``calibrated_ranges.py`` and what measures accuracy.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from minilm import minilm

ROOT = Path(__file__).parents[1]
FLOAT = r"([\d.]+)"


class Figure(NamedTuple):
    """A number in what a benchmark prints.

    Args:
        words: What it is.
        ours: Where it is: a regular expression with one group.
        peer: Where the number beside it is, if there is one.
        goal: What is aimed at, in words.
    """

    words: str
    ours: str
    peer: str | None = None
    goal: str = ""


class Short(NamedTuple):
    """A benchmark in its short form; ``figures`` are read from its output."""

    name: str
    script: str
    options: str
    figures: list[Figure]


def step(words: str, goals: tuple[str, str, str]) -> list[Figure]:
    """The lines of ``step_cost.py``."""
    names = {"fgm": "fgm", "pgd": "pgd K=3", "awp": "awp"}
    at = {short: rf"^{name}\s+[\d.]+ ms.*, {FLOAT}x by rounds" for short, name in names.items()}
    beside = {short: rf"^{name}, listing\s+[\d.]+ ms.*, {FLOAT}x by rounds" for short, name in names.items()}
    return [Figure(f"{n} step in clean steps, {words}", at[n], beside[n], g) for n, g in zip(names, goals, strict=True)]


BENCHMARKS = [
    Short("step", "step_cost", "--rounds 7", step("MiniLM", ("2.03", "3.40", "2.05"))),
    Short("vocabulary", "step_cost", "--rounds 4 --vocabulary 128000", step("128k words", ("2.03", "2.87", "1.75"))),
    Short(
        "search",
        "search_time",
        "--trials 6 --epochs 2 --max-train-rows 200 --sides ours,equal --options=--workers=2 {data} {model}",
        [Figure("seconds of 6 AWP trials, MiniLM", rf"^ours\s+{FLOAT}", rf"^peer, equal settings\s+{FLOAT}", "a third")],
    ),
    Short(
        "empty",
        "empty_trials",
        "--known 1000 --trials 20 --peer",
        [Figure("ms of an empty trial at 1,000, SQLite", rf"^\s*1000 ours\s+{FLOAT}", rf"^\s*1000 Optuna\s+{FLOAT}", "60")],
    ),
    Short(
        "database",
        "database_cost",
        "--storage sqlite,postgresql --known 300 --workers 1,4 --trials 6",
        [
            Figure("ms of a trial at 300, SQLite, 1 worker", rf"(?s)sqlite, 300.*?\n\s+1\s+{FLOAT}"),
            Figure("the same, PostgreSQL", rf"(?s)postgresql, 300.*?\n\s+1\s+{FLOAT}"),
        ],
    ),
    Short(
        "workers",
        "workers",
        "--ways 1x2,2x1 --rounds 2 --minutes 0.7",
        [Figure("steps/s of 2 workers x 1 thread, tiny", rf"^2 x 1 threads\s+{FLOAT}", rf"^1 x 2 threads\s+{FLOAT}")],
    ),
    Short(
        "workers-minilm",
        "workers",
        "--ways 1x2,2x1 --rounds 2 --minutes 1 --rows 96 {data} {model}",
        [Figure("the same, MiniLM", rf"^2 x 1 threads\s+{FLOAT}", rf"^1 x 2 threads\s+{FLOAT}")],
    ),
    Short(
        "memory",
        "memory",
        "--rows 32 --trials 30 --epochs 1",
        [Figure("MiB after 30 trials; beside it after 10", rf"^\s*30\s+{FLOAT}", rf"^\s*10\s+{FLOAT}")],
    ),
    Short("start", "start_time", "", [Figure("seconds from command to first step", rf"first step\s+{FLOAT}", None, "3")]),
    Short(
        "kills",
        "killed_search",
        "--workers 4 --kills 4 --trials 8 --storage sqlite",
        [Figure("equal trials of 8 after 4 kills", r"(\d+) equal to those", None, "8")],
    ),
    Short(
        "gpu",
        "gpu_speed",
        "--minutes 2",
        [
            Figure("awp in clean steps, DeBERTa-base, bf16", rf"^awp\s+\S+\s+{FLOAT}", rf"^awp, listing\s+\S+\s+{FLOAT}"),
            Figure("methods that never wait for the GPU", r"error'\): (\d+) of", r"error'\): \d+ of (\d+)"),
        ],
    ),
]


def told(short: Short, text: str) -> list[str]:
    """The rows of the table."""
    rows = []
    for figure in short.figures:
        found = [re.search(at, text, re.MULTILINE) if at else None for at in (figure.ours, figure.peer)]
        ours, peer = (float(one[1]) if one else None for one in found)
        ratio = "" if not ours or not peer else f"{ours / peer:.2f}"
        shown = ["?" if ours is None else f"{ours:g}", "" if peer is None else f"{peer:g}", ratio, figure.goal]
        rows.append(f"{figure.words:<42} {shown[0]:>9} {shown[1]:>9} {shown[2]:>7} {shown[3]:>8}")
    return rows


def run(short: Short, options: str, out: Path) -> tuple[str, float]:
    """What the benchmark printed, and its seconds."""
    command = [sys.executable, f"benchmarks/{short.script}.py", *options.split()]
    began, log = time.perf_counter(), out / f"{short.name}.txt"
    env = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    with log.open("w") as file:
        code = subprocess.run(command, cwd=ROOT, env=env, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
    seconds = time.perf_counter() - began
    print(
        f"{short.name}: {' '.join(command[1:])}: {seconds:.0f} s" + (f", ended with {code}: {log}" if code else ""),
        flush=True,
    )
    return log.read_text(), seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=minilm())
    parser.add_argument("--data", default=None)
    parser.add_argument("--only", default="")
    parser.add_argument("--out", default="runs/bench")
    args = parser.parse_args()
    out = Path(args.out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    folders = {
        name: f"--{name} {Path(value).resolve()}" if value else ""
        for name, value in vars(args).items()
        if name in ("model", "data")
    }
    import torch

    rows, left = list[str](), list[str]()
    for short in BENCHMARKS:
        if args.only and short.name not in args.only.split(","):
            continue
        needs_model = "{model}" in short.options and not args.model
        if needs_model or (short.name == "gpu" and not torch.cuda.is_available()):
            left.append(f"{short.name}: needs {'--model' if needs_model else 'a GPU'}")
            continue
        rows += told(short, run(short, short.options.format(**folders), out)[0])
    print(f"\n{'':<42} {'ours':>9} {'beside':>9} {'ratio':>7} {'goal':>8}", *rows, *left, sep="\n")


if __name__ == "__main__":
    main()
