"""Train an exported configuration: once, or on every fold and with every seed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from finetune.arguments import arg
from finetune.config import Recipe, checked
from finetune.errors import UserError
from finetune.folds import Folds
from finetune.training.epoch import Epoch, words
from studies.report.screen import Screen
from studies.results.best import Best
from studies.results.export import read_best
from studies.results.handed.card import UNKNOWN, refuse_licence
from studies.results.handed.judged import Trained
from studies.results.handed.several import train_several
from studies.results.rerun import rerun


def train(
    config: str | Path,
    *,
    folds: int | None = None,
    seeds: int | None = None,
    fold_column: str | None = None,
    group_column: str | None = None,
    fold_score: str | None = None,
    seed: int | None = None,
    license: str | None = None,
    out: str | Path = "runs/model",
    progress: bool = True,
) -> Trained:
    """Train an exported configuration and save it in the hub's layout, with a model card.

    With folds or seeds, every run gets a folder of its own in ``out``. Runs that are finished there are not trained again.

    Args:
        config: best.yaml, or its JSON form.
        folds: How many folds; by default what the file says.
        seeds: How many seeds; by default what the file says.
        fold_column: A column that says in which fold a row is validated.
        group_column: A column of groups, whose rows stay together.
        fold_score: "pooled" or "mean".
        seed: Another (first) seed.
        license: For the card, an identifier of the hub.
        out: Where the models go.
        progress: Whether to print progress.

    Returns:
        ``value``, its ``error`` over rows, the values of single ``runs``, whether the recorded value is the ``same``,
        ``folder``, and ``sentences`` about it.

    Raises:
        UserError: The file, its data, its model or the folder cannot be used.
    """
    asked = {"folds": folds, "seeds": seeds, "fold_column": fold_column, "group_column": group_column}
    asked |= {"fold_score": fold_score, "seed": seed, "license": license}
    return trained(config, asked, Path(out), Screen.of(progress))


def trained(config: str | Path, asked: dict[str, Any], out: Path, screen: Screen) -> Trained:
    """Train, save, and say whether the recorded value is reproduced.

    Args:
        config: best.yaml, or its JSON form.
        asked: ``seed``, ``license``, and the fields of ``Folds``; None for what is not given.
        out: A folder.
        screen: Where progress is printed.

    Raises:
        UserError: The configuration, its data, its model or the folder cannot be used.
    """
    given = {name: value for name, value in asked.items() if value is not None}
    licence, seed = refuse_licence(given.pop("license", UNKNOWN)), given.pop("seed", None)
    checked(Folds, given)  # a wrong value is refused before a file is read
    best = read_best(str(config))
    folds = folds_for(best, given) if given else best.folds or Folds()
    line = liner(best, screen)
    try:
        if not folds.folded and folds.seeds == 1:
            mine = best.model_copy(update={"folds": folds if folds.used else None})
            found = rerun(mine, seed, out, line, screen.say, licence)
            return Trained(out, found.value, found.error, {"": found.value}, found.same, found.sentences, found.notes)
        if seed is not None:
            best = best.model_copy(update={"recipe": checked(Recipe, best.recipe.model_dump() | {"seed": seed})})
        return train_several(best, folds, out, screen.say, line, licence)
    except UserError as error:
        raise UserError(f"{config}: {error.text}") from None


def folds_for(best: Best, given: dict[str, Any]) -> Folds:
    """The folds and seeds of the file, with what is given beside it; a number of folds replaces a column, and the reverse.

    Raises:
        UserError: What is given does nothing.
    """
    known = {} if best.folds is None else best.folds.model_dump()
    for one, other in (("folds", "fold_column"), ("fold_column", "folds")):
        if one in given and other not in given:
            known.pop(other, None)
    found = checked(Folds, known | given)
    if "fold_score" in given and not found.folded:
        raise UserError(f"{arg('fold_score', found.fold_score)} needs {arg('folds')} or {arg('fold_column')}")
    return found


def liner(best: Best, screen: Screen) -> Callable[[str, Epoch], None]:
    """What prints a line for each evaluation of a run."""
    metric = best.measured

    def line(who: str, epoch: Epoch) -> None:
        here = words(epoch.number, best.recipe.evals_per_epoch, best.recipe.epochs)
        screen.say(f"{who}, {here}: {metric} {epoch.metrics[metric]:.4f}, loss {epoch.loss or 0.0:.4f}")

    return line
