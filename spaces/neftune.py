"""NEFTune.

sigma 0.5..15: the paper uses 5, 10 and 15 with models of 4096 dimensions; shorter texts need smaller noise, because
fewer tokens share it.
"""

from optuna.distributions import BaseDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {
    "sigma": FloatDistribution(0.5, 15.0, log=True),
}
