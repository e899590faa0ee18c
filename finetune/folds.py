"""How the rows are divided into folds, and with how many seeds each fold is trained."""

from typing import Literal

from pydantic import Field

from finetune.config import Strict

# More folds than any column has.
MOST = 10_000


class Folds(Strict):
    """Cross-validation: each row is scored by a model that was trained without its fold.

    Example:
        >>> Folds().used, Folds(seeds=3).folded, Folds(fold_column="fold").folded
        (False, False, True)
    """

    folds: int | None = Field(
        None,
        ge=2,
        description="cross-validation: train a model for each of this many folds, score it on the rows of the fold",
    )
    fold_column: str | None = Field(None, description="column that says in which fold a row is validated")
    group_column: str | None = Field(
        None, description="column of groups: rows of one group stay together, never in two splits"
    )
    fold_score: Literal["pooled", "mean"] = Field(
        "pooled", description="metric of the predictions of all folds together (pooled), or mean over the folds (pooled)"
    )
    seeds: int = Field(1, ge=1, le=100, description="train each fold with this many seeds, and average (1)")

    @property
    def used(self) -> bool:
        """Whether anything differs from a plain search."""
        return self != Folds()

    @property
    def folded(self) -> bool:
        """Whether the rows are divided into folds."""
        return self.folds is not None or self.fold_column is not None

    @property
    def runs(self) -> int:
        """How many runs one setting has; of folds in a column, which may be any number, as many as there may be."""
        return self.seeds * (self.folds or (MOST if self.folded else 1))
