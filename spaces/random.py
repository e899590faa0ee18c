"""The control for embeddings searches the same ranges as FGM, so both get the same chances.

epsilon 0.05..5: FGM's range.
"""

from optuna.distributions import BaseDistribution

from spaces import fgm

SPACE: dict[str, BaseDistribution] = dict(fgm.SPACE)
