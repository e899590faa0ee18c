"""FreeAT, norm over each text.

epsilon, alpha: as FreeLB, whose authors ran FreeAT with the same values. K 2..4: with one replay nothing is attacked;
in the usual 3 to 6 epochs, 4 replays leave less than two passes over the data (the paper: 4 to 8 replays, 90 epochs).
"""

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

SPACE: dict[str, BaseDistribution] = {
    "epsilon": FloatDistribution(0.05, 1.0, log=True),
    "alpha": FloatDistribution(0.01, 0.3, log=True),
    "K": IntDistribution(2, 4),
}
