"""SiFT; noise and step against the embedding's deviation.

reg_weight 0.5..10: from a sixth of the authors' 3 to twice their 5, in their unit. sigma 1e-3..0.3: a decade below the
authors' 1e-2, and up to a third of the deviation. alpha 1e-5..0.3: from a decade below the authors' 1e-4, where the
perturbation is almost random, to steps that outweigh any noise.
"""

from optuna.distributions import BaseDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {
    "reg_weight": FloatDistribution(0.5, 10.0, log=True),
    "sigma": FloatDistribution(1e-3, 0.3, log=True),
    "alpha": FloatDistribution(1e-5, 0.3, log=True),
}
