"""Saving a model: plain transformers reads it, and its output has the units and names of the data."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from adv.core.compiled import eagerly
from finetune.data.windows import encode_words
from finetune.errors import first_line
from finetune.models.checkpoint import HEAD
from finetune.models.explained import explained, plain_code
from finetune.models.head import in_units, near
from finetune.models.pooling import Pooled
from finetune.models.pretrained import name_outputs, quiet
from finetune.tasks.kind import Scale
from finetune.tasks.task import Rows
from finetune.training.bench import Bench

# Rows on which the saved model is compared with the trained one.
COMPARED = 16
STANDARDISED = (
    "the last layer of the model cannot hold the units of the targets, so its saved predictions are standardised: "
    "value = prediction * std + mean, see its README.md and config.json (target_mean, target_std)"
)
LOG_ODDS = (
    "the loss bce trains log-odds, and so the saved model predicts: value = 1 / (1 + exp(-prediction)), see its README.md "
    "and config.json (output)"
)
README_LOG_ODDS = """# Predictions are log-odds

The targets are shares from 0 to 1, and the model was trained with binary cross entropy. `torch.sigmoid(logits)` are the
predicted targets.
"""
README = """# Predictions are standardised

The last layer of this model has no bias, so the units of the targets could not be written into it.
For target i, `logits[:, i] * std[i] + mean[i]`, with `target_std` and `target_mean` of config.json:

mean {mean}
std {std}
"""


def keep(bench: Bench, model: nn.Module, folder: Path) -> list[str]:
    """Save model and tokeniser in the hub's layout, and load them again as other people will.

    Mean and standard deviation of the targets are written into the last layer, names of classes or targets into the
    configuration, the length at which texts are cut into the tokeniser's. The model itself does not change.

    Args:
        bench: What the model was trained on.
        model: The trained model, with the weights to save.
        folder: An existing folder.

    Returns:
        Lines about what could not be saved, and about saved predictions that differ from those of ``model``.

    Raises:
        OSError: The folder cannot be written.
    """
    quiet()
    saved: Any = model.eval()
    name_outputs(saved, bench.models.names)
    batch = bench.validation.batch(np.arange(min(COMPARED, len(bench.validation))), bench.device)
    del batch["labels"]
    weights, notes, standardised = saved.state_dict(), [], False
    if bench.scale is not None and bench.scale.log_odds:
        standardised = True
        notes.append(LOG_ODDS)
    elif bench.scale is not None:
        with eagerly():  # the layers are watched
            folded, norm = in_units(model, batch, bench.scale.mean, bench.scale.std)
        weights, standardised = weights | folded, not folded
        if standardised:
            notes.append(STANDARDISED)
        elif norm:
            notes.append(f"the head has no bias, so the mean of the targets is in {norm}, before it")
    if not isinstance(saved, Pooled):
        (folder / HEAD).unlink(missing_ok=True)  # of an earlier model there: it would be taken for this one's
    saved.save_pretrained(folder, state_dict=weights)
    values, text = bench.kind.facts(bench.task.names, bench.chosen(model))
    if bench.scale is not None and standardised:
        more, how = _units(bench.scale)
        values, text = values | more, f"{how}\n{text}".strip() + "\n"
    if isinstance(saved, Pooled):
        text = f"{_use(bench, saved)}\n{text}".strip() + "\n"
    if text:
        _explain(values, text, folder)
    bench.models.tokenizer.model_max_length = bench.max_length
    bench.models.tokenizer.save_pretrained(folder)
    wrong = difference(bench, model, folder, standardised)
    return [*notes, *([wrong] if wrong else [])]


def put(whole: Path, out: Path) -> None:
    """Move a saved model to its folder; the head of an earlier model there goes, and the text about it.

    Args:
        whole: Where ``keep`` saved.
        out: An existing folder.

    Raises:
        OSError: The folder cannot be written.
    """
    names = [path.name for path in whole.iterdir()]
    stale = [HEAD, "README.md"] if (out / HEAD).exists() and HEAD not in names else []
    for name in names:
        (whole / name).replace(out / name)
    for name in stale:
        if name not in names:
            (out / name).unlink(missing_ok=True)


def _units(scale: Scale) -> tuple[dict[str, Any], str]:
    """How outputs become targets, for config.json and for README.md."""
    if scale.log_odds:
        return {"output": "log_odds"}, README_LOG_ODDS
    mean, std = ([float(value) for value in values] for values in (scale.mean, scale.std))
    return {"target_mean": mean, "target_std": std}, README.format(mean=mean, std=std)


def _explain(values: dict[str, Any], text: str, folder: Path) -> None:
    """Write what users of the model must know to where people look for it."""
    config = folder / "config.json"
    known = json.loads(config.read_text(encoding="utf-8")) | values
    config.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(text, encoding="utf-8")


def _use(bench: Bench, model: Pooled) -> str:
    """How encoder and head are used, in plain code."""
    meaning = f"Outputs: {', '.join(f'{number} {name}' for number, name in bench.models.names.items())}."
    return explained(model.head.pooling, model.loads_with, meaning)


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
