"""What the runs of a training are worth together, in sentences, in a table of predictions, and in their card."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from finetune.arguments import Line
from finetune.tasks.means import mean_of
from finetune.tasks.metrics import direction_of
from finetune.training.epoch import value_of
from finetune.training.members import MEAN
from finetune.training.run_folders import mean_text, run_name
from finetune.training.series import Ended, Series
from finetune.words import counted, listed
from studies.planning.versions import versions
from studies.results.best import Best
from studies.results.digits import places_of, shown
from studies.results.handed.card import Facts, Score
from studies.results.handed.writing import loading_of_several, tested, write_group_card
from studies.results.recorded import compared
from studies.running.best_oof import oof_of
from studies.running.predictions import write_table
from studies.running.split_error import pooled_error
from studies.running.whole import write_whole


@dataclass(frozen=True)
class Trained:
    """What a training left.

    Attributes:
        folder: Where the models are: the model itself, or a folder for each fold and seed.
        value: The metric: of one model on its validation rows, of folds out of fold.
        error: Its standard error over draws of the rows; nan if it is not known.
        runs: The value of each run, by the name of its folder; of a single model by an empty name.
        same: Whether the recorded value is reproduced.
        sentences: What is said of the values.
        notes: What is said of the saved models.
    """

    folder: Path
    value: float
    error: float
    runs: dict[str, float]
    same: bool
    sentences: list[str]
    notes: list[str] = field(default_factory=list)


def judged(
    best: Best, series: Series, runs: list[Ended], out: Path, licence: str, notes: list[str], different: list[str] | None
) -> Trained:
    """What all runs are worth together; writes their predictions and their card.

    Args:
        best: The configuration.
        series: The runs.
        runs: All of them, ended.
        out: Their folder.
        licence: For the card.
        notes: Lines about the models.
        different: What is not as it was recorded; None if other folds or seeds were recorded.
    """
    value, error = value_of(series.combined(runs), series.metric), pooled_error(series, runs)
    values = {run_name(run.part): value_of(run.history, series.metric) for run in runs}
    sentences = [line_of(series, value, error, runs)]
    if different is None:
        sentences.append(f"best.yaml records {best.measured} {best.recorded.value:.6g} {measured_on(best)}: not comparable")
        same = False
    else:
        maximize = direction_of(series.metric) == "maximize"
        sentences.append(compared(best, value, different, best.recipe.seed, maximize))
        same = value == best.recorded.value
    mean = mean_of(series.kind, list(series.raw(runs)))
    labels = series.task.validation.labels
    folded = series.task.folds > 1
    table = out / ("oof.csv" if folded else "validation.csv")
    write_table(series.kind, series.task, series.output(mean, labels), table, whole=True)
    if folded:
        oof_of(series, runs, value).save(out / "oof.safetensors")
    write_whole(out / MEAN, mean_text(series, runs))
    names = list(values)
    where = "out of fold" if folded else "validation"
    score = Score(where, series.metric, value, len(labels), error, best.recorded.clean if different == [] else None)
    loading = loading_of_several(series.task, out / names[0], names)
    mine = best.model_copy(update={"folds": series.folds})
    facts = Facts(mine, best.recipe, series.task, [score, *tested(best)], loading, versions(), licence, [sentences[0]])
    notes = [*notes, *write_group_card(out, facts)]
    return Trained(out, value, error, values, same, sentences, list(map(Line, notes)))


def line_of(series: Series, value: float, error: float, runs: Sequence[Ended]) -> str:
    """The value with its error over rows, and its spread over folds and over seeds."""
    folds, seeds = series.task.folds, series.folds.seeds
    places = places_of(direction_of(series.metric) == "maximize", value)
    how = "pooled over" if series.pooled else "mean over"
    parts = [f"{how} {folds} folds"] if folds > 1 else []
    parts += [f"mean over {seeds} seeds"] if seeds > 1 else []
    where = "out of fold" if folds > 1 else "on the validation rows"
    drawn = "rows" if series.task.groups is None else "groups"
    over = f"; standard error {shown(error, places)} over {drawn}" if math.isfinite(error) else ""
    values = {(run.part.fold, run.part.seed): value_of(run.history, series.metric) for run in runs}
    sides = (("folds", 0, folds), ("seeds", 1, seeds))
    spread = [f"{shown(deviation_over(values, side), places)} over {what}" for what, side, many in sides if many > 1]
    ends = f"{shown(min(values.values()), places)} to {shown(max(values.values()), places)}"
    return f"{series.metric} {shown(value, places)} {where} ({listed(parts)}){over}; runs {ends}, sd {listed(spread)}"


def deviation_over(values: dict[tuple[int, int], float], side: int) -> float:
    """The standard deviation over folds (side 0) or seeds (1) of the means over the other; metrics of a fold may be nan."""
    known = {place: value for place, value in values.items() if math.isfinite(value)}
    means = [np.mean([known[at] for at in known if at[side] == one]) for one in sorted({at[side] for at in known})]
    return float(np.std(means, ddof=1)) if len(means) > 1 else math.nan


def measured_on(best: Best) -> str:
    """What the recorded value was measured on."""
    if best.folds is None:
        return f"of one model, with seed {best.recipe.seed}, on its validation rows"
    asked = best.folds
    folds = (
        f"{asked.folds} folds"
        if asked.folds
        else f"the folds of column {asked.fold_column}"
        if asked.folded
        else "one split"
    )
    return f"of {folds} and {counted(asked.seeds, 'seed')}"
