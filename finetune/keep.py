"""What is saved: a model that plain transformers reads, and that answers in the units and with the names of the data."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from finetune.errors import first_line
from finetune.loop import Bench
from finetune.model import name_outputs, quiet
from finetune.task import Rows

# Rows that the saved model is compared on, and how far it may be: rounding, in standard deviations or logits.
COMPARED = 16
CLOSE = 1e-3
ROUNDING = 1e-6
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
    if bench.task.kind == "regression":
        folded, how = in_units(model, batch, bench.mean, bench.std)
        weights, standardised = weights | folded, not folded
        notes += [how] if how else []
    saved.save_pretrained(folder, state_dict=weights)
    if standardised:
        _explain(bench, folder)
    bench.models.tokenizer.model_max_length = bench.max_length
    bench.models.tokenizer.save_pretrained(folder)
    wrong = difference(bench, model, folder, standardised)
    return [*notes, *([wrong] if wrong else [])]


def in_units(
    model: nn.Module, batch: dict[str, Tensor], mean: NDArray[np.float32], std: NDArray[np.float32]
) -> tuple[dict[str, Tensor], str]:
    """Weights with which the model answers ``std * logits + mean``, and a line where that took more than its head.

    The head is the last linear layer with as many outputs as there are targets. Without a bias of its own, the layer norm
    before it takes the mean: ``W' (x + d) = std W x + mean`` with ``W' = std W`` and ``W d = mean / std``.

    Args:
        model: In evaluation mode.
        batch: Some rows, without labels; what is found is tried on them.
        mean: Of the targets (targets).
        std: Of the targets (targets).

    Returns:
        The weights to be replaced, by name; none where there is no such layer.
    """
    scale, shift = (torch.from_numpy(np.asarray(value, np.float64)) for value in (std, mean))
    seen, before = calls_of(model, batch)
    heads = [(name, module, inputs) for name, module, inputs, _ in seen if _gives(module, len(scale))]
    changed: dict[str, Tensor] = {}
    line = ""
    if heads:
        name, head, inputs = heads[-1]
        weight = head.weight.detach().double().cpu()
        changed[f"{name}.weight"] = scale[:, None] * weight
        norms = [(norm, module) for norm, module, _, output in seen if _shifts(module) and _same(output, inputs)]
        if head.bias is not None:
            changed[f"{name}.bias"] = scale * head.bias.detach().double().cpu() + shift
        elif norms:
            norm, module = norms[-1]
            changed[f"{norm}.bias"] = module.bias.detach().double().cpu() + torch.linalg.pinv(weight) @ (shift / scale)
            line = f"the head has no bias: the mean of the targets went into {norm}, before it"
        known = dict(model.named_parameters())
        changed = {key: value.to(known[key]) for key, value in changed.items()}
        with torch.no_grad():
            found = functional_call(model, changed, kwargs=batch).logits.double().cpu()
        if _near(found.numpy(), (before.double().cpu() * scale + shift).numpy(), mean, std):
            return changed, line
    what = "the model's last layer cannot take the units of the targets, so it is saved with standardised predictions"
    return {}, f"{what}: value = prediction * std + mean, see its README.md and config.json (target_mean, target_std)"


def calls_of(model: nn.Module, batch: dict[str, Tensor]) -> tuple[list[tuple[str, Any, Any, Any]], Tensor]:
    """Every module that was called: its name, it, first input and output; and what the model answers."""
    seen: list[tuple[str, Any, Any, Any]] = []
    with ExitStack() as hooks, torch.no_grad():
        for name, module in model.named_modules():
            if _gives(module, None) or _shifts(module):
                handle = module.register_forward_hook(
                    lambda module, inputs, output, name=name: seen.append(
                        (name, module, inputs[0] if inputs else None, output)
                    )
                )
                hooks.callback(handle.remove)
        return seen, model(**batch).logits


def _gives(module: Any, outputs: int | None) -> bool:
    return isinstance(module, nn.Linear) and outputs in (None, module.out_features)


def _shifts(module: Any) -> bool:
    return isinstance(module, nn.LayerNorm) and module.bias is not None


def _same(one: Any, other: Any) -> bool:
    return bool(other is not None and one.data_ptr() == other.data_ptr() and one.numel() == other.numel())


def _explain(bench: Bench, folder: Path) -> None:
    """Write mean and standard deviation where a reader of the folder finds them."""
    mean, std = ([float(value) for value in values] for values in (bench.mean, bench.std))
    config = folder / "config.json"
    values = json.loads(config.read_text(encoding="utf-8")) | {"target_mean": mean, "target_std": std}
    config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(README.format(mean=mean, std=std), encoding="utf-8")


def difference(bench: Bench, model: nn.Module, folder: Path, standardised: bool) -> str | None:
    """A line where plain transformers does not predict from the folder what the model does; None where it does.

    Compared are a few validation rows: their texts as the saved tokeniser cuts and pads them, in one batch.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    rows = bench.task.validation.take(np.arange(min(COMPARED, len(bench.task.validation))))
    rows = Rows([text or " " for text in rows.texts], rows.pairs, rows.labels)
    expected = bench.predict(model, bench.encode(rows))
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        plain = AutoModelForSequenceClassification.from_pretrained(folder).to(bench.device).eval()
        texts = [rows.texts] if rows.pairs is None else [rows.texts, rows.pairs]
        inputs = tokenizer(*texts, truncation=True, padding=True, return_tensors="pt").to(bench.device)
        with torch.no_grad():
            found = plain(**inputs).logits.float().cpu().numpy()
    except Exception as error:  # loaders raise many unrelated types; all mean: others cannot read it
        return f"the saved model cannot be used in plain transformers: {first_line(error)[:200]}"
    mean, std = (bench.mean, bench.std) if bench.task.kind == "regression" else (0.0, 1.0)
    if standardised:
        found = found * std + mean
    if _near(found, expected, mean, std):
        return None
    gap = np.abs(found - expected).max()
    return f"the saved model does NOT predict in plain transformers what was trained: it is off by up to {gap:.3g}"


def _near(found: NDArray[Any], expected: NDArray[Any], mean: Any, std: Any) -> bool:
    """Equal but for rounding: of the standardised value, and of a mean that may be large beside the deviation."""
    allowed = CLOSE * np.maximum(std, np.abs(expected - mean)) + ROUNDING * np.abs(mean)
    return bool((np.abs(found - expected) <= allowed).all())
