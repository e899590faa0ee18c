"""Loss scales, losses that are larger than they were, and the methods that an overflow stops."""

import torch

from helpers.watched_steps import ASCENDING, ON_WEIGHTS

# Methods whose inner gradient is scaled as the loss is.
INNER = [name for name in (*ASCENDING, *ON_WEIGHTS) if name not in ("fgsm", "random", "random_weights")]


def scaler_of(scale, **options):
    return torch.amp.GradScaler("cpu", init_scale=scale, **options)


def times(factor):
    """A forward whose loss is so many times as large."""

    def forward(model, batch):
        output = model(**batch)
        return {"loss": output.loss * factor, "logits": output.logits}

    return forward
