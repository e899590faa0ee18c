"""What one training step does to find the worst case. Imports torch only."""

from adv.asam import ASAM
from adv.awp import AWP
from adv.core.ball import Ball
from adv.core.limits import Limit, Reach
from adv.core.method import Cost, Method
from adv.core.passes import Forward, Passes, call_model
from adv.core.precision import FP32, Precision
from adv.core.settings import AttackError, SettingError, setting
from adv.core.shift import find_embedding, shifted_embeddings
from adv.core.site import SiteMethod, inner_gradient
from adv.core.weights import Weights
from adv.creat import CreAT
from adv.fgm import FGM
from adv.fgsm import FGSM
from adv.freeat import FreeAT
from adv.freelb import FreeLB
from adv.gradient_penalty import GradientPenalty
from adv.mifgm import MIFGM
from adv.neftune import NEFTune
from adv.none import Clean
from adv.pgd import PGD
from adv.r3f import R3F
from adv.random import RandomDirection
from adv.random_weights import RandomWeights
from adv.sam import SAM
from adv.sift import SiFT
from adv.smart import SMART
from adv.steps.accumulating import AccumulatingMethod
from adv.steps.embedding import EmbeddingMethod
from adv.steps.regularised import RegularisedMethod
from adv.steps.weights import WeightMethod
from adv.tavat import TAVAT
from adv.vat import VAT
from adv.yopo import YOPO

METHODS: dict[str, type[Method]] = {
    "none": Clean,
    "random": RandomDirection,
    "random_weights": RandomWeights,
    "fgsm": FGSM,
    "fgm": FGM,
    "pgd": PGD,
    "mifgm": MIFGM,
    "freeat": FreeAT,
    "yopo": YOPO,
    "freelb": FreeLB,
    "tavat": TAVAT,
    "creat": CreAT,
    "smart": SMART,
    "vat": VAT,
    "r3f": R3F,
    "sift": SiFT,
    "neftune": NEFTune,
    "gradient_penalty": GradientPenalty,
    "awp": AWP,
    "sam": SAM,
    "asam": ASAM,
}

__all__ = [
    "ASAM",
    "AWP",
    "FGM",
    "FGSM",
    "FP32",
    "METHODS",
    "MIFGM",
    "PGD",
    "R3F",
    "SAM",
    "SMART",
    "TAVAT",
    "VAT",
    "YOPO",
    "AccumulatingMethod",
    "AttackError",
    "Ball",
    "Clean",
    "Cost",
    "CreAT",
    "EmbeddingMethod",
    "Forward",
    "FreeAT",
    "FreeLB",
    "GradientPenalty",
    "Limit",
    "Method",
    "NEFTune",
    "Passes",
    "Precision",
    "RandomDirection",
    "RandomWeights",
    "Reach",
    "RegularisedMethod",
    "SettingError",
    "SiFT",
    "SiteMethod",
    "WeightMethod",
    "Weights",
    "call_model",
    "find_embedding",
    "inner_gradient",
    "setting",
    "shifted_embeddings",
]  # fmt: skip
