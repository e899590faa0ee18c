"""WHAT may be searched. Imports optuna.distributions only."""

from optuna.distributions import BaseDistribution, IntDistribution

from spaces import awp, fgm, fgsm, none, pgd, random
from spaces.recipe import RECIPE

Space = dict[str, BaseDistribution]

SPACES: dict[str, Space] = {
    "none": none.SPACE,
    "random": random.SPACE,
    "fgsm": fgsm.SPACE,
    "fgm": fgm.SPACE,
    "pgd": pgd.SPACE,
    "awp": awp.SPACE,
}


def space_of(method: str, epochs: int) -> Space:
    """The declared space of a method, with ``start_epoch`` in 0..epochs-2 (0 when there is one epoch).

    The last start leaves two epochs of attack, so that a late start is never mistaken for clean training. ``none`` has
    nothing to start.
    """
    if method == "none":
        return dict(SPACES[method])
    return SPACES[method] | {"start_epoch": IntDistribution(0, max(0, epochs - 2))}


__all__ = ["RECIPE", "SPACES", "Space", "space_of"]
