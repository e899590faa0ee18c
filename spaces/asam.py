"""ASAM.

rho 0.05..5: a decade around the authors' 0.5 (1 and 2 are in use). eta 1e-3..0.1: a decade around their 0.01.
"""

from optuna.distributions import BaseDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {
    "rho": FloatDistribution(0.05, 5.0, log=True),
    "eta": FloatDistribution(1e-3, 0.1, log=True),
}
