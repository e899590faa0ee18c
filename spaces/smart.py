"""SMART; radius and step per entry of the embedding.

epsilon and alpha 1e-5..0.1: published radii are 1e-5 (paper) to 5e-3 (author's scripts, behind the layer norm, where
entries are ten times as large or more); at 1e-5 nothing moves, at 0.1 (entries of BERT's embeddings deviate by 0.05)
everything does. Both are searched, because the smaller of epsilon and K * alpha decides. reg_weight 0.1..20: 0.1, 1, 3,
5, 10 and 20 are in use. teacher_weight 0.01..10: 1 in the paper, 0.1 to 1 in scripts (``--set teacher_weight=0`` turns
it off). beta stays at 0.99: the paper's 0.999 needs thousands of updates.
"""

from optuna.distributions import BaseDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {
    "epsilon": FloatDistribution(1e-5, 0.1, log=True),
    "alpha": FloatDistribution(1e-5, 0.1, log=True),
    "reg_weight": FloatDistribution(0.1, 20.0, log=True),
    "teacher_weight": FloatDistribution(0.01, 10.0, log=True),
}
