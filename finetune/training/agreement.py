"""Whether plain transformers predicts with a saved model what was trained."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from finetune.data.windows import encode_words
from finetune.errors import first_line
from finetune.models.explained import plain_code
from finetune.models.head import near
from finetune.models.pooling import Pooled
from finetune.tasks.task import Rows
from finetune.training.bench import Bench

# Rows on which the saved model is compared with the trained one.
COMPARED = 16


def difference(bench: Bench, model: nn.Module, folder: Path, standardised: bool) -> str | None:
    """A line if plain transformers predicts something else with the saved model; None if it agrees.

    A few validation rows are compared in one batch, as the saved tokeniser cuts and pads them.
    """
    rows = bench.task.validation.take(np.arange(min(COMPARED, len(bench.task.validation))))
    if bench.kind.by_word:
        return difference_of_words(bench, model, folder, rows)
    rows = replace(rows, texts=[text or " " for text in rows.texts])
    encoded = bench.encode(rows)
    expected = bench.outputs(model, encoded)
    texts = [rows.texts] if rows.pairs is None else [rows.texts, rows.pairs]
    try:
        ask = plain_code(folder) if isinstance(model, Pooled) else partial(_asked, bench)
        logits = list(ask(folder, *texts).float().cpu().numpy())
    except Exception as error:  # many unrelated types, which all mean: other people cannot read it
        return unusable(error)
    found = bench.kind.predictions(logits, list(encoded.labels.numpy()), bench.scale if standardised else None)
    mean, std = (0.0, 1.0) if bench.scale is None else (bench.scale.mean, bench.scale.std)
    if near(found, expected, mean, std):
        return None
    return off(np.abs(found - expected).max())


def unusable(error: Exception) -> str:
    """The line about a model that other people cannot read."""
    return f"plain transformers cannot use the saved model: {first_line(error)[:200]}"


def off(gap: float) -> str:
    """The line about other predictions."""
    return f"plain transformers does NOT predict the same with the saved model: it is off by up to {gap:.3g}"


def difference_of_words(bench: Bench, model: nn.Module, folder: Path, rows: Rows) -> str | None:
    """``difference`` for the logits of words, in the windows that each tokeniser makes of their sentences."""

    def logits(model: nn.Module, tokenizer: Any) -> NDArray[Any]:
        encoded = encode_words(rows, tokenizer, bench.max_length, 0)
        assert encoded.places is not None
        batch = encoded.batch(np.arange(len(encoded)), bench.device)
        del batch["labels"]
        with torch.no_grad():
            found = model(**batch).logits.float().cpu().numpy()
        return np.asarray(found[encoded.places.words >= 0])

    expected = logits(model.eval(), bench.models.tokenizer)
    try:
        found = logits(*_loaded(bench, folder))
    except Exception as error:  # many unrelated types, which all mean: other people cannot read it
        return unusable(error)
    if found.shape != expected.shape:
        return "the saved tokeniser does NOT make the same of these words"
    return None if near(found, expected, 0.0, 1.0) else off(np.abs(found - expected).max())


def _loaded(bench: Bench, folder: Path) -> tuple[nn.Module, Any]:
    """Model and tokeniser as plain transformers loads them."""
    import transformers

    family = getattr(transformers, f"AutoModelFor{bench.kind.architecture}")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return family.from_pretrained(folder).to(bench.device).eval(), tokenizer


@torch.no_grad()
def _asked(bench: Bench, folder: Path, *texts: list[str]) -> Tensor:
    """The logits of plain transformers."""
    plain, tokenizer = _loaded(bench, folder)
    found: Tensor = plain(**tokenizer(*texts, truncation=True, padding=True, return_tensors="pt").to(bench.device)).logits
    return found
