"""What does a trial cost the database, and what would it cost with many workers?

    python benchmarks/database_cost.py [--storage sqlite,postgresql] [--known 1000] [--workers 1,2,4,8] [--trials 16]

Workers run trials that train nothing (six settings drawn by TPE, ten values reported, the pruner asked ten times) in a study
that has many trials already. Printed per trial: clock, the processor time of the worker and of the server, the time that
the study is locked, and what one more trial costs every other worker, which has to read it. From these the share of a trial
that 10, 100 and 1,000 workers would spend on the database, and the processors that the server would need. PostgreSQL is a
server of this run alone, with fsync, on this machine: it shares the processors with the workers.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import optuna

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")]

from empty_trials import EPOCHS, RECIPE, empty, filled  # noqa: E402

from studies.planning.loop_plan import loop_plan  # noqa: E402
from studies.running.leases import Leases  # noqa: E402
from studies.running.loop import Options, prepare, run_trials  # noqa: E402
from studies.running.looped import LoopObjective  # noqa: E402
from studies.running.storage import close_storage, open_storage  # noqa: E402

FORK = multiprocessing.get_context("fork")
MANY, LENGTHS = (10, 100, 1000), (30, 600)
PLAN = loop_plan("awp", {"loop": "empty"}, EPOCHS, 0, RECIPE, {}, [], list(RECIPE))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--storage", default="sqlite,postgresql")
    parser.add_argument("--known", type=int, default=1000)
    parser.add_argument("--workers", default="1,2,4,8")
    parser.add_argument("--trials", type=int, default=16, help="of each worker")
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for kind in args.storage.split(","):
        with tempfile.TemporaryDirectory() as name, server(kind) as emptied:
            url = f"sqlite:///{Path(name) / 's.db'}" if emptied is None else emptied()
            storage = open_storage(url)
            filled(storage, PLAN, args.known)
            close_storage(storage)
            print(f"{kind}, {args.known} trials known; ms per trial")
            read = reading(url, emptied, args.known)
            one = None
            print(f"{'workers':>8} {'clock':>7} {'worker':>7} {'server':>7} {'locked':>7} {'trials/s':>9}")
            for workers in map(int, args.workers.split(",")):
                found = measured(url, emptied, workers, args.trials)
                one = one or found
                cells = (f"{found[key]:>7.1f}" for key in ("clock", "worker", "server", "locked"))
                print(f"{workers:>8} {' '.join(cells)} {found['rate']:>9.1f}", flush=True)
            print(f"to read a trial of another worker: {read[0]:.2f} by the worker, {read[1]:.2f} by the server")
            assert one is not None
            projected(one, read)


def server(kind: str) -> AbstractContextManager[Any]:
    """A server of PostgreSQL; nothing for SQLite."""
    if kind == "sqlite":
        return nullcontext()
    from helpers import servers

    return servers.postgresql(fsync="on")


def server_seconds(emptied: Any) -> float:
    """Processor time of all processes of the server so far, also of those that have ended."""
    if emptied is None:
        return 0.0
    main = int((emptied.folder / "data" / "postmaster.pid").read_text().split()[0])
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == main:
            ticks += sum(map(int, fields[11:15]))
        elif int(fields[1]) == main:
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def reading(url: str, emptied: Any, known: int) -> tuple[float, float]:
    """Milliseconds that a worker and the server need for a trial that the worker does not know."""
    storage = open_storage(url)
    study = optuna.load_study(study_name="s", storage=storage)
    began, before = time.process_time(), server_seconds(emptied)
    study.get_trials(deepcopy=False)
    found = 1000 * (time.process_time() - began) / known, 1000 * (server_seconds(emptied) - before) / known
    close_storage(storage)
    return found


def measured(url: str, emptied: Any, workers: int, each: int) -> dict[str, float]:
    """Milliseconds per trial of so many workers at once."""
    storage = open_storage(url)
    there = len(optuna.load_study(study_name="s", storage=storage).get_trials(deepcopy=False))
    close_storage(storage)
    queue, total = FORK.SimpleQueue(), workers * each
    ready, go = FORK.Semaphore(0), FORK.Event()
    running = [FORK.Process(target=work, args=(url, there + total, ready, go, queue)) for _ in range(workers)]
    for process in running:
        process.start()
    for _ in running:
        ready.acquire()
    before, began = server_seconds(emptied), time.perf_counter()
    go.set()
    said = [queue.get() for _ in running]
    took = time.perf_counter() - began
    for process in running:
        process.join()
    sums = {key: 1000 * sum(one[key] for one in said) / total for key in ("worker", "locked")}
    spent = 1000 * (server_seconds(emptied) - before) / total
    return {"clock": 1000 * took * workers / total, "server": spent, "rate": total / took} | sums


def work(url: str, total: int, ready: Any, go: Any, queue: Any) -> None:
    """One worker: says how long it worked, and had the study locked."""
    storage, held = open_storage(url), 0.0
    study = optuna.load_study(study_name="s", storage=storage)
    prepare(study, Options(total, 32), PLAN.space, [PLAN.defaults()], 0)
    study.get_trials(deepcopy=False)
    objective, alone = LoopObjective(PLAN, empty, "accuracy", Path(), lambda trial, epoch: None), Leases.alone

    @contextmanager
    def timed(self: Leases) -> Any:
        nonlocal held
        with alone(self) as session:
            since = time.perf_counter()
            yield session
            session.flush()
            held += time.perf_counter() - since

    Leases.alone = timed  # type: ignore[method-assign]
    ready.release()
    go.wait()
    began = time.process_time()
    run_trials(study, storage, objective, Options(total, 32), say=lambda line: None)
    queue.put({"worker": time.process_time() - began, "locked": held})
    close_storage(storage)


def projected(one: dict[str, float], read: tuple[float, float]) -> None:
    """Print what many workers would cost: a trial of its own, and those of all others while it trains."""
    print(f"{'workers':>8} {'trial of':>9} {'database':>9} {'server':>16} {'study locked':>13}")
    for many in MANY:
        for length in LENGTHS:
            mine = one["clock"] + many * sum(read)
            cores = many * (one["server"] + many * read[1]) / (1000 * length)
            locked = many * one["locked"] / (1000 * length)
            print(f"{many:>8} {length:>7} s {mine / (10 * length):>7.2f} % {cores:>7.2f} processors {locked:>11.1%}")


if __name__ == "__main__":
    main()
