"""Predictions of a run, kept as user attributes: compressed, and in parts that every database takes."""

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import Trial

# Characters of a part: some databases take 65,535 bytes in an attribute.
PART = 60_000


def keep(trial: Trial, name: str, array: NDArray[Any]) -> None:
    """Keep an array; its first attribute is written last, so that it is read whole or not at all."""
    raw = np.ascontiguousarray(array)
    text = base64.b64encode(zlib.compress(raw.tobytes())).decode()
    parts = [text[start : start + PART] for start in range(0, len(text), PART)]
    for number, part in enumerate(parts):
        trial.set_user_attr(f"{name} rows {number}", part)
    trial.set_user_attr(f"{name} rows", {"shape": list(raw.shape), "type": raw.dtype.str, "parts": len(parts)})


def kept(attributes: Mapping[str, Any], name: str) -> NDArray[Any] | None:
    """The array that was kept under a name; None if there is none."""
    facts = attributes.get(f"{name} rows")
    if facts is None:
        return None
    text = "".join(attributes[f"{name} rows {number}"] for number in range(facts["parts"]))
    raw = zlib.decompress(base64.b64decode(text))
    return np.frombuffer(raw, np.dtype(facts["type"])).reshape(facts["shape"])
