"""Cards of the models that a search has kept: each model is asked once more about the rows that scored it."""

from pathlib import Path

from finetune.training.epoch import Epoch
from finetune.training.members import members_of
from finetune.training.run_folders import run_name
from finetune.training.saved import Saved
from finetune.training.series import Ended, Part, Series
from studies.planning.versions import versions
from studies.results.best import Best
from studies.results.handed.card import UNKNOWN, Facts, Score
from studies.results.handed.judged import line_of
from studies.results.handed.several import place_of
from studies.results.handed.writing import README, loading_of_several, score_of, tested, write_card, write_group_card
from studies.running.split_error import pooled_error


def write_cards(best: Best, series: Series, place: Path) -> None:
    """Write the cards of the kept models of one trial, if they have none.

    Args:
        best: The trial as a configuration.
        series: Its runs.
        place: The folder of its model, or of its models.

    Raises:
        UserError: A model cannot be read.
        OSError: A card cannot be written.
    """
    series = series.like(best.recipe)
    if len(series.parts) == 1:
        if not has_card(place):
            write_one(best, series, series.parts[0], place, True)
        return
    if (place / README).exists():
        return
    names = [run_name(part) for part in series.parts]
    ended = [write_one(best, series, part, place / name, False) for part, name in zip(series.parts, names, strict=True)]
    value, error = best.recorded.value, pooled_error(series, ended)
    where = "out of fold" if series.task.folds > 1 else "validation"
    scores = [Score(where, series.metric, value, len(series.task.validation), error, best.recorded.clean), *tested(best)]
    loading = loading_of_several(series.task, place / names[0], names)
    told = [line_of(series, value, error, ended)]
    write_group_card(place, Facts(best, best.recipe, series.task, scores, loading, versions(), UNKNOWN, told))


def write_one(best: Best, series: Series, part: Part, folder: Path, alone: bool) -> Ended:
    """Write the card of one model; what it says about its rows, and its value."""
    saved, task = Saved(members_of(folder).models[0]), series.benches.fold(part.fold).task
    raw, value = saved.predict(task.validation), saved.known.value
    value = best.recorded.value if value is None else value
    where, note = place_of(series, part)
    output = series.output(raw, task.validation.labels)
    score = score_of(task, series.metric, value, output, where, best.recorded.clean if alone else None)
    scores, notes = ([score, *tested(best)], []) if alone else ([score], [note])
    mine = best.model_copy(update={"recipe": series.recipe_of(part)})
    if not has_card(folder):
        write_card(folder, folder, task, saved.model, mine, UNKNOWN, scores, notes)
    return Ended(part, [Epoch(0, {series.metric: value}, {}, None, 0.0)], raw)


def has_card(folder: Path) -> bool:
    """Whether the folder has a card already, not only what ``keep`` says about the model."""
    readme = folder / README
    return readme.is_file() and readme.read_text(encoding="utf-8", errors="replace").startswith("---\n")
