"""PGD, norm over the embedding matrix.

epsilon 0.05..5: as FGM. alpha 0.02..2: the copied 0.3 is in the middle; K * alpha spans four fifths of the smallest
ball to twice the largest, so both idle and binding balls occur. K 2..5: one step is FGM, and published settings
(FreeLB's PGD scripts: 2 to 4, robust training: 5) end there; each step costs a pass.
"""

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

SPACE: dict[str, BaseDistribution] = {
    "epsilon": FloatDistribution(0.05, 5.0, log=True),
    "alpha": FloatDistribution(0.02, 2.0, log=True),
    "K": IntDistribution(2, 5),
}
