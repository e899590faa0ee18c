"""How long a search takes beside a user's usual set-up (``peer.py``), at equal settings and as each would search.

    PYTHONPATH=. python benchmarks/search_time.py [--data FOLDER] [--model FOLDER] [--method awp] [--trials 12] [--epochs 3]
        [--max-train-rows 400] [--options "--workers 2"] [--pruner none] [--sides ours,equal,real]
        [--where]

"ours" is the command, with the clean baseline, importances and report; ``--options`` are further options of it. "equal" is
the peer with the settings that our trials had, in their order; "real" is the peer with settings of its own. Each runs
alone, on all cores that it takes by default. ``--pruner none`` lets every trial of both run to its end, so that both do the
same work; by default each side prunes as it does. ``--where`` runs our search once more, in one process, under a profiler.
"""

import argparse
import cProfile
import json
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

import optuna
from minilm import minilm

ROOT = Path(__file__).parents[1]
# What the time of a search goes into: file, function, words. Cumulative; a later line may be a part of an earlier one.
PLACES = (
    ("data/load.py", "load_task", "rows"),
    ("training/bench.py", "__init__", "tokens, checks of the model"),
    ("models/pretrained.py", "build", "building models"),
    ("training/loop.py", "_train_until", "training"),
    ("training/loop.py", "_step", "of it clipping and optimiser"),
    ("calibrating/measured.py", "measure", "measuring the ranges"),
    ("training/bench.py", "score", "evaluation"),
    ("training/snapshot.py", "write_snapshot", "writing snapshots"),
    ("training/snapshot.py", "read_snapshot", "reading snapshots"),
    ("results/summary.py", "summarise", "summaries"),
    ("report/files.py", "write_report", "report"),
)


def timed(command: list[str], env: dict[str, str]) -> tuple[float, float, str]:
    """Seconds, CPU seconds of the command and its children, and its output."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=False)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, done.stdout


def options_of(args: argparse.Namespace, folder: Path) -> list[str]:
    """The options of our search."""
    found = ["--method", args.method, "--trials", str(args.trials), "--epochs", str(args.epochs)]
    found += ["--model", args.model, "--study", "timed", *(["--data", args.data] if args.data else ["--task", "reviews"])]
    found += ["--max-train-rows", str(args.max_train_rows)] if args.max_train_rows else []
    found += ["--pruner", args.pruner] if args.pruner else []
    return [*found, "--storage", f"sqlite:///{folder / 'studies.db'}", "--out", str(folder / "runs"), *args.options.split()]


def tried(folder: Path) -> list[dict[str, Any]]:
    """The settings, values and states of our trials."""
    study = optuna.load_study(study_name="timed", storage=f"sqlite:///{folder / 'studies.db'}")
    return [{"settings": t.params, "value": t.value, "state": t.state.name} for t in study.trials]


def peer(
    args: argparse.Namespace, env: dict[str, str], settings: list[dict[str, Any]] | None, folder: Path
) -> dict[str, Any]:
    """What the peer says about itself."""
    command = [sys.executable, "benchmarks/peer.py", "--model", args.model, "--method", args.method]
    command += ["--data", args.data] if args.data else []
    command += ["--trials", str(len(settings) if settings else args.trials), "--epochs", str(args.epochs)]
    command += ["--max-train-rows", str(args.max_train_rows)] if args.max_train_rows else []
    command += ["--pruner", args.pruner] if args.pruner else []
    if settings:
        (folder / "settings.json").write_text(json.dumps(settings))
        command += ["--settings", str(folder / "settings.json")]
    found: dict[str, Any] = json.loads(timed(command, env)[2].splitlines()[-1])
    return found


def row(name: str, seconds: float, cpu: float, trials: list[dict[str, Any]], ours: float | None) -> None:
    pruned, best = sum(t["state"] == "PRUNED" for t in trials), max(t["value"] for t in trials if t["value"] is not None)
    ratio = "" if ours is None else f"{ours / seconds:.2f}"
    print(
        f"{name:<22} {seconds:8.1f} {cpu:8.1f} {seconds / len(trials):9.1f} {pruned:7} {best:8.4f} {ratio:>12}", flush=True
    )


def compare_values(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    """Say what both sides reached with the same settings, where neither ended a trial early."""
    pairs = [(a["value"], b["value"]) for a, b in zip(ours, theirs, strict=True) if a["state"] == b["state"] == "COMPLETE"]
    apart = [a - b for a, b in pairs]
    if len(apart) < 2:
        return
    some = f"mean difference {fmean(apart):+.4f}, median {median(apart):+.4f}, standard deviation {stdev(apart):.4f}"
    print(f"  {len(pairs)} trials that both finished, ours against the peer's, one seed: {some}")


def where(args: argparse.Namespace, folder: Path) -> None:
    """Print what the time of one search in this process goes into."""
    sys.path.insert(0, str(ROOT))
    import search

    profile, began = cProfile.Profile(), time.perf_counter()
    profile.runcall(search.run, options_of(args, folder))
    print(f"\nin one process, with a profiler: {time.perf_counter() - began:.1f} s")
    stats: Any = pstats.Stats(profile)
    for file, function, words in PLACES:
        places = [v for (at, _, name), v in stats.stats.items() if at.endswith(file) and name == function]
        if places:
            print(f"  {words:<30} {sum(v[3] for v in places):8.1f} s in {sum(v[1] for v in places)} calls")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default=None, help="by default the built-in task")
    parser.add_argument("--model", default=minilm())
    parser.add_argument("--method", default="awp")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--max-train-rows", type=int, default=None)
    parser.add_argument("--options", default="")
    parser.add_argument("--pruner", default=None, choices=("median", "none"), help="by default that of each side")
    parser.add_argument("--sides", default="ours,equal,real")
    parser.add_argument("--where", action="store_true")
    return parser.parse_args()


def main() -> None:
    args = parsed()
    args.data, args.model = (str(Path(p).resolve()) if p and Path(p).exists() else p for p in (args.data, args.model))
    env = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        print(f"{'':<22} {'seconds':>8} {'CPU s':>8} {'per trial':>9} {'pruned':>7} {'best':>8} {'ours / this':>12}")
        sides, ours, trials = args.sides.split(","), None, list[dict[str, Any]]()
        if "ours" in sides:
            ours, cpu, _ = timed([sys.executable, "search.py", *options_of(args, folder)], env)
            trials = tried(folder)
            row("ours", ours, cpu, trials, None)
        spent = {}
        for side in [side for side in sides if side != "ours"]:
            settings = [trial["settings"] for trial in trials] if side == "equal" else None
            found = peer(args, env, settings, folder)
            row(f"peer, {side} settings", found["seconds"], found["cpu"], found["trials"], ours)
            spent[side] = found["spent"]
            if settings:
                compare_values(trials, found["trials"])
        for side, parts in spent.items():
            print(f"\npeer, {side} settings:", ", ".join(f"{what} {seconds} s" for what, seconds in parts.items()))
    if args.where:
        with tempfile.TemporaryDirectory() as made:
            where(args, Path(made))


if __name__ == "__main__":
    main()
