"""Train an exported configuration once, compare with what was recorded, and save the model."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors import SafetensorError

from adv import METHODS, Clean
from finetune.arguments import arg
from finetune.config import Recipe, checked
from finetune.data.load import load_task
from finetune.errors import writing
from finetune.tasks.metrics import constant_guess, find_metric, views_of
from finetune.training.about import About
from finetune.training.bench import Bench, scoring
from finetune.training.epoch import Epoch, value_of
from finetune.training.keep import keep, put
from finetune.training.loop import Training
from studies.planning.resolve import too_many_threads
from studies.planning.versions import versions
from studies.results.best import Best
from studies.results.digits import gained, judged, nothing_learned, places_of, shown
from studies.results.handed.card import UNKNOWN
from studies.results.handed.folders import refuse_several
from studies.results.handed.writing import score_of, tested, write_card
from studies.results.recorded import compared, differs, seed_of
from studies.results.scored import kept_weights


@dataclass(frozen=True)
class Rerun:
    """How the new value compares with the recorded one, in sentences.

    Args:
        value: The new value.
        same: Whether it is the recorded one.
        sentences: What is said of it.
        notes: Lines about the saved model.
        error: The standard error over draws of the validation rows; nan if it is not known.
    """

    value: float
    same: bool
    sentences: list[str]
    notes: list[str]
    error: float = math.nan


def rerun(
    best: Best,
    seed: int | None,
    out: Path,
    on_epoch: Callable[[str, Epoch], None],
    tell: Callable[[str], None],
    licence: str = UNKNOWN,
) -> Rerun:
    """Train, compare, and save model (averaged, if the recipe says so) and tokeniser to ``out`` in the hub's layout.

    Args:
        best: An exported configuration.
        seed: Another seed, or None for the recorded one.
        out: A folder.
        on_epoch: Called after every evaluation with the method's name.
        tell: Called before training with a line about what differs from the record.
        licence: For the model's card, an identifier of the hub.

    Raises:
        UserError: The folder cannot be written, or data or model cannot be read.
        Diverged: The configuration does not train any more.
    """
    recipe = best.recipe if seed is None else checked(Recipe, best.recipe.model_dump() | {"seed": seed})
    bench = Bench(load_task(best.data, best.metric, best.folds), recipe, views_of(best.measured))
    different = differs(best, bench, recipe)
    changed = f"not as recorded: {'; '.join(different)}" if different else None
    for line in filter(None, (*bench.read, too_many_threads(recipe.threads), changed)):
        tell(line)
    with writing(arg("out", out)):
        refuse_several(out)
        out.mkdir(parents=True, exist_ok=True)
    training = Training(bench, recipe, METHODS[best.method](**best.settings), best.measured)
    for epoch in training.epochs():
        on_epoch(best.method, epoch)
    with writing(arg("out", out)), TemporaryDirectory(dir=out, prefix=".writing-") as whole:
        try:
            with training.scored():
                notes = keep(bench, training.model, Path(whole), about_run(best, recipe, training))
                off, said = carded(best, bench, training, Path(whole), out, licence, different)
        except SafetensorError as error:
            raise OSError(str(error)) from None
        put(Path(whole), out)
    value, weights = value_of(training.history, best.measured), kept_weights(training.history, recipe)
    del training
    maximize = find_metric(best.measured).direction == "maximize"
    lines = [compared(best, value, different, recipe.seed, maximize), *([weights] if weights else [])]
    lines += beside(best, bench, recipe, value, maximize, different, on_epoch)
    return Rerun(value, value == best.recorded.value, lines, [*bench.notes, *notes, *said], off)


def about_run(best: Best, recipe: Recipe, training: Training) -> About:
    """What the saved model knows of its run."""
    return About(
        recipe=recipe,
        data=best.data,
        method=best.method,
        settings=best.settings,
        metric=best.measured,
        value=value_of(training.history, best.measured),
        clean=best.recorded.clean if recipe.seed == seed_of(best) else None,
        study=best.recorded.study,
        trial=best.recorded.trial,
        versions=versions(),
    )


def carded(
    best: Best, bench: Bench, training: Training, whole: Path, out: Path, licence: str, different: list[str]
) -> tuple[float, list[str]]:
    """Write the model's card; the error of its value over rows, and lines about it. Inside ``training.scored()``."""
    size, dtype = scoring(training.recipe)
    output = bench.predict(training.model, bench.validation, size, dtype)
    value = value_of(training.history, best.measured)
    score = score_of(bench.task, best.measured, value, output, "validation", None if different else best.recorded.clean)
    mine = best.model_copy(update={"recipe": training.recipe})
    said = write_card(whole, out, bench.task, training.model, mine, licence, [score, *tested(best)], [])
    return score.error, [*said]


def beside(
    best: Best,
    bench: Bench,
    recipe: Recipe,
    value: float,
    maximize: bool,
    different: list[str],
    on_epoch: Callable[[str, Epoch], None],
) -> list[str]:
    """Lines about clean training with the same seed (trained if the file does not have it) and the constant guess."""
    metric, guess = best.measured, constant_guess(bench.task, bench.views)[best.measured]
    places, lines = places_of(maximize, guess), list[str]()
    clean, how = best.recorded.clean, "recorded"
    if recipe.seed != seed_of(best) and best.method != "none":
        training = Training(bench, recipe, Clean(), metric)
        for epoch in training.epochs():
            on_epoch("clean", epoch)
        clean, how = value_of(training.history, metric), "trained now"
    elif different:
        how = "recorded, before the differences"
    if best.method != "none":
        against = f"seed {recipe.seed}: {best.method} {shown(value, places)}, clean {shown(clean, places)} ({how})"
        lines.append(f"{against}: {judged(gained(value, clean, places, maximize), places)}; one seed is no proof")
    unlearned = nothing_learned("the model", metric, value, guess, places, maximize)
    return lines + ([unlearned] if unlearned else [])
