"""Does a search need more memory, or more disk, the longer it goes on?

    PYTHONPATH=. python benchmarks/memory.py [--trials 100] [--method awp] [--rows 200] [--epochs 2]

One search of the built-in task in this process. After every tenth trial: the memory that the process holds (MiB), and the
size of the database and of the study's other files (KiB).
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.trial import FrozenTrial

from studies import search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--method", default="awp")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{'trials':>6} {'memory':>8} {'graphics':>9} {'database':>9} {'files':>8}")

        def look(study: optuna.Study, trial: FrozenTrial) -> None:
            if (trial.number + 1) % 10 == 0:
                show(trial.number + 1, folder)

        options: Any = {"trials": args.trials, "epochs": args.epochs, "max_train_rows": args.rows, "progress": False}
        search(args.method, **options, storage=f"sqlite:///{folder / 's.db'}", out=f"{folder / 'runs'}", callbacks=[look])
        show(args.trials, folder)


def show(trials: int, folder: Path) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    graphics = torch.cuda.memory_allocated() / 2**20 if torch.cuda.is_available() else 0.0
    database = sum(path.stat().st_size for path in folder.glob("s.db*"))
    files = sum(path.stat().st_size for path in (folder / "runs").rglob("*") if path.is_file())
    print(f"{trials:>6} {pages / 256:>8.0f} {graphics:>9.0f} {database / 1024:>9.0f} {files / 1024:>8.0f}", flush=True)


if __name__ == "__main__":
    main()
