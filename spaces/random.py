"""The control searches what FGM searches, so that both get the same chances.

epsilon 0.05..5: FGM's range.
"""

from optuna.distributions import BaseDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {"epsilon": FloatDistribution(0.05, 5.0, log=True)}
