"""A metric of the user's own where it may be undefined: on the rows of one fold."""

import math
from dataclasses import fields
from typing import Self

from finetune.tasks.kind import Array, Kind, Measure
from finetune.tasks.own_metric import Own, OwnFault


class Lenient(Own):
    """A function of the user that is nan where it fails: a fold may lack a class that all folds together have."""

    @classmethod
    def of(cls, own: Own) -> Self:
        """The same function, lenient."""
        return cls(**{field.name: getattr(own, field.name) for field in fields(own)})

    def measure(self, kind: Kind, names: tuple[str, ...]) -> Measure:
        """As ``Own.measure``, without ``OwnFault``."""
        strict = super().measure(kind, names)

        def score(labels: Array, output: Array) -> float:
            try:
                return strict.score(labels, output)
            except OwnFault:
                return math.nan

        return Measure(score, strict.direction)
