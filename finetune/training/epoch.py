"""Evaluations of a run: their numbers, what is known after each, and the value of the run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from finetune.config import Recipe
from finetune.words import short


@dataclass(frozen=True)
class Epoch:
    """What is known after an evaluation, at the end of an epoch or of a part of one: everything is about that part.

    Args:
        number: The number of the evaluation, from 0: with one evaluation an epoch, that of the epoch.
        metrics: Validation metrics of the weights as they are (the averaged ones, if the recipe averages).
        diagnostics: What the attack did; empty if no step was attacked.
        loss: The mean training loss; None if it is not known.
        seconds: What training and scoring took.
        scored: After the last evaluation, the metrics of the weights that the run's value is about; None if these are the
            weights as they are.
        chosen: The numbers of the evaluations that these weights come from.
    """

    number: int
    metrics: dict[str, float]
    diagnostics: dict[str, float]
    loss: float | None
    seconds: float
    scored: dict[str, float] | None = None
    chosen: tuple[int, ...] | None = None


def stored(epoch: Epoch) -> dict[str, Any]:
    """The evaluation as JSON values, without what it does not have."""
    return {name: value for name, value in asdict(epoch).items() if name not in ("scored", "chosen") or value is not None}


def read(values: dict[str, Any]) -> Epoch:
    """What ``stored`` returned, also in versions that stored less.

    Raises:
        TypeError: It is something else.
    """
    chosen = values.get("chosen")
    return Epoch(**values | ({} if chosen is None else {"chosen": tuple(chosen)}))


def metrics_of(history: Sequence[Epoch]) -> dict[str, float]:
    """The metrics that a run is judged by: those of its last evaluation, or of the weights that ``--score`` chose.

    A run that is not finished has those of its last evaluation.
    """
    last = history[-1]
    return last.metrics if last.scored is None else last.scored


def value_of(history: Sequence[Epoch], metric: str) -> float:
    """The value of a run.

    Example:
        >>> history = [Epoch(0, {"accuracy": 0.8}, {}, 0.5, 1.0), Epoch(1, {"accuracy": 0.7}, {}, 0.4, 1.0)]
        >>> value_of(history, "accuracy")
        0.7
    """
    return metrics_of(history)[metric]


def gone(number: int, per: int) -> float:
    """The epochs that are gone after an evaluation.

    Args:
        number: Its number.
        per: Evaluations in an epoch.

    Example:
        >>> gone(2, 1), gone(2, 2)
        (3, 1.5)
    """
    return number + 1 if per == 1 else (number + 1) / per


def words(number: int, per: int, epochs: int | None = None) -> str:
    """Where a run stands after an evaluation.

    Example:
        >>> words(2, 1), words(2, 2, 3), words(0, 3, 3)
        ('epoch 3', 'epoch 1.5 of 3', 'epoch 0.33 of 3')
    """
    if per == 1:
        return f"epoch {number + 1}"
    of = "" if epochs is None else f" of {epochs}"
    return f"epoch {short(round((number + 1) / per, 2))}{of}"


def clean_until(start: float, recipe: Recipe) -> int:
    """How many evaluations lie before the attack begins, without the last of the run.

    Args:
        start: ``start_epoch``.
        recipe: For its epochs and evaluations.

    Example:
        >>> [clean_until(start, Recipe(epochs=3, evals_per_epoch=2)) for start in (0, 1.5, 1.75, 9)]
        [0, 3, 3, 5]
    """
    per = recipe.evals_per_epoch
    return int(min(start * per + 1e-4, recipe.epochs * per - 1))  # six decimals of a third are less than a third


def whole_epochs(history: Sequence[Epoch], per: int) -> list[float]:
    """Seconds of each whole epoch."""
    return [sum(epoch.seconds for epoch in history[i : i + per]) for i in range(0, len(history), per)]
