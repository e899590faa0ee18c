"""Gradient penalty, per text.

reg_weight 1e-3..10: at 1e-3 the penalty vanishes next to the loss, 1 is the common value, at 10 it outweighs the loss.
"""

from optuna.distributions import BaseDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {
    "reg_weight": FloatDistribution(1e-3, 10.0, log=True),
}
