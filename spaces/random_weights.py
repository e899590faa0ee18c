"""The control for weights searches the same ranges as AWP, so both get the same chances.

adv_lr, adv_eps: AWP's ranges.
"""

from optuna.distributions import BaseDistribution

from spaces import awp

SPACE: dict[str, BaseDistribution] = dict(awp.SPACE)
