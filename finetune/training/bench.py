"""What all trials of a study share: the task as tensors, the source of models, the device."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from adv import AttackError
from adv.core.passes import Forward, call_model
from finetune.arguments import Line, arg
from finetune.config import Recipe
from finetune.data.encode import Encoded
from finetune.data.noise import noisy
from finetune.data.told import reading
from finetune.errors import UserError
from finetune.models.computing import COMPILED, prepared, refuse_uncompilable
from finetune.models.fit import Fit
from finetune.models.pooled import changed
from finetune.models.pretrained import Models
from finetune.tasks import kind_for
from finetune.tasks.metrics import evaluate
from finetune.tasks.task import Rows, Task
from finetune.tasks.tokens import usual_tag
from finetune.training.asking import ROWS, Asker
from finetune.training.groups import adamw, by_depth
from finetune.training.losses import forward_of, of_shares, refuse_misfit, weights_told
from finetune.training.views import Answer, attacked, plainly

AUTOCAST = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def scoring(recipe: Recipe) -> tuple[int, torch.dtype | None]:
    """How many rows at a time are scored, and the type for autocast."""
    return max(ROWS, recipe.batch_size), AUTOCAST[recipe.precision]


class Bench:
    """What all trials of a study share: the task as tensors, the source of models, the device.

    Args:
        task: The rows.
        recipe: For its model, text length, threads and seed.
        views: Further views under which ``score`` measures every metric: "robust", "noisy".

    Raises:
        UserError: The model does not fit the task, or has no embeddings to attack in the robust view.

    Example:
        >>> import numpy as np
        >>> rows = Rows(["a fine film", "a dull film"] * 8, None, np.array([1, 0] * 8))
        >>> task = Task("films", "classification", ("bad", "good"), rows, rows, rows)
        >>> bench = Bench(task, Recipe())
        >>> bench.read[:2]
        ['rows: 16 train, 16 validation, 16 test', '2 classes in train: bad 8, good 8']
        >>> model = bench.models.build(seed=0).to(bench.device)
        >>> bench.predict(model, bench.encode(task.test)).shape
        (16, 2)
    """

    def __init__(self, task: Task, recipe: Recipe, views: Sequence[str] = ()) -> None:
        torch.set_num_threads(recipe.threads)
        self.task, self.kind = task, kind_for(task)
        refuse_misfit(recipe, self.kind, task)
        self.models = Models(recipe, task)
        self.scale = self.models.scale
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.max_length = recipe.max_length
        if self.models.vectors is None:
            self.max_length = Fit(
                self.models, recipe.seed, (task.train, task.validation, task.test), recipe.max_length
            ).max_length
        usual = usual_tag(task) if self.kind.by_word else 0
        self.asker = Asker(self.kind, task.names, self.scale, self.models.tokenizer, self.max_length, usual, self.device)
        if recipe.compile:
            refuse_uncompilable(self.device)
            self.models.notes.append(COMPILED)
        if changed(recipe) or recipe.gradient_checkpointing or by_depth(recipe):
            self.try_out(recipe)
        self.train = self.encode(task.train)
        self.validation = self.train if task.validation is task.train else self.encode(task.validation)
        self.models.notes += weights_told(recipe, self.kind, self.train.labels, [*self.models.names.values()])
        # The attack of the view is that of the model's own loss, whatever loss a trial trains: all meet the same one.
        # Only where the output is log-odds would the model's own loss, of plain numbers, attack in the wrong direction.
        self._attacked_by = self.forward_of(recipe) if of_shares(recipe, self.kind) else call_model
        self.views = tuple(views)
        self._noisy = self.encode(noisy(task.validation)) if "noisy" in views else None
        if "robust" in views:
            self._refuse_unattackable(recipe)

    @property
    def notes(self) -> list[str]:
        """Lines about everything that was chosen or left out so that model and data fit."""
        return [*self.models.notes]

    @property
    def read(self) -> list[str]:
        """Lines about the data: how it was read, what is in it, and what will distort the result."""
        return [*self.task.notes, *reading(self.task, self.models.tokenizer, self.max_length)]

    def encode(self, rows: Rows) -> Encoded:
        """Rows as tensors; targets are standardised by the train split."""
        encoded, token = self.asker.encode(rows)
        if token:
            line = Line(f"model {self.models.source}: texts without a token are read as {token}")
            self.models.notes += [line] * (line not in self.models.notes)
        return encoded

    def model_for(self, recipe: Recipe) -> nn.Module:
        """The model that a run with this recipe trains, on its device.

        Raises:
            UserError: There is no such model.
        """
        return prepared(self.models.build(recipe.seed, recipe).to(self.device), recipe)

    def try_out(self, recipe: Recipe) -> None:
        """Build the model and the optimiser of a recipe, before anything is written.

        Raises:
            UserError: The model cannot be changed, computed or optimised so.
        """
        plain = recipe.model_copy(update={"compile": False})  # nothing is computed
        adamw(prepared(self.models.look_at(recipe.seed, recipe), plain), recipe)

    def forward_of(self, recipe: Recipe) -> Forward:
        """How a pass that trains calls the model, for ``Method.backward``: with the loss that the recipe asks for.

        Raises:
            UserError: That loss does not fit the labels, or what this bench made of them.
        """
        found = forward_of(recipe, self.kind, self.train.labels, len(self.models.names), self.device)
        if of_shares(recipe, self.kind) != (self.scale is not None and self.scale.log_odds):
            raise UserError(
                f"{arg('loss', 'bce')} leaves targets as they are, other losses standardise them: make another Bench"
            )
        return found

    def _refuse_unattackable(self, recipe: Recipe) -> None:
        """Attack one row, with the model that will be trained, before anything is written."""
        model = self.models.look_at(recipe.seed).to(self.device)
        one = replace(self.validation, lengths=self.validation.lengths[:1])
        try:
            self.predict(model, one, dtype=AUTOCAST[recipe.precision], answer=self._attacked())
        except AttackError as error:
            raise UserError(f"{arg('model', self.models.source)} cannot be measured in the robust view: {error}") from None

    def _attacked(self) -> Answer:
        return attacked(self.models.tokenizer, forward=self._attacked_by)

    def predict(
        self,
        model: nn.Module,
        data: Encoded,
        size: int = ROWS,
        dtype: torch.dtype | None = None,
        answer: Answer = plainly,
    ) -> NDArray[Any]:
        """Predictions of the model, as its kind of task scores them: with what was chosen on the validation rows.

        They are logits (rows, classes), or targets (rows, targets) in the units of the data, or what the kind says.
        Arguments as for ``outputs``.
        """
        found = self.outputs(model, data, size, dtype, answer)
        if data is self.validation and answer is plainly:
            return self.settled(found)
        chosen = self.chosen(model, size, dtype)
        return found if chosen is None else self.kind.settled(found, chosen)

    def chosen(self, model: nn.Module, size: int = ROWS, dtype: torch.dtype | None = None) -> NDArray[Any] | None:
        """What the kind chooses on the validation rows, such as thresholds; None if it chooses nothing.

        Args:
            model: The model.
            size: Rows at a time.
            dtype: Type for autocast.
        """
        if not self.kind.settles:
            return None
        return self.kind.settle(self.task.validation.labels, self.outputs(model, self.validation, size, dtype))

    def outputs(
        self,
        model: nn.Module,
        data: Encoded,
        size: int = ROWS,
        dtype: torch.dtype | None = None,
        answer: Answer = plainly,
    ) -> NDArray[Any]:
        """What the model says: logits (rows, classes), or targets (rows, targets) in the units of the data.

        Where words have labels, they are tag numbers (sentences, words), -1 after the last word.

        Args:
            model: The model; it is left in evaluation mode.
            data: The rows.
            size: Rows at a time.
            dtype: Type for autocast; None for no autocast.
            answer: How the model is asked: plainly, or under an attack.
        """
        return self.asker.outputs(model, data, size, dtype, answer)

    def raw(
        self, model: nn.Module, data: Encoded, size: int = ROWS, dtype: torch.dtype | None = None, answer: Answer = plainly
    ) -> NDArray[Any]:
        """What can be averaged over models: logits (rows, outputs), or numbers (rows, targets) in the units of the data.

        Where words have labels: logits (sentences, words, tags), NaN after the last word. ``kind.decided`` makes of them
        what ``outputs`` returns. Arguments as for ``outputs``.
        """
        return self.asker.raw(model, data, size, dtype, answer)

    def settled(self, said: NDArray[Any]) -> NDArray[Any]:
        """Predictions as ``predict`` returns them, from what a model says about the validation rows (``outputs``)."""
        return self.kind.settled(said, self.kind.settle(self.task.validation.labels, said)) if self.kind.settles else said

    def score(
        self, model: nn.Module, data: Encoded, rows: Rows, recipe: Recipe, said: NDArray[Any] | None = None
    ) -> dict[str, float]:
        """Every metric of the task on one split, also in the further views.

        Args:
            model: The model; it is left in evaluation mode.
            data: The rows of the split.
            rows: The same rows, with their labels.
            recipe: For its precision and batches.
            said: What the model says about the rows, if they are the validation rows and it has been asked (``outputs``).

        Raises:
            Diverged: The predictions are not finite.
            UserError: The rows have no labels.
        """
        if not rows.labelled:
            raise UserError("rows without labels can be predicted, not scored in any view")
        size, dtype = scoring(recipe)
        output = self.predict(model, data, size, dtype) if said is None else self.settled(said)
        values = evaluate(self.task, rows.labels, output)
        if "robust" in self.views:
            # As many rows at a time as in training, for their backward passes need as much memory.
            output = self.predict(model, data, recipe.batch_size, dtype, self._attacked())
            values |= evaluate(self.task, rows.labels, output, "robust")
        if "noisy" in self.views:
            noise = self._noisy if data is self.validation and self._noisy else self.encode(noisy(rows))
            values |= evaluate(self.task, rows.labels, self.predict(model, noise, size, dtype), "noisy")
        return values
