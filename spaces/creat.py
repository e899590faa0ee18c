"""CreAT, norm over each text.

epsilon 0.05..1, alpha 0.01..0.3: as FreeLB; the authors' 0.1 and 0.1 lie inside. K 2..3: one ascent step or two.
reg_weight 0.1..100: from a direction that the loss decides to one that the representation decides; the authors' 1 is for
a cosine summed over the texts, which is 16 to 32 here.
"""

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

SPACE: dict[str, BaseDistribution] = {
    "epsilon": FloatDistribution(0.05, 1.0, log=True),
    "alpha": FloatDistribution(0.01, 0.3, log=True),
    "K": IntDistribution(2, 3),
    "reg_weight": FloatDistribution(0.1, 100.0, log=True),
}
