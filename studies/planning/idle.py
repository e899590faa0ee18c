"""Settings of the recipe that would do nothing beside the others."""

from collections.abc import Mapping, Sequence
from typing import Any

from finetune.arguments import arg
from finetune.config import Data, Recipe
from finetune.errors import UserError
from finetune.folds import Folds
from finetune.words import listed

# A setting, and the values of another with which it has an effect; None is what the task usually has.
NEEDS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "half_life": ("average", ("ema",)),
    "swa_start": ("average", ("swa",)),
    "swa_lr": ("average", ("swa",)),
    "focal_gamma": ("loss", ("focal",)),
    "label_smoothing": ("loss", ("cross_entropy", None)),
    "class_weights": ("loss", ("cross_entropy", "focal", "bce", None)),
    "multi_sample": ("pooling", ("cls", "mean", "max", "attention", "last-layers")),
}
# Values that ask for nothing.
OFF: dict[str, Any] = {"label_smoothing": 0.0, "class_weights": "none", "multi_sample": 1}


def refuse_idle(recipe: Recipe, tune: Sequence[str]) -> None:
    """Refuse settings of what is not used, such as an average, if the user gave them or wants to tune them.

    Raises:
        UserError: Such a setting would do nothing.
    """
    if recipe.score != "last" and recipe.epochs * recipe.evals_per_epoch == 1 and "epochs" not in tune:
        what = f"{arg('score', recipe.score)} chooses among evaluations, and a run of {arg('epochs', 1)} has one"
        raise UserError(f"{what}; {arg('evals_per_epoch')} gives more")
    for name, (other, useful) in NEEDS.items():
        value = getattr(recipe, other)
        if other in tune or value in useful:
            continue
        now = f"{arg(other)} is {value}" if value is not None else f"there is no {arg(other)}"
        first, *more = (word for word in useful if word is not None)
        ways = listed([arg(other, first), *more], "or")
        if name in tune:
            raise UserError(f"{arg('tune', name)} needs {ways}, or {other} among {arg('tune')}: {now}")
        if name in recipe.model_fields_set and getattr(recipe, name) != OFF.get(name):
            raise UserError(f"{arg(name)} only has an effect with {ways}: {now}")
    _refuse_alike(recipe, tune)


def _refuse_alike(recipe: Recipe, tune: Sequence[str]) -> None:
    """Refuse dropout samples without dropout, and frozen embeddings that are frozen anyway.

    Raises:
        UserError: A setting would do nothing.
    """
    if recipe.head_dropout == 0 and "head_dropout" not in tune and ("multi_sample" in tune or recipe.multi_sample > 1):
        what = arg("tune", "multi_sample") if "multi_sample" in tune else arg("multi_sample", recipe.multi_sample)
        raise UserError(f"{what} does nothing with {arg('head_dropout', 0)}: all samples would be the same")
    if recipe.freeze_embeddings and recipe.freeze_layers and "freeze_layers" not in tune:
        what = f"{arg('freeze_layers', recipe.freeze_layers)}, which leaves the embeddings as they are, too"
        raise UserError(f"{arg('freeze_embeddings')} does nothing beside {what}")


def idle_beside(values: Mapping[str, Any]) -> set[str]:
    """Names of values that do nothing beside the others, as a trial of a search may have them.

    Args:
        values: Of a recipe; what is missing is as usual.
    """
    usual = {name: field.default for name, field in Recipe.model_fields.items()}
    whole = usual | dict(values)
    found = {name for name, (other, useful) in NEEDS.items() if whole[other] not in useful}
    found |= {"multi_sample"} if whole["head_dropout"] == 0 else set()
    return found | ({"freeze_embeddings"} if whole["freeze_layers"] else set())


def refuse_idle_folds(folds: Folds, data: Data) -> None:
    """Refuse what does nothing beside the other arguments of folds, or beside these data.

    Raises:
        UserError: An argument would do nothing.
    """
    for name in ("fold_column", "group_column"):
        if getattr(folds, name) is not None and data.task is not None:
            what = f"the built-in task {data.task} has no further columns; {arg('data')} and {arg('train_file')} take yours"
            raise UserError(f"{arg(name, getattr(folds, name))}: {what}")
    if folds.folded and data.max_validation_rows is not None:
        what = f"every row is validated in one fold; {arg('max_train_rows')} takes fewer rows"
        raise UserError(f"{arg('max_validation_rows', data.max_validation_rows)} does nothing with folds: {what}")
    if "fold_score" in folds.model_fields_set and not folds.folded:
        raise UserError(
            f"{arg('fold_score', folds.fold_score)} only has an effect with {arg('folds')} or {arg('fold_column')}"
        )
