"""FGM, norm over the embedding matrix.

epsilon 0.05..5: 1.0 is the usual default, and people end with 0.1 to 1 (0.1, 0.5, 0.6, 1.0). Measured on the
built-in task, whose embeddings have BERT's length: 0.05 moves a batch's embeddings by 0.4 % of their length, 1 by 8 %,
3 by 22 % (training from the first epoch on then collapses). The relative size is stored with every trial.
"""

from optuna.distributions import BaseDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {"epsilon": FloatDistribution(0.05, 5.0, log=True)}
