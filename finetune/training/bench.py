"""What all trials of a study share: the task as tensors, the source of models, the device."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from adv import Precision
from finetune.config import Recipe
from finetune.data.encode import Encoded, encode, score_batches
from finetune.data.told import reading
from finetune.models.fit import Fit, filled
from finetune.models.pretrained import Models
from finetune.tasks.metrics import evaluate
from finetune.tasks.task import Rows, Task

AUTOCAST = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Bench:
    """What all trials of a study share: the task as tensors, the source of models, the device.

    Raises:
        UserError: The model does not fit the task.
    """

    def __init__(self, task: Task, recipe: Recipe) -> None:
        torch.set_num_threads(recipe.threads)
        self.task, self.models = task, Models(recipe, task)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        targets = task.train.labels if task.kind == "regression" else np.zeros((1, 1), np.float32)
        self.mean, self.std = targets.mean(0), np.maximum(targets.std(0), 1e-6)
        if task.kind == "regression":
            self.models.units = self.mean, self.std
        self.max_length = recipe.max_length
        if self.models.vectors is None:
            self.max_length = Fit(
                self.models, recipe.seed, (task.train, task.validation, task.test), recipe.max_length
            ).max_length
        self.train, self.validation = self.encode(task.train), self.encode(task.validation)

    @property
    def notes(self) -> list[str]:
        """A line for everything that was chosen or left out so that model and data fit."""
        return self.models.notes

    @property
    def read(self) -> list[str]:
        """Lines about the data: how they were read, what they hold, and what will spoil the result."""
        return [*self.task.notes, *reading(self.task, self.models.tokenizer, self.max_length)]

    def encode(self, rows: Rows) -> Encoded:
        """Rows as tensors; regression targets standardised by the training split."""
        labels = rows.labels if self.task.kind == "classification" else (rows.labels - self.mean) / self.std
        tensor, tokenizer = torch.from_numpy(np.ascontiguousarray(labels)), self.models.tokenizer
        encoded = encode(rows, tokenizer, self.max_length, tensor)
        if encoded.lengths.all():
            return encoded
        rows, token = filled(rows, encoded.lengths == 0, tokenizer)
        line = f"model {self.models.source}: texts without a token are read as {token}"
        self.models.notes += [line] * (line not in self.models.notes)
        return encode(rows, tokenizer, self.max_length, tensor)

    def predict(
        self, model: nn.Module, data: Encoded, size: int = 64, dtype: torch.dtype | None = None
    ) -> NDArray[np.float32]:
        """Logits (rows, classes), or targets (rows, targets) in their own units.

        Args:
            model: It; left in evaluation mode.
            data: The rows.
            size: Rows at a time.
            dtype: Of autocast; None for none.
        """
        output = np.zeros((len(data), len(self.task.names)), np.float32)
        precision = Precision(dtype=dtype)
        model.eval()
        with torch.no_grad():
            for index in score_batches(data, size):
                batch = data.batch(index, self.device)
                del batch["labels"]
                with precision.autocast(self.device):
                    logits = model(**batch).logits
                output[index] = logits.float().cpu().numpy().reshape(len(index), -1)
        return output * self.std + self.mean if self.task.kind == "regression" else output

    def score(self, model: nn.Module, data: Encoded, rows: Rows, recipe: Recipe) -> dict[str, float]:
        """Every metric of the task on one split.

        Raises:
            Diverged: The predictions are not finite.
        """
        output = self.predict(model, data, max(64, recipe.batch_size), AUTOCAST[recipe.precision])
        return evaluate(self.task, rows.labels, output)
