"""What the best trial predicts for the validation rows, in a table beside its configuration."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.study import StudyDirection
from optuna.trial import Trial, TrialState

from finetune.tasks.kind import Kind
from finetune.tasks.task import Task
from finetune.training.loop import Training
from studies.running.footprint import named
from studies.running.foreign import is_number
from studies.running.whole import write_whole

# More rows, and more of a text, are not kept: the table is for reading.
MOST, LONGEST = 2000, 300
# Decimals at which values count as equal.
PLACES = 4
FILE = re.compile(r"predictions-\d+\.csv")


def predictions_file(folder: Path, number: int) -> Path:
    """The table of a trial, in the folder of its study."""
    return folder / f"predictions-{number}.csv"


def leads(trial: Trial, value: float) -> bool:
    """Whether no complete trial of its study is better than this value: it may be the best in the end."""
    done = trial.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = 1 if trial.study.directions[0] is StudyDirection.MAXIMIZE else -1
    known = [round(sign * other.values[0], PLACES) for other in done if is_number(other.values[0])]
    return is_number(value) and round(sign * value, PLACES) >= max(known, default=-np.inf)


def write_predictions(training: Training, path: Path) -> None:
    """Write what a finished run predicts for the validation rows: row, text, label, prediction.

    Raises:
        OSError: The file cannot be written.
    """
    bench = training.bench
    write_table(bench.kind, bench.task, bench.settled(training.outputs()), path)


def write_table(kind: Kind, task: Task, output: NDArray[Any], path: Path, whole: bool = False) -> None:
    """Write what is predicted for the validation rows; with folds also the number of each row's fold, from 0.

    Args:
        kind: The task's kind, in its form.
        task: The task.
        output: Predictions as ``Bench.predict`` returns them.
        path: The file.
        whole: Write all rows and whole texts, not the first rows and the begins of their texts.

    Raises:
        OSError: The file cannot be written.
    """
    rows = task.validation
    count, longest = (len(rows), None) if whole else (min(len(rows), MOST), LONGEST)
    cells: dict[str, list[Any]] = {"row": list(range(1, count + 1))}
    cells |= {} if task.fold_of is None else {"fold": task.fold_of[:count].tolist()}
    cells |= {"text": [text[:longest] for text in rows.texts[:count]]}
    cells |= {} if rows.pairs is None else {"second text": [text[:longest] for text in rows.pairs[:count]]}
    columns = [*cells.items(), *kind.cells(task.names, rows.labels[:count], output[:count]).items()]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name for name, _ in columns])
    writer.writerows(zip(*(values for _, values in columns), strict=True))
    write_whole(path, text.getvalue())


def keep_only(folder: Path, number: int) -> None:
    """Delete the tables of trials that are not the best any more."""
    for path in named(folder, FILE):
        if path != predictions_file(folder, number):
            path.unlink(missing_ok=True)
