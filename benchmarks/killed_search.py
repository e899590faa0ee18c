"""Do searches that are killed with SIGKILL at random moments end like one undisturbed search?

    python benchmarks/killed_search.py [--trials 12] [--kills 5] [--processes 1] [--seed 0]

All use the random sampler and no pruning. Settings, states, values and every intermediate value are compared. Each process
has its own folder; all share one database.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import optuna

SEARCH = Path(__file__).parent.parent / "search.py"


def trials(folder: Path) -> list[optuna.trial.FrozenTrial]:
    try:
        return optuna.load_study(study_name="s", storage=f"sqlite:///{folder / 's.db'}").get_trials()
    except KeyError:  # none has begun yet
        return []


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        found = []
        for kills in (0, args.kills):
            folder = Path(name) / str(kills)
            folder.mkdir()
            running = [begin(folder, number, args.trials) for number in range(args.processes if kills else 1)]
            for _ in range(kills):
                time.sleep(3 + 6 * rng.random())
                number = rng.randrange(len(running))
                running[number].send_signal(signal.SIGKILL)
                running[number].wait()
                running[number] = begin(folder, number, args.trials)
                states = [trial.state.name for trial in trials(folder)]
                print(f"killed with {states.count('COMPLETE')} complete, {states.count('RUNNING')} running", flush=True)
            codes = [process.wait() for process in running]
            codes.append(begin(folder, 0, args.trials).wait())  # finishes what the last killed process left
            assert codes == [0] * len(codes), codes
            found.append([(t.number, t.state.name, t.params, t.value, t.intermediate_values) for t in trials(folder)])
    whole, killed = found
    print(f"{len(killed)} trials; states at the end: {sorted({state for _, state, *_ in killed})}")
    equal = sum(a == b for a, b in zip(whole, killed, strict=True))
    print(f"{equal} of {args.trials} trials equal to the undisturbed search's")


def begin(folder: Path, number: int, total: int) -> subprocess.Popen[str]:
    options = ["--trials", str(total), "--sampler", "random", "--pruner", "none", "--method", "fgm", "--threads", "1"]
    where = ["--study", "s", "--storage", f"sqlite:///{folder / 's.db'}", "--out", str(folder / str(number))]
    return subprocess.Popen([sys.executable, str(SEARCH), *options, *where], stdout=subprocess.DEVNULL, text=True)


if __name__ == "__main__":
    main()
