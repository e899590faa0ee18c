"""The files that the dashboard shows with a study."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from optuna.trial import FrozenTrial

from finetune.errors import first_line
from studies.report.files import write_images
from studies.results.export import as_yaml, best_of
from studies.results.summary import Summary
from studies.results.trials import numbered, to_csv
from studies.running.artifacts import Artifact
from studies.running.foreign import CURVES, RUNS
from studies.running.predictions import predictions_file


def attached(summary: Summary, folder: Path) -> tuple[list[Artifact], list[str]]:
    """All files of a study: its trials, their epochs, the best configuration; the curves where figures can be drawn.

    The best trial has its epochs and, where the search kept them, its predictions.

    Args:
        summary: The study's summary.
        folder: The folder of the study's files.

    Returns:
        The files; a line if the curves could not be drawn.
    """
    found = [
        Artifact("trials.csv", to_csv(summary).encode()),
        Artifact("epochs.csv", epochs_csv(summary, summary.trials).encode()),
    ]
    if summary.best is not None:
        found.append(Artifact("best.yaml", as_yaml(best_of(summary)).encode()))
        found.append(Artifact("epochs.csv", epochs_csv(summary, [summary.best]).encode(), summary.best._trial_id))
        table = predictions_file(folder, summary.best.number)
        if table.is_file():
            found.append(Artifact("predictions.csv", table.read_bytes(), summary.best._trial_id))
    try:
        return found + images(summary), []
    except Exception as error:  # a browser may fail in any way, and the other files do not need it
        return found, [f"the dashboard has no image of the curves: {first_line(error)}"]


def images(summary: Summary) -> list[Artifact]:
    """The curves as an image, if kaleido and a Chrome are installed."""
    with TemporaryDirectory() as folder:
        return [Artifact("curves.png", path.read_bytes()) for path in write_images(summary, Path(folder), ("epochs",))]


def epochs_csv(summary: Summary, trials: Iterable[FrozenTrial]) -> str:
    """All metrics after every evaluation, of clean training (without a number) and of trials.

    With one evaluation an epoch, the column "epoch" has its number, from 0; with several, the epochs that were gone.
    """
    rows: list[tuple[int | None, int, dict[str, Any]]] = [(None, e.number, e.metrics) for e in summary.baseline]
    for trial in trials:
        rows += [(trial.number, epoch, metrics) for epoch, metrics in by_epoch(trial, summary.metric)]
    names = list(dict.fromkeys(name for _, _, metrics in rows for name in metrics))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "epoch", *names])
    writer.writerows(
        [number, numbered(evaluation, summary.per), *(metrics.get(name) for name in names)]
        for number, evaluation, metrics in rows
    )
    return text.getvalue()


def by_epoch(trial: FrozenTrial, metric: str) -> list[tuple[int, dict[str, Any]]]:
    """The metrics of a trial after each evaluation; of an older study only what it reported.

    What a trial of several runs reported is about its runs, not its evaluations.
    """
    known = {} if RUNS in trial.user_attrs else trial.intermediate_values
    reported = {epoch: {metric: value} for epoch, value in sorted(known.items())}
    kept = {epoch: metrics for epoch, metrics in enumerate(trial.user_attrs.get(CURVES, [])) if metrics}
    return list((reported | kept).items())
