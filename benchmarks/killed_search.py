"""Do searches that are killed with SIGKILL at random moments end like one undisturbed search?

    python benchmarks/killed_search.py [--storage sqlite|postgresql] [--workers 8] [--kills 20] [--trials 24] [--seed 0]
                                       [--alone]

Two searches, one of them disturbed: its workers are on two machines, each with a folder and a host name of its own, and
share one database. On each machine one command with ``--workers`` runs half of them, and starts killed ones again; with
``--alone`` every worker is a command of its own, and begins again when it is killed. PostgreSQL is a server of this run
alone; after half of the kills it is stopped, and started two seconds later. Settings are drawn at random and nothing is
pruned, as models and pruning depend on what is finished when. Numbers, settings, states, values and every intermediate value
are compared.
"""

import argparse
import ctypes
import multiprocessing
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from contextlib import AbstractContextManager, nullcontext, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import optuna

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import search  # noqa: E402

FORK = multiprocessing.get_context("fork")  # a new process need not import everything again
ROWS, REFUSED = 500, 2
SAID = (
    "is free again", "is trained again", "database is away", "broke in the middle", "is left to others", "is started again",
)  # fmt: skip
NEW_NAMES = 0x04000000  # CLONE_NEWUTS of unshare(2): a host name of its own


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--storage", choices=("sqlite", "postgresql"), default="sqlite")
    for name, default in (("trials", 24), ("kills", 20), ("workers", 8), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--alone", action="store_true")
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as name, server(args.storage) as emptied:
        folder = Path(name)
        whole = f"sqlite:///{folder / 'whole.db'}"
        begun(whole, folder / "whole", "whole", args.trials).join()
        url = f"sqlite:///{folder / 'killed.db'}" if emptied is None else emptied()
        took = disturbed(url, folder, args, None if emptied is None else emptied.away)
        compare(trials(whole), trials(url), args.trials)
        said = [line for log in folder.rglob("log-*") for line in log.read_text().splitlines()]
        lines = Counter(words for line in said for words in SAID if words in line)
    print(f"{args.storage}: {took:.0f} s; lines: {dict(lines)}")


def server(storage: str) -> AbstractContextManager[Any]:
    """A server of PostgreSQL; nothing for SQLite."""
    if storage == "sqlite":
        return nullcontext()
    from helpers import servers

    return servers.postgresql()


def disturbed(url: str, folder: Path, args: argparse.Namespace, away: Any) -> float:
    """The search with workers that are killed; returns how long it took."""
    rng, began = random.Random(args.seed), time.monotonic()
    many, each = (args.workers, 1) if args.alone else (2, args.workers // 2)
    running = [again(url, folder, number, args.trials, each) for number in range(many)]
    while not trials(url):
        time.sleep(0.5)
    for kill in range(args.kills):
        time.sleep(1 + 3 * rng.random())
        if args.alone:
            number = rng.randrange(len(running))
            running[number].kill()
            running[number].join()
        else:
            workers = [pid for process in running for pid in workers_of(process.pid)]
            if not workers:
                sys.exit(f"the search ended after {kill} kills: give more --trials")
            os.kill(rng.choice(workers), signal.SIGKILL)
        states = Counter(trial.state.name for trial in trials(url))
        print(f"kill {kill + 1:2} at {time.monotonic() - began:5.1f} s: {dict(states)}", flush=True)
        if args.alone:
            running[number] = again(url, folder, number, args.trials, each)
        if away is not None and kill + 1 == args.kills // 2:
            with away():
                time.sleep(2)
            print("the server was away for two seconds", flush=True)
    for number, process in enumerate(running):
        process.join()
        if process.exitcode == REFUSED:  # it began while the server was away: a cluster would start it again
            running[number] = again(url, folder, number, args.trials, each)
            running[number].join()
    codes = [process.exitcode for process in running]
    assert codes == [0] * len(codes), codes
    return time.monotonic() - began


def workers_of(parent: int) -> list[int]:
    """The workers of a command that are at work."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, ppid, *_ = stat.read_text().rpartition(")")[2].split()
            found += [int(stat.parent.name)] if int(ppid) == parent and state not in "ZX" else []
    return found


def again(url: str, folder: Path, number: int, total: int, workers: int) -> Any:
    """Process ``number``, on one of two machines."""
    machine = f"machine-{number % 2}"
    return begun(url, folder / machine, machine, total, workers)


def begun(url: str, folder: Path, host: str, total: int, workers: int = 1) -> Any:
    """A process of the search."""
    process = FORK.Process(target=work, args=(url, folder, host, total, workers))
    process.start()
    return process


def work(url: str, folder: Path, host: str, total: int, workers: int) -> None:
    """The search command, on a machine of this name."""
    if ctypes.CDLL(None).unshare(NEW_NAMES):  # not root: a worker then has the name of this machine
        socket.gethostname = lambda: host
    else:
        socket.sethostname(host)
    options = ["--method", "fgm", "--trials", str(total), "--sampler", "random", "--pruner", "none", "--threads", "1"]
    options += ["--max-train-rows", str(ROWS), "--workers", str(workers)]
    folder.mkdir(exist_ok=True)
    log = folder / f"log-{multiprocessing.current_process().pid}"
    with log.open("w", buffering=1) as file, redirect_stdout(file):
        code = search.run([*options, "--study", "s", "--storage", url, "--out", str(folder)])
    sys.exit(code)


def trials(url: str) -> list[optuna.trial.FrozenTrial]:
    """All trials so far."""
    from studies.running.storage import close_storage, open_storage

    storage = open_storage(url)
    try:
        return optuna.load_study(study_name="s", storage=storage).get_trials()
    except KeyError:  # none has begun yet
        return []
    finally:
        close_storage(storage)


def cells(trial: optuna.trial.FrozenTrial) -> tuple[Any, ...]:
    """What a trial is."""
    return trial.number, trial.state.name, trial.params, trial.value, trial.intermediate_values


def compare(whole: list[optuna.trial.FrozenTrial], killed: list[optuna.trial.FrozenTrial], total: int) -> None:
    """Print how many trials are equal."""
    one, other = ([cells(trial) for trial in found] for found in (whole, killed))
    equal = sum(a == b for a, b in zip(one, other, strict=False))
    states = Counter(state for _, state, *_ in other)
    print(f"{len(other)} trials of {total}: {dict(states)}; {equal} equal to those of the undisturbed search")


if __name__ == "__main__":
    import transformers  # noqa: F401

    import studies.searching
    import studies.working  # noqa: F401

    main()
