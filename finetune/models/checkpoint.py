"""The files of a model's folder: which are read, their fingerprint, and which weights are missing."""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from finetune.arguments import arg
from finetune.errors import UserError, first_line
from finetune.words import counted, some

# A pooling head, which this project saves beside its encoder.
HEAD = "head.safetensors"
# What this project says about a model that it saved: no part of it.
ABOUT = "advsearch.json"
# In the order in which transformers looks for them.
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
# Files that tokenisers are read from, besides those that a tokeniser's class declares.
TOKENISER = (".json", ".model", ".bpe", ".codes", ".tiktoken", ".vocab")
# A pointer of Git LFS to a large file that was not fetched begins with this.
POINTER = b"version https://git-lfs"
# Tables that models used to save and now compute.
TABLES = ("position_ids", "masked_bias", "inv_freq")
NAMED = 3


def weight_files(folder: Path, source: str) -> list[Path]:
    """The files that the weights are read from: the first of WEIGHTS that exists, with its shards if it is an index.

    Raises:
        UserError: There are no such files, a shard is missing, or a file is only a pointer to the real one.
    """
    first = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if first is None:
        others = sorted(path.name for path in folder.iterdir() if path.suffix in (".safetensors", ".bin", ".h5", ".msgpack"))
        there = f"; it holds {some(others, NAMED)}, not read" if others else " (others are not read)"
        what = f"the folder has no *.safetensors or *.bin weights as {WEIGHTS[0]} or {WEIGHTS[2]}{there}"
        raise UserError(f"{arg('model', source)}: {what}")
    files = [first, *_shards(first, source)]
    for path in files:
        if not path.is_file():
            what = f"{path.name} is missing, one of the {counted(len(files) - 1, 'shard')} in {first.name}"
            raise UserError(f"{arg('model', source)}: {what}")
        refuse_pointer(path, source)
    return files


def refuse_pointer(path: Path, source: str) -> None:
    """Refuse a pointer of Git LFS.

    Raises:
        UserError: The file is only a pointer to the real one.
    """
    with path.open("rb") as file:
        if file.read(len(POINTER)) == POINTER:
            raise UserError(
                f"{arg('model', source)}: {path.name} is only a pointer of Git LFS; fetch it with `git lfs pull`"
            )


def tokeniser_fault(folder: Path, source: str, error: Exception) -> str:
    """Why a folder's tokeniser cannot be read, in one line; transformers takes a damaged sentencepiece file for tiktoken's.

    Raises:
        UserError: One of its files is only a pointer of Git LFS.
    """
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in (*TOKENISER, ".txt"):
            refuse_pointer(path, source)
    if "tiktoken" in str(error):
        from sentencepiece import SentencePieceProcessor

        for path in sorted(folder.glob("*.model")):
            try:
                SentencePieceProcessor(model_file=str(path))
            except Exception:  # it raises bare RuntimeErrors and OSErrors
                return f"{path.name} is damaged: it is not a sentencepiece model"
    return first_line(error)[:200]


def _shards(index: Path, source: str) -> list[Path]:
    if index.suffix != ".json":
        return []
    try:
        content = json.loads(index.read_bytes())
        missing = [key for key in ("metadata", "weight_map") if key not in content]
        if missing:
            raise UserError(f"{arg('model', source)}: {index.name} has no {missing[0]!r}")
        return sorted({index.parent / name for name in content["weight_map"].values()})
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{arg('model', source)}: {index.name} cannot be read: {first_line(error)[:200]}") from None


def stamps(folder: Path, source: str) -> list[tuple[str, int, int]]:
    """Name, size and time of the files that every model is built from.

    Raises:
        UserError: The files cannot be read.
    """
    read = (folder / "config.json", *weight_files(folder, source), *[path for path in (folder / HEAD,) if path.is_file()])
    files = [(path.name, path.stat()) for path in read]
    return [(name, facts.st_size, facts.st_mtime_ns) for name, facts in files]


