"""Clean training has nothing to search; ``--tune`` adds recipe parameters, for a baseline tuned as much as the method."""

from optuna.distributions import BaseDistribution

SPACE: dict[str, BaseDistribution] = {}
