"""FGSM, elementwise.

epsilon 1e-4..1e-1: at 768 dimensions and 128 tokens, 1e-2 is an L2 length of 3.1, several times what FreeLB uses
(0.1 to 0.7), and 1e-4 is 0.03, a tenth of it; one more decade above for narrow encoders, whose entries are larger.
"""

from optuna.distributions import BaseDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {"epsilon": FloatDistribution(1e-4, 1e-1, log=True)}
