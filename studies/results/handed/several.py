"""Train a configuration on every fold and with every seed; each model gets a folder, all of them one card."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors import SafetensorError

from adv import METHODS
from finetune.arguments import arg
from finetune.data.load import load_task
from finetune.errors import writing
from finetune.folds import Folds
from finetune.tasks.metrics import direction_of, views_of
from finetune.training.about import About
from finetune.training.benches import Benches
from finetune.training.epoch import Epoch, value_of
from finetune.training.keep import keep, put
from finetune.training.run_folders import run_name
from finetune.training.series import Ended, Part, Series
from finetune.words import counted, listed
from studies.planning.resolve import too_many_threads
from studies.planning.versions import versions
from studies.results.best import Best
from studies.results.digits import places_of, shown
from studies.results.handed.card import UNKNOWN
from studies.results.handed.folders import (
    WRITING,
    claimed,
    finished,
    further,
    record_of,
    refuse_foreign,
    room_told,
    run_file,
    versions_told,
)
from studies.results.handed.judged import Trained, judged
from studies.results.handed.writing import score_of, write_card
from studies.results.recorded import differs

OnEpoch = Callable[[str, Epoch], None]
Tell = Callable[[str], None]


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
    record = record_of(best, series)
    refuse_foreign(out, record)
    ended, notes = finished(out, series), versions_told(out, record)
    missing = [part for part in series.parts if part.number not in ended]
    if ended:
        tell(finished_told(len(ended), len(series.parts), out))
    if missing:
        tell(room_told(out, series, missing))
    with writing(arg("out", out)), claimed(out, record):
        notes += train_missing(series, missing, ended, Job(best, out, licence, on_epoch), tell)
        runs = [ended[part.number] for part in series.parts]
        return judged(best, series, runs, out, licence, [*benches.whole.notes, *notes], different if own else None)


@dataclass(frozen=True)
class Job:
    """What the runs of a training have in common, beside the series."""

    best: Best
    out: Path
    licence: str
    on_epoch: OnEpoch


def train_missing(series: Series, missing: list[Part], ended: dict[int, Ended], job: Job, tell: Tell) -> list[str]:
    """Train the runs that are missing and add them to those that have ended; lines about the saved models."""
    notes, began = list[str](), time.monotonic()
    for count, part in enumerate(missing, 1):
        ended[part.number], said = one_run(series, part, job)
        notes += [line for line in said if line not in notes]
        tell(progress(series, ended[part.number], count, len(missing), time.monotonic() - began))
    if more := further(job.out, series):
        there = f"{listed(more)} {'is' if len(more) == 1 else 'are'} there too, of a call with more seeds"
        notes.append(f"{there}: predict asks all models of the folder, and the value is of the others")
    return notes


def one_run(series: Series, part: Part, job: Job) -> tuple[Ended, list[str]]:
    """Train one run and save it; its file says at the end that it is whole."""
    best, out = job.best, job.out
    training, name = series.training(part, METHODS[best.method](**best.settings)), run_name(part)
    for epoch in training.epochs():
        job.on_epoch(name, epoch)
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
    where, note = place_of(series, part)
    with TemporaryDirectory(dir=out, prefix=WRITING) as whole:
        try:
            with training.scored():
                notes = keep(training.bench, training.model, Path(whole), about)
        except SafetensorError as error:
            raise OSError(str(error)) from None
        scores = [score_of(task, series.metric, value, output, where)]
        mine = best.model_copy(update={"recipe": recipe})
        notes += write_card(Path(whole), out / name, task, training.model, mine, job.licence, scores, [note])
        (out / name).mkdir(exist_ok=True)
        put(Path(whole), out / name)
        run_file(out, name).parent.mkdir(exist_ok=True)
        ended.save(run_file(out, name))
    return ended, notes


def place_of(series: Series, part: Part) -> tuple[str, str]:
    """What the rows are called that score a run, and a sentence about which run it is."""
    folded, seed = series.task.folds > 1, series.recipe_of(part).seed
    here = f"fold {part.fold} of {series.task.folds}" if folded else "all train rows"
    note = f"This is one of {len(series.parts)} models: {here}, seed {seed}. The card in the folder above is about all."
    return f"the rows of fold {part.fold}" if folded else "validation", note


def finished_told(count: int, of: int, out: Path) -> str:
    """A line about runs that are not trained again.

    Example:
        >>> finished_told(1, 6, Path("models"))
        '1 run of 6 in models is finished and stays as it is'
    """
    ways = "is finished and stays as it is" if count == 1 else "are finished and stay as they are"
    return f"{counted(count, 'run')} of {of} in {out} {ways}"


def progress(series: Series, ended: Ended, count: int, of: int, spent: float) -> str:
    """A line about a run that is done, and how long the others will take."""
    value = value_of(ended.history, series.metric)
    places = places_of(direction_of(series.metric) == "maximize", value)
    left = f", about {clock(spent / count * (of - count))} to go" if count < of else ""
    return f"{run_name(ended.part)}: {series.metric} {shown(value, places)}, {count} of {of}{left}"


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
