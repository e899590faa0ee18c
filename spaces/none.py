"""Clean training has nothing to search; ``--tune`` adds recipe parameters, to tune the baseline as much as the method."""

from optuna.distributions import BaseDistribution

SPACE: dict[str, BaseDistribution] = {}
