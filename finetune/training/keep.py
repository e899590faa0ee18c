"""Saving a model: plain transformers reads it, and its output has the units and names of the data."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from adv.core.compiled import eagerly
from finetune.models.checkpoint import HEAD
from finetune.models.explained import explained
from finetune.models.head import in_units
from finetune.models.pooling import Pooled
from finetune.models.pretrained import name_outputs, quiet
from finetune.tasks.kind import Scale
from finetune.training.about import EXACT, FILE, About, Known, Units, portable, write_known
from finetune.training.agreement import COMPARED, difference
from finetune.training.bench import Bench, scoring

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


def keep(bench: Bench, model: nn.Module, folder: Path, about: About | None = None) -> list[str]:
    """Save model and tokeniser in the hub's layout, and load them again as other people will.

    Mean and standard deviation of the targets are written into the last layer, names of classes or targets into the
    configuration, the length at which texts are cut into the tokeniser's. The model itself does not change.

    Args:
        bench: What the model was trained on.
        model: The trained model, with the weights to save.
        folder: An existing folder.
        about: The run; with it, ``load_saved`` reads the folder, and predicts bit for bit what the run was scored by.

    Returns:
        Lines about what could not be saved, and about saved predictions that differ from those of ``model``.

    Raises:
        OSError: The folder cannot be written.
    """
    quiet()
    saved: Any = model.eval()
    name_outputs(saved, bench.models.names)
    for name in (FILE, EXACT):  # of an earlier model there
        (folder / name).unlink(missing_ok=True)
    folded, notes, standardised = _in_units(bench, saved)
    if not isinstance(saved, Pooled):
        (folder / HEAD).unlink(missing_ok=True)  # of an earlier model there: it would be taken for this one's
    saved.save_pretrained(folder, state_dict=saved.state_dict() | folded)
    chosen = bench.chosen(model) if about is None else bench.chosen(model, *scoring(about.recipe))
    values, text = bench.kind.facts(bench.task.names, chosen)
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
    if about is not None:
        exact = {name: saved.get_parameter(name).detach().cpu().contiguous() for name in folded}
        if exact:
            save_file(exact, folder / EXACT, {"format": "pt"})
        write_known(known_of(bench, saved, about, chosen, tuple(exact)), folder)
    return [*notes, *([wrong] if wrong else [])]


def _in_units(bench: Bench, model: nn.Module) -> tuple[dict[str, Tensor], list[str], bool]:
    """Weights in the units of the targets, lines about them, and whether the output is in other units all the same."""
    if bench.scale is None:
        return {}, [], False
    if bench.scale.log_odds:
        return {}, [LOG_ODDS], True
    batch = bench.validation.batch(np.arange(min(COMPARED, len(bench.validation))), bench.device)
    del batch["labels"]
    with eagerly():  # the layers are watched
        folded, norm = in_units(model, batch, bench.scale.mean, bench.scale.std)
    notes = [f"the head has no bias, so the mean of the targets is in {norm}, before it"] if norm else []
    return folded, notes if folded else [STANDARDISED], not folded


def known_of(bench: Bench, model: nn.Module, about: About, chosen: NDArray[Any] | None, exact: tuple[str, ...]) -> Known:
    """What the saved model knows of itself.

    Args:
        bench: What the model was trained on.
        model: The model.
        about: The run.
        chosen: What was settled on the validation rows.
        exact: The names of the weights that are saved in both forms.
    """
    task, tokenizer, scale = bench.task, bench.models.tokenizer, bench.scale
    units = None if scale is None else Units(mean=listed(scale.mean), std=listed(scale.std), log_odds=scale.log_odds)
    return Known(
        **portable(about),
        task=task.name,
        fingerprint=task.fingerprint,
        kind=task.kind,
        form=task.form,
        names=task.names,
        units=units,
        settled=None if chosen is None else listed(chosen),
        usual=bench.asker.usual,
        max_length=bench.max_length,
        side=tokenizer.padding_side,
        inputs=tuple(tokenizer.model_input_names),
        pooling=model.head.pooling if isinstance(model, Pooled) else "stock",
        exact=exact,
        device=bench.device.type,
        pairs=task.train.pairs is not None,
    )


def listed(values: NDArray[Any]) -> tuple[float, ...]:
    """Numbers as JSON has them, exact."""
    return tuple(float(value) for value in values)


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
    for name in (FILE, EXACT):
        (out / name).unlink(missing_ok=True)
    for name in sorted(names, key=lambda name: name == FILE):  # the last one says that all are there
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
