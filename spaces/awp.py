"""AWP in the form that people copy for fine-tuning.

The smaller of adv_lr and adv_eps decides how far the weights move (the other is then idle), so each needs room below and
above the other. adv_lr 1e-4..1: 1 is the copied default (a sign attack of size adv_eps), 1e-4 a common setting of
competition winners; their 1e-5 moves weights by a thousandth of a percent, less than one AdamW step at a rate of 2e-5
(``--range adv_lr=1e-6:1:log`` reaches it). adv_eps 1e-4..0.3: from the winners' 1e-3 and one decade below it, to just
above the copied 0.2, which moves weights by 15 %.
"""

from optuna.distributions import BaseDistribution, FloatDistribution

SPACE: dict[str, BaseDistribution] = {
    "adv_lr": FloatDistribution(1e-4, 1.0, log=True),
    "adv_eps": FloatDistribution(1e-4, 0.3, log=True),
}
