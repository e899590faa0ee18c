"""SAM.

rho 0.005..0.5: a decade around the paper's 0.05; 0.15 was used for language models.
"""

from optuna.distributions import BaseDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {
    "rho": FloatDistribution(0.005, 0.5, log=True),
}
