"""R3F.

sigma 1e-6..0.1: around the published 1e-5, up to twice the deviation of BERT's embeddings (0.05), because at 1e-5 and
with equal dropout masks predictions do not move. reg_weight 0.05..10: published 0.1 to 5, with a factor of 2. noise:
both published kinds.
"""

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {
    "sigma": FloatDistribution(1e-6, 0.1, log=True),
    "reg_weight": FloatDistribution(0.05, 10.0, log=True),
    "noise": CategoricalDistribution(("uniform", "normal")),
}
