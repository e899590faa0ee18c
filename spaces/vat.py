"""VAT, lengths over each text (for ``--set form=alum`` give a range per entry: ``--range epsilon=1e-5:0.01:log``).

epsilon 0.01..5: from nothing to the official text code's 5 (there on normalised embeddings). xi 0.003..0.1: below, half
precision rounds the divergence away (bf16 needs 0.01 or more); 0.1 is the official text code's. reg_weight 0.1..10: a
decade around 1; ALUM pre-trains with 10. K 1..2: the papers find one iteration enough, each costs two thirds of a
clean step.
"""

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

SPACE: dict[str, BaseDistribution] = {
    "epsilon": FloatDistribution(0.01, 5.0, log=True),
    "xi": FloatDistribution(3e-3, 0.1, log=True),
    "reg_weight": FloatDistribution(0.1, 10.0, log=True),
    "K": IntDistribution(1, 2),
}
