"""WHAT one training step does to find the worst case. Imports torch only."""

from adv.awp import AWP
from adv.fgm import FGM
from adv.fgsm import FGSM
from adv.method import Cost, Method
from adv.none import Clean
from adv.pgd import PGD
from adv.precision import FP32, Precision
from adv.random import RandomDirection
from adv.settings import AttackError, SettingError

METHODS: dict[str, type[Method]] = {
    "none": Clean,
    "random": RandomDirection,
    "fgsm": FGSM,
    "fgm": FGM,
    "pgd": PGD,
    "awp": AWP,
}

__all__ = [
    "AWP", "FGM", "FGSM", "FP32", "METHODS", "PGD", "AttackError", "Clean", "Cost", "Method", "Precision",
    "RandomDirection", "SettingError",
]  # fmt: skip
