"""How a model computes: its layers a second time in the backward pass, to save memory. The result stays the same."""

from typing import Any

from torch import nn

from finetune.arguments import arg
from finetune.config import Recipe
from finetune.errors import UserError


def prepared(model: nn.Module, recipe: Recipe) -> nn.Module:
    """The same model, computing as the recipe says.

    With ``gradient_checkpointing`` each layer keeps only its input, and is computed again in the backward pass with the
    same dropout masks (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost").

    Raises:
        UserError: The model cannot.
    """
    able: Any = model
    if recipe.gradient_checkpointing and not getattr(able, "is_activation_checkpointing", False):
        if not getattr(able, "supports_gradient_checkpointing", False):
            what = f"{type(model).__name__} does not support it"
            raise UserError(f"{arg('gradient_checkpointing', True)}: {what}; a smaller {arg('batch_size')} saves memory too")
        # The other kind, reentrant, gives no gradients to anything but a complete backward pass, and attacks need them.
        able.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    return model