def digest(folder: Path, source: str, tokenizer: Any) -> str:
    """16 hex digits over the names and contents of all files that model and tokeniser are read from."""
    declared = set(getattr(tokenizer, "vocab_files_names", {}).values()) | {"vocab.txt", "merges.txt"}
    read = {path for path in folder.iterdir() if path.suffix in TOKENISER or path.name in declared | {HEAD}}
    read = {path for path in read if path.is_file() and path.name not in (*WEIGHTS, ABOUT)}
    total = hashlib.sha256()
    for path in sorted(read | set(weight_files(folder, source))):
        total.update(f"{path.name}\n".encode())
        total.update(_content(path))
    return total.hexdigest()[:16]


def old_digest(folder: Path) -> str:
    """The fingerprint that earlier studies stored: only over safetensors and JSON files, not over other tokeniser files."""
    total = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")]):
        total.update(_content(path))
    return total.hexdigest()[:16]


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def judge(model: Any, found: dict[str, Any], source: str, file: str) -> list[str]:
    """Refuse an encoder with missing weights; return lines about what else is missing or left over.

    Args:
        model: The model as it was built, with a head or without.
        found: The loading info of transformers.
        source: The model, as the user named it.
        file: The file that the weights came from.

    Raises:
        UserError: A weight of the encoder is missing or has another size.
    """
    bare = not hasattr(model, model.base_model_prefix)
    prefix = "" if bare else f"{model.base_model_prefix}."
    mine = [name for name in model.state_dict() if name.startswith(prefix)]
    other = sorted(name for name, *_ in found["mismatched_keys"] if name.startswith(prefix))
    absent = sorted(name for name in found["missing_keys"] if name.startswith(prefix))
    missing = [name for name in absent if "pooler" not in name.split(".")]
    if other or missing:
        names = other or missing
        one, several = ("has", "have") if other else ("is", "are")
        wrong = f"{one if len(names) == 1 else several} {'another size' if other else f'missing in {file}'}"
        what = f"{len(names)} of the encoder's {len(mine)} weights {wrong}: {some(names, NAMED)}"
        if len(missing) > len(mine) / 2 and found["unexpected_keys"]:
            what += f"; it has {min(found['unexpected_keys'])} and others that the model does not have"
        kind = "safetensors" if "safetensors" in file else file
        raise UserError(f"{arg('model', source)}: {what}; do config.json and {kind} belong together?")
    lines = []
    if absent and not bare:
        lines.append(f"{file} has no pooler: a random one is used, as for a new head")
    left = _left_out(found["unexpected_keys"], mine, f"{model.base_model_prefix}.", prefix)
    if left:
        have = f"{counted(len(left), 'weight')} of {file} {'has' if len(left) == 1 else 'have'}"
        what = f"{have} no place in the model of config.json and {'is' if len(left) == 1 else 'are'} left out"
        what = f"{what}: {some(left, NAMED)}"
        lines.append(f"{what}; is that the right config.json?")
    return lines


def head_of(model: Any, found: dict[str, Any]) -> tuple[Literal["new", "other", "taken"], int]:
    """Whether the head is new, new because the file's has another number of outputs, or loaded; and that number.

    Args:
        model: The model as it was built.
        found: The loading info of transformers.
    """
    head = {name for name in model.state_dict() if not name.startswith(f"{model.base_model_prefix}.")}
    other = [shapes[0] for name, *shapes in found["mismatched_keys"] if name in head]
    if other:
        return "other", other[0][0]
    return "new" if not head or head & set(found["missing_keys"]) else "taken", model.config.num_labels


def _left_out(unexpected: Iterable[str], mine: list[str], foreign: str, prefix: str) -> list[str]:
    """Encoder weights in the files that the model has no place for, not counting pretraining heads and poolers."""
    parts = {name.removeprefix(prefix).split(".")[0] for name in mine} - {"pooler"}
    bare = ((name, re.sub(r"^(model\.|module\.)?", "", name).removeprefix(foreign)) for name in sorted(unexpected))
    return [name for name, short in bare if short.split(".")[0] in parts and short.split(".")[-1] not in TABLES]
