"""WHAT may be searched. Imports optuna.distributions only."""

from decimal import Decimal

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

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

# Methods that begin at whole epochs, because they replay batches.
WHOLE = ("freeat",)

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


def space_of(method: str, epochs: int, per: int = 1) -> Space:
    """The declared space of a method, with ``start_epoch`` in 0..epochs-2 (0 when there is one epoch).

    The latest start leaves two epochs of attack, so a late start is never mistaken for clean training. With N evaluations in
    an epoch, it starts after any of them: in steps of 1/N, and so that the attack has one epoch and one evaluation more.
    ``none`` does not attack, so it has no start.

    Args:
        method: A key of ``SPACES``.
        epochs: Epochs of a run.
        per: Evaluations in an epoch.

    Example:
        >>> start = space_of("fgm", epochs=3, per=2)["start_epoch"]
        >>> start.low, start.high, start.step
        (0.0, 1.5, 0.5)
    """
    if method == "none":
        return dict(SPACES[method])
    per = 1 if method in WHOLE else per
    return SPACES[method] | {"start_epoch": starts_between(0, max(0, (epochs - 1) * per - 1), per)}


def starts_between(low: int, high: int, per: int) -> IntDistribution | FloatDistribution:
    """Starts after these evaluations, in epochs.

    Args:
        low: The first.
        high: The last.
        per: Evaluations in an epoch.
    """
    if per == 1:
        return IntDistribution(low, high)
    # Optuna wants a range that is a multiple of its step in decimals: ten of them are exact, for any number of steps.
    step = Decimal(str(round(1 / per, 10)))
    return FloatDistribution(float(low * step), float(high * step), step=float(step))


__all__ = ["RECIPE", "SPACES", "WHOLE", "Space", "space_of", "starts_between"]
