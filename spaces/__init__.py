"""WHAT may be searched. Imports optuna.distributions only."""

from optuna.distributions import BaseDistribution, IntDistribution

from spaces import (
    asam,
    awp,
    creat,
    fgm,
    fgsm,
    freeat,
    freelb,
    gradient_penalty,
    mifgm,
    neftune,
    none,
    pgd,
    r3f,
    random,
    random_weights,
    sam,
    sift,
    smart,
    tavat,
    vat,
    yopo,
)
from spaces.recipe import RECIPE

Space = dict[str, BaseDistribution]

SPACES: dict[str, Space] = {
    "none": none.SPACE,
    "random": random.SPACE,
    "random_weights": random_weights.SPACE,
    "fgsm": fgsm.SPACE,
    "fgm": fgm.SPACE,
    "pgd": pgd.SPACE,
    "mifgm": mifgm.SPACE,
    "freeat": freeat.SPACE,
    "yopo": yopo.SPACE,
    "freelb": freelb.SPACE,
    "tavat": tavat.SPACE,
    "creat": creat.SPACE,
    "smart": smart.SPACE,
    "vat": vat.SPACE,
    "r3f": r3f.SPACE,
    "sift": sift.SPACE,
    "neftune": neftune.SPACE,
    "gradient_penalty": gradient_penalty.SPACE,
    "awp": awp.SPACE,
    "sam": sam.SPACE,
    "asam": asam.SPACE,
}


def space_of(method: str, epochs: int) -> Space:
    """The declared space of a method, with ``start_epoch`` in 0..epochs-2 (0 when there is one epoch).

    The latest start leaves two epochs of attack, so a late start is never mistaken for clean training. ``none`` does not
    attack, so it has no start.
    """
    if method == "none":
        return dict(SPACES[method])
    return SPACES[method] | {"start_epoch": IntDistribution(0, max(0, epochs - 2))}


__all__ = ["RECIPE", "SPACES", "Space", "space_of"]
