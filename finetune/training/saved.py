"""A saved model, asked again: the same texts in the same file give the numbers of the search, bit for bit on a CPU."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import nn

from finetune.arguments import Line
from finetune.errors import UserError, first_line
from finetune.models.checkpoint import HEAD
from finetune.models.computing import prepared, refuse_uncompilable
from finetune.models.pooled import encoder_class
from finetune.models.pooling import Pooled, read_head
from finetune.models.pretrained import quiet
from finetune.tasks import kind_for
from finetune.tasks.kind import Kind
from finetune.tasks.means import How, mean_of
from finetune.tasks.task import Rows, Task
from finetune.training.about import EXACT, Known
from finetune.training.asking import Asker
from finetune.training.bench import scoring
from finetune.training.members import Member, Members, members_of
from finetune.words import some

SHOWN = 3


class Saved:
    """One saved model.

    Args:
        member: Its folder, and what it knows.
        tell: Called with lines about what is not as it was when the model was scored.

    Raises:
        UserError: The folder does not hold what it should.
    """

    def __init__(self, member: Member, tell: Any = lambda line: None) -> None:
        self.folder, self.known = member.folder, member.known
        self.kind = kind_of(self.known)
        self.recipe, self.device = self.known.recipe, torch.device("cuda" if torch.cuda.is_available() else "cpu")
        lines = self._fit_to_device()
        self.tokenizer, self.model = self._tokenizer(), self._model()
        units = self.known.units
        names, scale = self.known.names, None if units is None else units.scale
        self._asker = Asker(*(self.kind, names, scale, self.tokenizer, self.known.max_length, self.known.usual, self.device))
        for line in lines:
            tell(Line(f"{self.folder}: {line}"))

    def predict(self, rows: Rows) -> NDArray[Any]:
        """Raw outputs for the rows, as ``Bench.raw`` returned them."""
        torch.set_num_threads(self.recipe.threads)
        encoded, _ = self._asker.encode(rows)
        return self._asker.raw(self.model, encoded, *scoring(self.recipe))

    @property
    def bytes(self) -> int:
        """The size of its weights in memory."""
        return sum(value.numel() * value.element_size() for value in self.model.state_dict().values())

    def _fit_to_device(self) -> list[str]:
        """Lines about where and how precisely it is computed, if that differs from how it was scored."""
        was, here, lines, changed = self.known.device, self.device.type, list[str](), dict[str, Any]()
        if was != here and here == "cpu" and self.recipe.precision != "fp32":
            changed["precision"] = "fp32"
            lines.append(f"it was scored on {was} in {self.recipe.precision}; here, on a CPU, it predicts in fp32")
        elif was != here:
            lines.append(f"it was scored on {was} and predicts on {here}: last digits may differ")
        changed["gradient_checkpointing"] = False
        if self.recipe.compile:
            try:
                refuse_uncompilable(self.device)
            except UserError as error:
                changed["compile"] = False
                lines.append(f"it was scored compiled, and is not compiled here: last digits may differ ({error.text})")
        self.recipe = self.recipe.model_copy(update=changed)
        return lines

    def _tokenizer(self) -> Any:
        import transformers

        quiet()
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(self.folder, trust_remote_code=False)
        except Exception as error:  # many unrelated types, which all mean: not readable
            raise UserError(f"{self.folder}: its tokeniser cannot be read: {first_line(error)[:200]}") from None
        tokenizer.padding_side, tokenizer.model_input_names = self.known.side, list(self.known.inputs)
        return tokenizer

    def _model(self) -> nn.Module:
        import transformers

        pooling, outputs = self.known.pooling, len(self.kind.outputs(self.known.names))
        try:
            config = transformers.AutoConfig.from_pretrained(self.folder, trust_remote_code=False)
            family = getattr(transformers, f"AutoModelFor{self.kind.architecture}")
            if pooling != "stock":
                family = encoder_class(transformers, config, pooling)
            model, found = family.from_pretrained(
                self.folder,
                use_safetensors=True,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
            )
            if found["missing_keys"] or found["mismatched_keys"]:
                missing = sorted(map(str, [*found["missing_keys"], *found["mismatched_keys"]]))
                raise UserError(f"{self.folder}: weights are missing: {some(missing, SHOWN)}")
            if config.num_labels != outputs:
                raise UserError(f"{self.folder}: config.json has {config.num_labels} outputs, advsearch.json {outputs}")
            if pooling != "stock":
                model = self._with_head(model)
            self._make_exact(model)
        except UserError:
            raise
        except Exception as error:  # many unrelated types, which all mean: not readable
            raise UserError(f"{self.folder}: the model cannot be loaded: {first_line(error)[:200]}") from None
        return prepared(model.to(self.device).eval(), self.recipe)

    def _with_head(self, encoder: Any) -> Pooled:
        pooling, weights = read_head(self.folder)
        if pooling != self.known.pooling:
            raise UserError(f"{self.folder}: {HEAD} pools by {pooling}, advsearch.json says {self.known.pooling}")
        model = Pooled(encoder, pooling)
        model.head.load_state_dict(weights)
        return model

    def _make_exact(self, model: nn.Module) -> None:
        """Put back the trained weights that were saved in the units of the targets."""
        if not self.known.exact:
            return
        path = self.folder / EXACT
        try:
            with safe_open(path, framework="pt") as file:
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise UserError(f"{path} cannot be read: {first_line(error)[:200]}") from None
        mine = dict(model.named_parameters())
        shapes = {name: mine[name].shape if name in mine else None for name in self.known.exact}
        if {name: value.shape for name, value in weights.items()} != shapes:
            raise UserError(f"{path}: its weights are not those of this model; train it again")
        with torch.no_grad():
            for name, value in weights.items():
                mine[name].copy_(value)


class Together:
    """Several saved models, whose raw outputs are averaged.

    Args:
        members: The models.
        tell: As for ``Saved``.
    """

    def __init__(self, members: Members, tell: Any = lambda line: None) -> None:
        self.members, self.known = members, members.first
        self.kind = kind_of(self.known)
        self._tell = tell

    @cached_property
    def saved(self) -> list[Saved]:
        """The models, loaded."""
        return [Saved(member, self._tell) for member in self.members.models]

    def each(self, rows: Rows) -> list[NDArray[Any]]:
        """Raw outputs of each model, with the names in the order of the first."""
        return [in_order(saved.predict(rows), saved.known, self.known) for saved in self.saved]

    def predict(self, rows: Rows, how: How = "probabilities") -> NDArray[Any]:
        """The mean of the raw outputs, as raw outputs."""
        return mean_of(self.kind, self.each(rows), [member.weight for member in self.members.models], how)


def load_saved(folder: str | Path, tell: Any = lambda line: None) -> Saved | Together:
    """Load what ``keep`` saved: one model, the mean over folds and seeds, or an ensemble.

    Args:
        folder: The folder.
        tell: Called with lines about what is not as it was when the model was scored.

    Raises:
        UserError: The folder does not hold what it should.
    """
    members = members_of(Path(folder).expanduser())
    return Saved(members.models[0], tell) if len(members.models) == 1 else Together(members, tell)


def kind_of(known: Known) -> Kind:
    """The kind of task in its form."""
    return kind_for(task_of(known, Rows([], None, np.empty(0))))


def task_of(known: Known, rows: Rows) -> Task:
    """Rows as a task, to be scored by its metrics."""
    return Task(known.task, known.kind, known.names, rows, rows, rows, form=known.form)


def chosen_of(members: Members) -> tuple[NDArray[np.float64] | None, str]:
    """What is settled for a mean, and a line about it if it is itself a mean of what the models settled.

    Raises:
        UserError: A model has not what its form needs.
    """
    if not kind_of(members.first).settles:
        return None, ""
    if members.chosen is not None:
        return np.array(members.chosen), ""
    found = list[NDArray[np.float64]]()
    for member in members.models:
        if member.known.settled is None or len(member.known.settled) != len(member.known.names):
            raise UserError(f"{member.folder}: advsearch.json has no thresholds; train it again")
        found.append(in_order(np.array([member.known.settled]), member.known, members.first)[0])
    mean = np.average(found, axis=0, weights=[member.weight for member in members.models])
    line = "thresholds are the mean of those that the models settled, each on its own validation rows"
    return mean, line if len(found) > 1 else ""


def in_order(raw: NDArray[Any], known: Known, first: Known) -> NDArray[Any]:
    """Outputs in the order of the first model's names."""
    if known.names == first.names:
        return raw
    return raw[..., [known.names.index(name) for name in first.names]]
