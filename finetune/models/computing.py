"""How a model computes: its layers a second time in the backward pass, to save memory, or compiled, to save time."""

from typing import Any

import torch
from torch import nn

from adv.core.compiled import attacked_uncompiled
from finetune.arguments import Line, arg
from finetune.config import Recipe
from finetune.errors import UserError, first_line

BACKEND = "inductor"
# Dropout masks of compiled code are then those of the other passes: runs stay comparable.
OPTIONS = {"fallback_random": True}
COMPILED = Line(
    f"{arg('compile', True)}: clean epochs and scores run compiled; attacked passes do not, for compiled code sees neither "
    "perturbations nor every moved weight"
)


def prepared(model: nn.Module, recipe: Recipe) -> nn.Module:
    """The same model, computing as the recipe says.

    With ``gradient_checkpointing`` each layer keeps only its input, and is computed again in the backward pass with the
    same dropout masks (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"). With ``compile`` a call of the
    model is compiled (``torch.compile``) for batches of all sizes when it is first made; names of weights stay as they are.

    Raises:
        UserError: The model cannot be computed again.
    """
    able: Any = model
    if recipe.gradient_checkpointing and not getattr(able, "is_activation_checkpointing", False):
        if not getattr(able, "supports_gradient_checkpointing", False):
            what = f"{type(model).__name__} does not support it"
            raise UserError(f"{arg('gradient_checkpointing', True)}: {what}; a smaller {arg('batch_size')} saves memory too")
        # The other kind, reentrant, gives no gradients to anything but a complete backward pass, and attacks need them.
        able.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    if recipe.compile:
        model.compile(dynamic=True, backend=BACKEND, options=OPTIONS if BACKEND == "inductor" else None)
        attacked_uncompiled(model)
    return model


def refuse_uncompilable(device: torch.device) -> None:
    """Compile something small.

    Raises:
        UserError: It fails: there is no C++ compiler, or torch cannot use it.
    """
    try:
        torch.compile(lambda x: x.sin() + 1, backend=BACKEND)(torch.ones(2, device=device))
    except Exception as error:  # of the compiler, its search, its linker, ...
        why = first_line(getattr(error, "inner_exception", None) or error)[:200]
        raise UserError(f"{arg('compile', True)} needs a C++ compiler that torch can use (such as g++): {why}") from None
