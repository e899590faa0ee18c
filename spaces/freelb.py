"""FreeLB, norm over each text.

The authors' per-task settings (RoBERTa-large and ALBERT on GLUE) are alpha 0.025..0.2, passes 2..4, init_mag 0.01..1,
epsilon 0.12..0.7 or none. alpha 0.01..0.3, init_mag 0.01..1 and epsilon 0.05..1 contain these with about a factor of 2
to spare; above init_mag / sqrt(3) + (K - 1) * alpha the ball never acts, so "none" is inside. K 2..5: one pass is
only noise, and each further pass costs a clean step. init_mag 0 (a clean first pass) is ``--set init_mag=0``.
"""

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

SPACE: dict[str, BaseDistribution] = {
    "epsilon": FloatDistribution(0.05, 1.0, log=True),
    "alpha": FloatDistribution(0.01, 0.3, log=True),
    "K": IntDistribution(2, 5),
    "init_mag": FloatDistribution(0.01, 1.0, log=True),
}
