"""Does a search that is killed with SIGKILL at random moments end as an undisturbed one?

    python benchmarks/killed_search.py [--trials 12] [--kills 5] [--seed 0]

Both use the random sampler and no pruning; compared are settings, states, values and every intermediate value.
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
    return optuna.load_study(study_name="s", storage=f"sqlite:///{folder / 's.db'}").get_trials()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        found = []
        for kills in (0, args.kills):
            folder = Path(name) / str(kills)
            folder.mkdir()
            options = ["--trials", str(args.trials), "--sampler", "random", "--pruner", "none", "--method", "fgm"]
            where = ["--study", "s", "--storage", f"sqlite:///{folder / 's.db'}", "--out", str(folder / "runs")]
            command = [sys.executable, str(SEARCH), *options, *where]
            for _ in range(kills):
                process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
                assert process.stdout is not None
                next(line for line in process.stdout if line.startswith(("trial ", "clean ")))
                time.sleep(6 * rng.random())
                process.send_signal(signal.SIGKILL)
                process.communicate()
                states = [trial.state.name for trial in trials(folder)]
                print(f"killed with {states.count('COMPLETE')} complete, {states.count('RUNNING')} running", flush=True)
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            found.append([(t.number, t.state.name, t.params, t.value, t.intermediate_values) for t in trials(folder)])
    whole, killed = found
    print(f"states at the end: {sorted({state for _, state, *_ in killed})}")
    equal = sum(a == b for a, b in zip(whole, killed, strict=True))
    print(f"{equal} of {args.trials} trials equal to the undisturbed search's")


if __name__ == "__main__":
    main()
