"""How long from the command to the first optimiser step of a search?

    PYTHONPATH=. python benchmarks/start_time.py [--rounds 3] [--options "--data FOLDER --model FOLDER"]

The command runs in a process of its own, which ends at its first step (that of clean training). Printed are the seconds of
every round and the least, and beside it those of importing torch alone.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Waits until the search has imported its loop, and ends the process at the first step.
WATCHED = """
import os, sys, threading, time
def watch():
    while not hasattr(sys.modules.get("finetune.training.loop"), "Training"):
        time.sleep(0.002)
    sys.modules["finetune.training.loop"].Training._step = lambda *args: os._exit(0)
threading.Thread(target=watch, daemon=True).start()
import search
sys.exit(search.run(sys.argv[1:]) or 1)
"""


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit(f"ended with {done.returncode} and without a step:\n{done.stdout[-2000:]}")
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--options", default="")
    args = parser.parse_args()
    found = dict[str, list[float]]()
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory() as folder:
            storage = ["--storage", f"sqlite:///{folder}/s.db", "--out", folder, "--trials", "2"]
            watched = [sys.executable, "-c", WATCHED, *storage, *args.options.split()]
            found.setdefault("first step", []).append(seconds(watched))
        found.setdefault("import torch", []).append(seconds([sys.executable, "-c", "import torch"]))
    for name, times in found.items():
        print(f"{name:<12} {min(times):6.2f} s  ({', '.join(f'{one:.2f}' for one in times)})")


if __name__ == "__main__":
    main()
