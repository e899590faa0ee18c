"""What a model says of rows, batch by batch: raw outputs, which can be averaged, or what they decide."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from adv import Precision
from finetune.data.encode import Encoded, score_batches
from finetune.tasks.kind import Kind, Scale
from finetune.training.views import Answer, plainly

# Rows at a time, unless the recipe trains with more.
ROWS = 64


class Asker:
    """How a model is asked, and its answers read.

    Args:
        kind: The kind of task.
        scale: How the model's output becomes a target; None if it does not.
        device: Where the model is.
    """

    def __init__(self, kind: Kind, scale: Scale | None, device: torch.device) -> None:
        self.kind, self.scale, self.device = kind, scale, device

    def outputs(
        self,
        model: nn.Module,
        data: Encoded,
        size: int = ROWS,
        dtype: torch.dtype | None = None,
        answer: Answer = plainly,
    ) -> NDArray[Any]:
        """As ``Bench.outputs``."""
        if data.places is None:
            return self.raw(model, data, size, dtype, answer)
        tags = data.places.unread.copy()
        for index, logits, _ in self._answers(model, data, size, dtype, answer):
            data.places.put(tags, index, data.cut(index), logits)
        return tags

    def raw(
        self,
        model: nn.Module,
        data: Encoded,
        size: int = ROWS,
        dtype: torch.dtype | None = None,
        answer: Answer = plainly,
    ) -> NDArray[Any]:
        """As ``Bench.raw``."""
        places, logits = data.places, [np.empty(0)] * len(data)
        targets, words = list(logits), np.empty(0, np.float32)
        for index, given, labels in self._answers(model, data, size, dtype, answer):
            if places is not None:
                words = words if words.size else places.unread_raw(given.shape[-1])
                places.put_raw(words, index, data.cut(index), given)
                continue
            for place, one, label in zip(index, given, labels, strict=True):
                logits[place], targets[place] = one, label
        return words if places is not None else self.kind.predictions(logits, targets, self.scale)

    def _answers(
        self, model: nn.Module, data: Encoded, size: int, dtype: torch.dtype | None, answer: Answer
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[Any]]]:
        """The rows of each batch, the logits, and the labels as the loss takes them."""
        precision = Precision(dtype=dtype)
        model.eval()
        with torch.no_grad():
            for index in score_batches(data, size):
                batch = data.batch(index, self.device)
                found, labels = answer(model, batch, precision), batch["labels"]
                yield index, found.float().cpu().numpy(), labels.cpu().numpy()
