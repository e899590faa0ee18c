"""The state of a run after an epoch, in one safetensors file that is either complete or absent."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor, nn


def write_snapshot(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors and JSON facts to a file that appears complete or not at all.

    Raises:
        OSError: The folder cannot be written, or the disk is full; no incomplete file is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    os.close(handle)
    try:
        try:
            save_file({key: value.contiguous() for key, value in tensors.items()}, name, {"facts": json.dumps(facts)})
        except safetensors.SafetensorError as error:
            raise OSError(f"cannot write {path}: {error}") from None
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def read_snapshot(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and facts; None if there is no file, or only a part of one."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["facts"])
            return {key: file.get_tensor(key) for key in file.keys()}, facts  # noqa: SIM118
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError):
        return None


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and saved buffers; tied tensors occur once."""
    saved = model.state_dict(keep_vars=True)
    seen: dict[int, str] = {}
    for name, value in saved.items():
        seen.setdefault(id(value), name)
    return {f"model.{name}": saved[name].detach() for name in seen.values()}


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state, by the parameter's position."""
    state = optimiser.state_dict()["state"]
    return {f"optimiser.{i}.{name}": value for i, entry in state.items() for name, value in entry.items()}


def load_model(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Load what ``model_tensors`` returned."""
    with torch.no_grad():
        for name, target in model_tensors(model).items():
            target.copy_(tensors[name])


def load_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load what ``optimiser_tensors`` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, position, name = key.split(".", 2)
            state.setdefault(int(position), {})[name] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
