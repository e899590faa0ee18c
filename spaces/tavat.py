"""TAVAT, norm over each text.

The authors' per-task settings (BERT-base on GLUE) are alpha 0.02..0.2, init_mag 0.1..0.32, epsilon 0.14..0.7, K 2..3:
FreeLB's ranges contain them. K 2..3: the authors did not use more passes, and each costs a clean step.
"""

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

SPACE: dict[str, BaseDistribution] = {
    "epsilon": FloatDistribution(0.05, 1.0, log=True),
    "alpha": FloatDistribution(0.01, 0.3, log=True),
    "K": IntDistribution(2, 3),
    "init_mag": FloatDistribution(0.01, 1.0, log=True),
}
