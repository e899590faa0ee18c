"""MI-FGSM in its L2 form, norm over the embedding matrix.

epsilon, alpha, K: as PGD. mu 0..1: none (PGD) to the paper's own 1.
"""

from optuna.distributions import BaseDistribution, FloatDistribution

from spaces import pgd

SPACE: dict[str, BaseDistribution] = {
    **pgd.SPACE,
    "mu": FloatDistribution(0.0, 1.0),
}
