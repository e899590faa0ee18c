"""Rows as tensors, padded once; each batch is cut to its longest text."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finetune.data.places import Places
from finetune.tasks.task import Rows

# torch's number for a token without a label.
NO_LABEL = -100
# This many batches are sorted by length together: enough to save padding, few enough to keep the order random.
POOL = 32
# This many rows are scored together: a file that is read in such blocks meets the same batches as a split in memory.
BLOCK = 4096


@dataclass(frozen=True)
class Encoded:
    """One split: inputs of shape (n, longest), lengths (n,), labels (n, ...), and the side of the padding.

    Labels are class numbers (n,), numbers (n, outputs), or class numbers of every token (n, longest), which are cut like
    the inputs. If words have labels, n counts windows: long sentences have several, and ``places`` says what is in them.
    """

    inputs: dict[str, Tensor]
    lengths: NDArray[np.int64]
    labels: Tensor
    left: bool
    places: Places | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    def counted(self, index: NDArray[np.int64]) -> int:
        """How many labels a mean over the rows at ``index`` is taken of: one for each row, or those of their words."""
        if self.labels.dim() == 1 or self.labels.is_floating_point():
            return len(index)
        return int((self.labels[torch.from_numpy(index)] != NO_LABEL).sum())

    def cut(self, index: NDArray[np.int64]) -> slice:
        """The tokens of a batch of the rows at ``index``: no more than the longest of them has."""
        longest = int(self.lengths[index].max())
        return slice(-longest, None) if self.left else slice(longest)

    def batch(self, index: NDArray[np.int64], device: torch.device) -> dict[str, Tensor]:
        """The rows at ``index``, padded to the longest of them."""
        rows, cut = torch.from_numpy(index), self.cut(index)
        batch = {name: values[rows][:, cut] for name, values in self.inputs.items()}
        labels = self.labels[rows]
        batch["labels"] = labels if labels.dim() == 1 or labels.is_floating_point() else labels[:, cut].contiguous()
        return {name: values.to(device, non_blocking=True) for name, values in batch.items()}


def encode(rows: Rows, tokenizer: Any, max_length: int, targets: Callable[[Any], NDArray[Any]]) -> Encoded:
    """Tokenise one split.

    Args:
        rows: The rows of the split.
        tokenizer: The model's tokeniser.
        max_length: Longest text in tokens; longer texts are cut.
        targets: Returns the labels (n, ...) for the tokeniser's output.
    """
    texts = (rows.texts,) if rows.pairs is None else (rows.texts, rows.pairs)
    encoded = tokenizer(*texts, truncation=True, max_length=max_length, padding=True, return_tensors="pt")
    lengths = encoded["attention_mask"].sum(1).numpy()
    labels = torch.from_numpy(np.ascontiguousarray(targets(encoded)))
    return Encoded(dict(encoded), lengths, labels, tokenizer.padding_side == "left")


def train_batches(data: Encoded, size: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """The order of one epoch: shuffled, then by length within pools, then the batches shuffled.

    The order depends only on (seed, epoch): trials are comparable, and an interrupted run goes on as if undisturbed.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(data))
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), size * POOL):
        pool = order[start : start + size * POOL]
        pool = pool[np.argsort(data.lengths[pool], kind="stable")]
        batches += [pool[i : i + size] for i in range(0, len(pool), size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def score_batches(data: Encoded, size: int) -> Iterator[NDArray[np.int64]]:
    """All rows, in blocks of ``BLOCK`` rows or sentences; in a block by length, longest first."""
    rows = np.arange(len(data)) if data.places is None else data.places.sentences[: len(data)]
    for block in np.unique(rows // BLOCK):
        inside = np.flatnonzero(rows // BLOCK == block)
        order = inside[np.argsort(-data.lengths[inside], kind="stable")]
        for start in range(0, len(order), size):
            yield order[start : start + size]
