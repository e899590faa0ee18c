"""Train a configuration on every fold and with every seed; each model gets a folder, all of them one card."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from safetensors import SafetensorError

from adv import METHODS
from finetune.arguments import Line, arg
from finetune.data.load import load_task
from finetune.errors import writing
from finetune.folds import Folds
from finetune.tasks.means import mean_of
from finetune.tasks.metrics import direction_of, views_of
from finetune.training.about import About
from finetune.training.benches import Benches
from finetune.training.epoch import Epoch, value_of
from finetune.training.keep import keep, put
from finetune.training.series import Ended, Part, Series
from finetune.words import counted, listed
from studies.planning.resolve import too_many_threads
from studies.planning.versions import versions
from studies.results.best import Best
from studies.results.digits import places_of, shown
from studies.results.handed.card import UNKNOWN, Facts, Score
from studies.results.handed.folders import claim, finished, name_of, record_of, room_told, run_file
from studies.results.handed.writing import loading_of_several, score_of, tested, write_card, write_group_card
from studies.results.recorded import compared, differs
from studies.running.best_oof import oof_of
from studies.running.predictions import write_table
from studies.running.split_error import pooled_error
from studies.running.whole import write_whole

MEAN = "mean.json"
OnEpoch = Callable[[str, Epoch], None]
Tell = Callable[[str], None]


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


def train_several(best: Best, folds: Folds, out: Path, tell: Tell, on_epoch: OnEpoch, licence: str = UNKNOWN) -> Trained:
    """Train every fold with every seed; runs that are finished in the folder are not trained again.

    Args:
        best: The configuration; its recipe has the first seed.
        folds: The folds and seeds.
        out: A folder, for ``fold-0``, ``fold-0-seed-1``, ..., and what belongs to all of them.
        tell: Called with lines about the data, and about each run when it is done.
        on_epoch: Called after every evaluation with the name of the run's folder.
        licence: For the cards, an identifier of the hub.

    Raises:
        UserError: The folder cannot be used, or data or model cannot be read.
        Diverged: A run's values are no longer finite.
    """
    task = load_task(best.data, best.metric, folds)
    benches = Benches(task, best.recipe, views_of(best.measured))
    series, own = Series(benches, folds, best.recipe, best.measured), folds == (best.folds or Folds())
    different = differs(best, benches.whole, best.recipe) if own else []
    changed = f"not as recorded: {'; '.join(different)}" if different else None
    for line in filter(None, (*benches.whole.read, too_many_threads(best.recipe.threads), changed)):
        tell(line)
    with writing(arg("out", out)):
        claim(out, record_of(best, series))
    ended, notes = finished(out, series), list[str]()
    missing = [part for part in series.parts if part.number not in ended]
    if ended:
        tell(f"{counted(len(ended), 'run')} of {len(series.parts)} in {out} are finished and stay as they are")
    if missing:
        tell(room_told(out, series, missing))
    began = time.monotonic()
    for count, part in enumerate(missing, 1):
        ended[part.number], said = one_run(series, part, best, out, on_epoch, licence)
        notes += [line for line in said if line not in notes]
        tell(progress(series, ended[part.number], count, len(missing), time.monotonic() - began))
    runs = [ended[part.number] for part in series.parts]
    return judged(best, series, runs, out, licence, [*benches.whole.notes, *notes], different if own else None)


def one_run(series: Series, part: Part, best: Best, out: Path, on_epoch: OnEpoch, licence: str) -> tuple[Ended, list[str]]:
    """Train one run and save it; its file says at the end that it is whole."""
    training, name = series.training(part, METHODS[best.method](**best.settings)), name_of(part)
    for epoch in training.epochs():
        on_epoch(name, epoch)
    ended, recipe = series.ended(part, training), series.recipe_of(part)
    value, task = value_of(ended.history, series.metric), training.bench.task
    about = About(
        recipe=recipe,
        data=best.data,
        method=best.method,
        settings=best.settings,
        metric=best.metric,
        value=value,
        fold=part.fold,
        seed=part.seed,
        folds=series.task.folds,
        seeds=series.folds.seeds,
        study=best.recorded.study,
        trial=best.recorded.trial,
        versions=versions(),
    )
    output = series.output(ended.raw, task.validation.labels)
    folded = series.task.folds > 1
    where = f"the rows of fold {part.fold}" if folded else "validation"
    here = f"fold {part.fold} of {series.task.folds}" if folded else "all train rows"
    note = (
        f"This is one of {len(series.parts)} models: {here}, seed {recipe.seed}. The card in the folder above is about all."
    )
    with writing(arg("out", out)), TemporaryDirectory(dir=out, prefix=".writing-") as whole:
        try:
            with training.scored():
                notes = keep(training.bench, training.model, Path(whole), about)
        except SafetensorError as error:
            raise OSError(str(error)) from None
        scores = [score_of(task, series.metric, value, output, where)]
        mine = best.model_copy(update={"recipe": recipe})
        notes += write_card(Path(whole), out / name, training.bench, training.model, mine, licence, scores, [note])
        (out / name).mkdir(exist_ok=True)
        put(Path(whole), out / name)
        run_file(out, name).parent.mkdir(exist_ok=True)
        ended.save(run_file(out, name))
    return ended, notes


def progress(series: Series, ended: Ended, count: int, of: int, spent: float) -> str:
    """A line about a run that is done, and how long the others will take."""
    value = value_of(ended.history, series.metric)
    places = places_of(direction_of(series.metric) == "maximize", value)
    left = f", about {clock(spent / count * (of - count))} to go" if count < of else ""
    return (
        f"{name_of(ended.part)}: {series.metric} {shown(value, places)} ({count} of {of}, {clock(spent / count)} each{left})"
    )


def clock(seconds: float) -> str:
    """A time in words.

    Example:
        >>> clock(3.2), clock(75), clock(7300)
        ('3 s', '1 min', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.2g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


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
    values = {name_of(run.part): value_of(run.history, series.metric) for run in runs}
    sentences = [line_of(series, value, error, runs)]
    if different is None:
        sentences.append(f"best.yaml records {best.measured} {best.recorded.value:.6g} {measured_on(best)}: not comparable")
        same = False
    else:
        maximize = direction_of(series.metric) == "maximize"
        sentences.append(compared(best, value, different, best.recipe.seed, maximize))
        same = value == best.recorded.value
    with writing(arg("out", out)):
        mean = mean_of(series.kind, list(series.raw(runs)))
        labels = series.task.validation.labels
        folded = series.task.folds > 1
        table = out / ("oof.csv" if folded else "validation.csv")
        write_table(series.kind, series.task, series.output(mean, labels), table, most=None)
        if folded:
            oof_of(series, runs, value).save(out / "oof.safetensors")
        chosen = series.kind.settle(labels, series.kind.decided(mean)).tolist() if series.kind.settles else None
        write_whole(out / MEAN, json.dumps({"format": "advsearch mean 1", "chosen": chosen}) + "\n")
        names = list(values)
        where = "out of fold" if folded else "validation"
        score = Score(where, series.metric, value, len(labels), error)
        loading = loading_of_several(series.task, out / names[0], names)
        facts = Facts(best, best.recipe, series.task, [score, *tested(best)], loading, versions(), licence, [sentences[0]])
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
    over = f"; standard error {shown(error, places)} over rows" if math.isfinite(error) else ""
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
