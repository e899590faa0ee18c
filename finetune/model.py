"""Models and tokenisers: the built-in encoder, or a pretrained one from a folder or the hub."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from finetune.config import TINY, Recipe
from finetune.errors import UserError, first_line
from finetune.task import Task


class Models:
    """Builds the same model again and again; reads and checks its source once.

    Args:
        recipe: Its ``model`` is "tiny", a folder in the hub's layout, or a hub id.
        task: Number and kind of outputs; for "tiny" also the words.

    Raises:
        UserError: The folder does not exist, or holds no tokeniser, configuration or safetensors weights.
    """

    def __init__(self, recipe: Recipe, task: Task) -> None:
        folder = Path(recipe.model).expanduser()
        self.source = str(folder) if folder.is_dir() and recipe.model != TINY else recipe.model
        self.labels = len(task.names)
        self.problem = "single_label_classification" if task.kind == "classification" else "regression"
        self.vectors: Tensor | None = None
        self.tokenizer = self._tiny(task) if self.source == TINY else self._pretrained()

    def build(self, seed: int) -> nn.Module:
        """A fresh model; weights that are not loaded are drawn from ``seed``."""
        torch.manual_seed(seed)
        if self.vectors is not None:
            from finetune.tiny import tiny_model

            model: nn.Module = tiny_model(self.vectors, self.labels, self.problem)
            return model
        from transformers import AutoModelForSequenceClassification
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            loaded, found = AutoModelForSequenceClassification.from_pretrained(
                self.source,
                num_labels=self.labels,
                problem_type=self.problem,
                use_safetensors=True,
                trust_remote_code=False,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
        except Exception as error:  # loaders raise many unrelated types; all mean: not readable
            raise UserError(f"--model {self.source} cannot be loaded: {first_line(error)[:200]}") from None
        self._refuse_foreign(loaded, found)
        if self.tokenizer.pad_token_id is not None:
            loaded.config.pad_token_id = self.tokenizer.pad_token_id
        model = loaded
        return model

    def _refuse_foreign(self, model: Any, found: dict[str, Any]) -> None:
        """A new head is drawn at random, as it should be; an encoder that its file does not fill is an accident."""
        encoder = f"{model.base_model_prefix}."
        mine = [name for name, _ in model.named_parameters() if name.startswith(encoder)]
        other = sorted(name for name, *_ in found["mismatched_keys"] if name.startswith(encoder))
        missing = sorted(name for name in found["missing_keys"] if name.startswith(encoder))
        if other or len(missing) > len(mine) / 2:
            wrong = f"have another size: {other[0]}, ..." if other else f"are missing: {missing[0]}, ..."
            what = f"{len(other or missing)} of the encoder's {len(mine)} weights {wrong}"
            raise UserError(f"--model {self.source}: {what}; do config.json and safetensors belong together?")

    @property
    def fingerprint(self) -> str:
        """16 hex digits of the weights' files, or the hub's commit."""
        folder = Path(self.source).expanduser()
        if self.vectors is not None:
            return hashlib.sha256(self.vectors.numpy().tobytes()).hexdigest()[:16]
        if not folder.is_dir():
            from transformers import AutoConfig

            return str(getattr(AutoConfig.from_pretrained(self.source, trust_remote_code=False), "_commit_hash", None))[:16]
        digest = hashlib.sha256()
        for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")]):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:16]

    def _tiny(self, task: Task) -> Any:
        from finetune.tiny import tiny_tokenizer, word_vectors

        texts = [*task.train.texts, *(task.train.pairs or []), *task.unlabelled]
        tokenizer = tiny_tokenizer(texts)
        encoded = tokenizer(texts)["input_ids"]
        self.vectors = word_vectors(encoded, len(tokenizer))
        return tokenizer

    def _pretrained(self) -> Any:
        folder = Path(self.source).expanduser()
        if folder.is_dir():
            if not (folder / "config.json").exists():
                raise UserError(f"--model {self.source}: the folder has no config.json; a model in the hub's layout has")
            if not list(folder.glob("*.safetensors")):
                raise UserError(f"--model {self.source}: the folder has no *.safetensors weights (others are not read)")
        elif self.source.startswith((".", "/", "~")) or self.source.count("/") > 1:
            raise UserError(f"--model {self.source}: there is no such folder")
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(self.source, trust_remote_code=False)
        except Exception as error:  # loaders raise many unrelated types; all mean: not readable
            here = "config.json or tokeniser cannot be read" if folder.is_dir() else "is no folder here and cannot be had"
            raise UserError(f"--model {self.source}: {here}: {first_line(error)[:200]}") from None
        if len(tokenizer) <= len(tokenizer.all_special_tokens):
            raise UserError(f"--model {self.source} has no tokeniser; add its tokenizer.json")
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer
