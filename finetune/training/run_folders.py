"""A folder for the models of several runs: how each is called, and what was settled for their mean."""

import json
from collections.abc import Sequence

from finetune.tasks.means import mean_of
from finetune.training.members import FORMATS, MEAN
from finetune.training.series import Ended, Part, Series


def run_name(part: Part) -> str:
    """The name of the folder of a run's model.

    Example:
        >>> run_name(Part(3, 1, 0)), run_name(Part(3, 1, 2))
        ('fold-1', 'fold-1-seed-2')
    """
    return f"fold-{part.fold}" if part.seed == 0 else f"fold-{part.fold}-seed-{part.seed}"


def mean_text(series: Series, ended: Sequence[Ended]) -> str:
    """The content of ``mean.json``: what the kind settles, such as thresholds, for the mean over the seeds of all rows."""
    kind, labels, chosen = series.kind, series.task.validation.labels, None
    if kind.settles:
        chosen = kind.settle(labels, kind.decided(mean_of(kind, list(series.raw(ended))))).tolist()
    return json.dumps({"format": FORMATS[MEAN], "chosen": chosen}) + "\n"
