"""Models and tokenisers: the built-in encoder, or a pretrained model from a folder or the hub."""

import copy
import hashlib
import os
import warnings
from functools import cached_property
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from finetune.arguments import Line, arg
from finetune.config import TINY, Recipe
from finetune.errors import UserError, first_line
from finetune.models.by_word import fit_for_words
from finetune.models.changes import change
from finetune.models.checkpoint import HEAD, digest, head_of, judge, old_digest, stamps, tokeniser_fault, weight_files
from finetune.models.head import take_over
from finetune.models.pooled import TEXTS, begins, encoder_class, form_of, pooled, refuse_tokens, saved_head, taken
from finetune.tasks import kind_for
from finetune.tasks.task import Task

# Tokens that can be used for padding if there is no padding token: attention masks hide them.
PADS = ("eos_token", "sep_token", "bos_token", "cls_token", "mask_token", "unk_token")


class Models:
    """Build the same model any number of times; its source is read and checked once.

    ``notes`` has one line for everything that was chosen or left out; building the first model adds lines.

    Args:
        recipe: Its ``model`` is "tiny", a folder in the hub's layout, or a hub id.
        task: Names and kind of the outputs; for "tiny" also the words.

    Raises:
        UserError: The folder does not exist, or its tokeniser, configuration or weights cannot be read.
    """

    def __init__(self, recipe: Recipe, task: Task) -> None:
        folder = Path(recipe.model).expanduser()
        self.folder = folder if folder.is_dir() and recipe.model != TINY else None
        self.source = recipe.model if self.folder is None else str(folder)
        self.kind = kind_for(task)
        self.recipe = recipe
        self.names = dict(enumerate(self.kind.outputs(task.names)))
        self.where = arg("model", self.source)
        self.notes: list[Line] = []
        self.vectors: Tensor | None = None
        self.commit: str | None = None
        # The units of a loaded head's output.
        self.scale = self.kind.scale(task.train.labels)
        if self.scale is not None and recipe.loss == "bce":
            self.scale = self.scale.of_shares()
        # The padding token of its configuration, and whether it is kept if the tokeniser has another.
        self.own_pad: int | None = None
        self.keep_pad = False
        self._stamps: list[tuple[str, int, int]] = []
        self._looked_at: tuple[Any, nn.Module, Tensor] | None = None
        # The pooling head of a folder, which is then the model's own.
        self.saved = saved_head(self.folder, self.where)
        self.tokenizer = self._tiny(task) if self.source == TINY else self._pretrained()

    def build(self, seed: int, recipe: Recipe | None = None) -> nn.Module:
        """A fresh model; weights that are not loaded are drawn from ``seed``.

        Args:
            seed: Of the weights.
            recipe: For the head, and for what starts anew or stays as it is; by default the one that this was made with.

        Raises:
            UserError: The model cannot be loaded, weights of its encoder are missing, or it cannot be changed so.
        """
        recipe = (recipe or self.recipe).model_copy(update={"seed": seed})
        kept, self._looked_at = self._looked_at, None
        if kept is not None and kept[0] == form_of(recipe):
            torch.set_rng_state(kept[2])
            return kept[1]
        refuse_tokens(recipe.pooling, self.kind)
        torch.manual_seed(seed)
        model, lines = self._loaded(recipe) if self.vectors is None else self._small(recipe)
        lines += change(model, recipe)
        said = [Line(f"model {self.source}: {line}") for line in lines]
        self.notes += [line for line in said if line not in self.notes]
        return model

    def look_at(self, seed: int, recipe: Recipe | None = None) -> nn.Module:
        """The next model that will be built from this seed and recipe; look at it, but do not change it."""
        model = self.build(seed, recipe)
        form = form_of((recipe or self.recipe).model_copy(update={"seed": seed}))
        self._looked_at = (form, model, torch.get_rng_state())
        return model

    def forget(self) -> None:
        """Let go of a model that was looked at and will not be trained."""
        self._looked_at = None

    def _small(self, recipe: Recipe) -> tuple[nn.Module, list[str]]:
        """The built-in model, and lines about its head."""
        from finetune.models.tiny import tiny_model

        assert self.vectors is not None
        model: Any = tiny_model(self.vectors, len(self.names), self.kind)
        name_outputs(model, self.names)
        return (model, []) if recipe.pooling == "stock" else pooled(model.model, recipe.pooling, recipe)

    def _loaded(self, recipe: Recipe) -> tuple[nn.Module, list[str]]:
        """The model with the weights of its files, and lines about what is missing or left over."""
        if self.folder is not None and stamps(self.folder, self.source) != self._stamps:
            what = "its files have changed since this run began; run the same command again to use the new ones"
            raise UserError(f"{self.where}: {what}")
        pooling: str = recipe.pooling
        if pooling == "stock" and self.saved is not None and self.kind.architecture == TEXTS:
            pooling = self.saved[0]  # the model's own head
        model, found, was = self._load(pooling)
        file = weight_files(self.folder, self.source)[0].name if self.folder else "its weights"
        lines = judge(model, found, self.source, file)
        if pooling == "stock":
            head, outputs = head_of(model, found)
            lines += [f"the head in {HEAD} is for whole texts: a new head is used"] * (self.saved is not None)
        else:
            model, more = pooled(model, pooling, recipe, self.saved)
            head, outputs = taken(model, self.saved)
            lines, file = [*lines, *more, *begins(self.tokenizer, pooling)], HEAD
        kept = f"the head in {file}" + (f" pools by {pooling} and" if pooling != "stock" else "")
        if head == "other":
            lines.append(f"{kept} has {outputs} outputs, the data needs {len(self.names)}: a new head is used")
        elif head == "taken":
            batch = dict(self.tokenizer("a", return_tensors="pt"))
            how = take_over(model, batch, was or {}, self.names, self.scale)
            lines.append(f"{kept} has {outputs} outputs, as the data needs, and is used{how}")
        self.own_pad = model.config.pad_token_id
        if self.tokenizer.pad_token_id is not None and not (self.keep_pad and self.own_pad is not None):
            model.config.pad_token_id = self.tokenizer.pad_token_id
        built: nn.Module = model
        return built, lines

    def _load(self, pooling: str) -> tuple[Any, dict[str, Any], dict[int, str] | None]:
        import transformers

        quiet()
        # Otherwise a background thread of transformers asks the hub to convert weights that are not safetensors.
        os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")
        try:
            config = transformers.AutoConfig.from_pretrained(self.source, revision=self.commit, trust_remote_code=False)
            family = getattr(transformers, f"AutoModelFor{self.kind.architecture}")
            if pooling != "stock":
                family = encoder_class(transformers, config, pooling)
            else:
                refuse_without_class(family, config, self.where, self.kind.architecture)
            with warnings.catch_warnings(action="ignore"):  # torch's, about files that it then refuses
                model, found = family.from_pretrained(
                    self.source,
                    revision=self.commit,
                    id2label=dict(self.names),
                    label2id={name: number for number, name in self.names.items()},
                    problem_type=self.kind.problem,
                    use_safetensors=None,
                    weights_only=True,
                    trust_remote_code=False,
                    dtype=torch.float32,
                    ignore_mismatched_sizes=True,
                    output_loading_info=True,
                )
        except UserError:
            raise
        except Exception as error:  # many unrelated types, which all mean: not readable
            why = first_line(error)[:200]
            if isinstance(error, UnpicklingError) or "weights_only" in str(error):
                why = "its *.bin weights hold more than tensors; nothing else is unpickled, because that could run code"
            raise UserError(f"{self.where} cannot be loaded: {why}") from None
        return model, found, getattr(config, "id2label", None)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over all files that model and tokeniser are read from, or the hub's commit; as first read."""
        if self.vectors is not None:
            return hashlib.sha256(self.vectors.numpy().tobytes()).hexdigest()[:16]
        if self.folder is not None:
            return digest(self.folder, self.source, self.tokenizer)
        return str(self.commit)[:16]

    def fingerprint_like(self, stored: str | None) -> str:
        """The fingerprint in the same form as ``stored``: earlier studies took it over fewer files."""
        old = "None" if self.folder is None else old_digest(self.folder)
        return old if self.vectors is None and stored == old else self.fingerprint

    def _tiny(self, task: Task) -> Any:
        from finetune.models.tiny import learnt

        tokenizer, self.vectors = learnt((*task.train.texts, *(task.train.pairs or []), *task.unlabelled))
        return copy.deepcopy(tokenizer)

    def _pretrained(self) -> Any:
        if self.folder is not None:
            if (self.folder / "adapter_config.json").exists():
                raise UserError(f"{self.where} is an adapter; merge it into its model first, and name the result")
            if not (self.folder / "config.json").exists():
                raise UserError(f"{self.where}: the folder has no config.json; models in the hub's layout have one")
            self._stamps = stamps(self.folder, self.source)
        elif self.source.startswith((".", "/", "~")) or self.source.count("/") > 1:
            raise UserError(f"{self.where}: there is no such folder")
        from transformers import AutoTokenizer
        from transformers.utils import cached_file

        quiet()
        try:
            if self.folder is None:  # the current commit, for everything that is read
                self.commit = Path(cached_file(self.source, "config.json")).parent.name
            tokenizer = AutoTokenizer.from_pretrained(self.source, revision=self.commit, trust_remote_code=False)
        except Exception as error:  # many unrelated types, which all mean: not readable
            if self.folder is None:
                what = f"there is no such folder, and it cannot be loaded from the hub: {first_line(error)[:200]}"
            else:
                what = f"config.json or tokeniser cannot be read: {tokeniser_fault(self.folder, self.source, error)}"
            raise UserError(f"{self.where}: {what}") from None
        if len(tokenizer) <= len(tokenizer.all_special_tokens):
            raise UserError(f"{self.where} has no tokeniser; add its tokenizer.json")
        if tokenizer.pad_token is None:
            tokenizer.pad_token = next((token for name in PADS if (token := getattr(tokenizer, name, None))), None)
            if tokenizer.pad_token is None:
                what = 'its tokeniser has no token to pad with; name one in its tokenizer_config.json: "pad_token"'
                raise UserError(f"{self.where}: {what}")
            self.notes.append(Line(f"model {self.source}: it has no padding token, so {tokenizer.pad_token} pads"))
        if self.kind.by_word and (line := fit_for_words(tokenizer, self.where)):
            self.notes.append(Line(f"model {self.source}: {line}"))
        return tokenizer


def refuse_without_class(family: Any, config: Any, where: str, architecture: str) -> None:
    """Refuse a model that transformers cannot give the head that the task needs.

    Raises:
        UserError: There is no such class for this configuration.
    """
    if type(config) not in family._model_mapping:
        what = f"transformers has no {architecture} class for {config.model_type} models"
        raise UserError(f"{where}: {what}; take another model, such as one of BERT's or RoBERTa's kind")


def quiet() -> None:
    """Silence the progress bars and warnings of transformers: our own lines say what matters."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def name_outputs(model: Any, names: dict[int, str]) -> None:
    """Write the names of classes or targets into a model's configuration."""
    model.config.id2label = dict(names)
    model.config.label2id = {name: number for number, name in names.items()}
