"""The results in a study's folder: report, table of trials, best configuration with its predictions."""

from pathlib import Path

from optuna.trial import TrialState

from studies.report.files import write_report, write_trials
from studies.results.export import as_yaml, best_of
from studies.results.summary import Summary
from studies.running.predictions import keep_only, predictions_file
from studies.running.whole import write_whole


def write_outputs(summary: Summary, folder: Path) -> list[Path]:
    """Write report, table and best configuration, each completely or not at all.

    Raises:
        OSError: A file cannot be written.
    """
    paths = [write_report(summary, folder), write_trials(summary, folder)]
    if summary.best is not None:
        table = predictions_file(folder, summary.best.number)
        if table.is_file():
            paths.append(table)
            if not summary.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                keep_only(folder, summary.best.number)
        paths.append(write_whole(folder / "best.yaml", as_yaml(best_of(summary))))
    return paths
