"""YOPO, norm over each text.

epsilon: as FreeLB. alpha 0.005..0.2: FreeLB's authors divide their step by n (0.0133..0.15). K 1..3 and n 2..5: their
2..3, one below and the paper's 5 above; n = 1 is PGD's path.
"""

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

SPACE: dict[str, BaseDistribution] = {
    "epsilon": FloatDistribution(0.05, 1.0, log=True),
    "alpha": FloatDistribution(0.005, 0.2, log=True),
    "K": IntDistribution(1, 3),
    "n": IntDistribution(2, 5),
}
