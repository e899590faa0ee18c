"""What a model says of rows, batch by batch: raw outputs, which can be averaged, or what they decide."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from adv import Precision
from finetune.data.encode import Encoded, encode, score_batches
from finetune.data.windows import encode_words
from finetune.models.fit import filled
from finetune.tasks.kind import Kind, Scale
from finetune.tasks.task import Rows
from finetune.training.views import Answer, plainly

# Rows at a time, unless the recipe trains with more.
ROWS = 64


@dataclass(frozen=True)
class Asker:
    """How texts become inputs of a model, and its answers predictions.

    Args:
        kind: The kind of task.
        names: Names of classes, labels or targets.
        scale: How the model's output becomes a target; None if it does not.
        tokenizer: The model's tokeniser.
        max_length: The longest text in tokens.
        usual: The number of the tag of words without a token; only where words have labels.
        device: Where the model is.
    """

    kind: Kind
    names: tuple[str, ...]
    scale: Scale | None
    tokenizer: Any
    max_length: int
    usual: int
    device: torch.device

    def encode(self, rows: Rows) -> tuple[Encoded, str]:
        """Rows as tensors with standardised targets, and the token that stands for texts without one; empty if all have one.

        Raises:
            UserError: No word has a token.
        """
        if self.kind.by_word:
            return encode_words(rows, self.tokenizer, self.max_length, self.usual), ""
        targets, token = partial(self.kind.targets, rows.labels, self.names, self.scale), ""
        encoded = encode(rows, self.tokenizer, self.max_length, targets)
        if not encoded.lengths.all():
            rows, token = filled(rows, encoded.lengths == 0, self.tokenizer)
            encoded = encode(rows, self.tokenizer, self.max_length, targets)
        return encoded, token

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
