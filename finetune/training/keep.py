"""What is saved: a model that plain transformers reads, and that answers in the units and with the names of the data."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from finetune.errors import first_line
from finetune.models.head import in_units, near
from finetune.models.pretrained import name_outputs, quiet
from finetune.tasks.kind import Scale
from finetune.training.bench import Bench

# Rows that the saved model is compared on.
COMPARED = 16
STANDARDISED = (
    "the model's last layer cannot take the units of the targets, so it is saved with standardised predictions: "
    "value = prediction * std + mean, see its README.md and config.json (target_mean, target_std)"
)
README = """# Predictions are standardised

The last layer of this model has no bias, so that the units of the targets could not be written into it.
For target i, `logits[:, i] * std[i] + mean[i]`, with `target_std` and `target_mean` of config.json:

mean {mean}
std {std}
"""


def keep(bench: Bench, model: nn.Module, folder: Path) -> list[str]:
    """Write model and tokeniser in the hub's layout, and read them again as others will.

    Mean and standard deviation of the targets are written into the last layer, names of classes or targets into the
    configuration, the length at which texts were cut into the tokeniser's. The model itself stays as it is.

    Args:
        bench: What it was trained on.
        model: It, with the weights that are to be kept.
        folder: Where to; it exists.

    Returns:
        Lines about what could not be written, and about saved predictions that are not those of ``model``.

    Raises:
        OSError: The folder cannot be written.
    """
    quiet()
    saved: Any = model.eval()
    name_outputs(saved, bench.models.names)
    batch = bench.validation.batch(np.arange(min(COMPARED, len(bench.validation))), bench.device)
    del batch["labels"]
    weights, notes, standardised = saved.state_dict(), [], False
    if bench.scale is not None:
        folded, norm = in_units(model, batch, bench.scale.mean, bench.scale.std)
        weights, standardised = weights | folded, not folded
        if standardised:
            notes.append(STANDARDISED)
        elif norm:
            notes.append(f"the head has no bias: the mean of the targets went into {norm}, before it")
    saved.save_pretrained(folder, state_dict=weights)
    if bench.scale is not None and standardised:
        _explain(bench.scale, folder)
    bench.models.tokenizer.model_max_length = bench.max_length
    bench.models.tokenizer.save_pretrained(folder)
    wrong = difference(bench, model, folder, standardised)
    return [*notes, *([wrong] if wrong else [])]


def _explain(scale: Scale, folder: Path) -> None:
    """Write mean and standard deviation where a reader of the folder finds them."""
    mean, std = ([float(value) for value in values] for values in (scale.mean, scale.std))
    config = folder / "config.json"
    values = json.loads(config.read_text(encoding="utf-8")) | {"target_mean": mean, "target_std": std}
    config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(README.format(mean=mean, std=std), encoding="utf-8")


def difference(bench: Bench, model: nn.Module, folder: Path, standardised: bool) -> str | None:
    """A line where plain transformers does not predict from the folder what the model does; None where it does.

    Compared are a few validation rows: their texts as the saved tokeniser cuts and pads them, in one batch.
    """
    import transformers

    rows = bench.task.validation.take(np.arange(min(COMPARED, len(bench.task.validation))))
    rows = replace(rows, texts=[text or " " for text in rows.texts])
    encoded = bench.encode(rows)
    expected = bench.predict(model, encoded)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        family = getattr(transformers, f"AutoModelFor{bench.kind.architecture}")
        plain = family.from_pretrained(folder).to(bench.device).eval()
        texts = [rows.texts] if rows.pairs is None else [rows.texts, rows.pairs]
        inputs = tokenizer(*texts, truncation=True, padding=True, return_tensors="pt").to(bench.device)
        with torch.no_grad():
            logits = list(plain(**inputs).logits.float().cpu().numpy())
    except Exception as error:  # loaders raise many unrelated types; all mean: others cannot read it
        return f"the saved model cannot be used in plain transformers: {first_line(error)[:200]}"
    found = bench.kind.predictions(logits, list(encoded.labels.numpy()), bench.scale if standardised else None)
    mean, std = (0.0, 1.0) if bench.scale is None else (bench.scale.mean, bench.scale.std)
    if near(found, expected, mean, std):
        return None
    gap = np.abs(found - expected).max()
    return f"the saved model does NOT predict in plain transformers what was trained: it is off by up to {gap:.3g}"
