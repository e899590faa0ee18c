"""FGM, norm over the embedding matrix.

epsilon 0.05..5: 1.0 is the default in circulation, 0.1 to 1 what people end with (0.1, 0.5, 0.6, 1.0). Below 0.05 the
push on a token (epsilon spread over the distinct tokens of a batch) is under 0.1 % of its embedding, above 5 it is longer
than the embedding itself.
"""

from optuna.distributions import BaseDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {"epsilon": FloatDistribution(0.05, 5.0, log=True)}
