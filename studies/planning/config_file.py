"""A whole configuration in one file: a best.yaml, or arguments by their names."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from finetune.arguments import Line, arg
from finetune.config import Data, Recipe
from finetune.errors import UserError, first_line, near
from finetune.folds import Folds
from finetune.words import listed
from studies.planning.idle import idle_beside
from studies.planning.plain_yaml import Loader

# Values whose usual value depends on the model.
BY_MODEL = ("epochs", "learning_rate", "threads")
# What best.yaml records beside its configuration.
RECORDS = ("format", "recorded", "confirmed", "front", "metric_source")
# Settings of one method: they mean nothing to another.
OF_METHOD = ("settings", "set", "space")
# Where rows come from: a source on the command line replaces all of them.
SOURCES = ("task", "data", "train_file", "validation_file", "test_file")
# The same things under the names that the Trainer and the code of competitions have for them.
ALIASES = {
    "num_train_epochs": "epochs", "num_epochs": "epochs", "n_epochs": "epochs",
    "per_device_train_batch_size": "batch_size", "train_batch_size": "batch_size",
    "gradient_accumulation_steps": "gradient_accumulation",
    "max_seq_length": "max_length", "max_len": "max_length",
    "model_name_or_path": "model", "model_name": "model",
    "lr": "learning_rate", "encoder_lr": "learning_rate", "decoder_lr": "head_learning_rate",
    "lr_scheduler_type": "schedule", "scheduler": "schedule", "warmup_ratio": "warmup",
    "label_smoothing_factor": "label_smoothing", "llrd": "layer_decay",
    "n_fold": "folds", "n_folds": "folds", "num_folds": "folds", "n_splits": "folds", "kfold": "folds", "cv": "folds",
    "fold_col": "fold_column", "group_col": "group_column",
    "range": "space", "n_trials": "trials", "study_name": "study", "output_dir": "out",
    "awp_lr": "adv_lr", "awp_eps": "adv_eps", "awp_start_epoch": "start_epoch", "nth_awp_start_epoch": "start_epoch",
}  # fmt: skip


def with_config(given: dict[str, Any], groups: Iterable[str], known: Sequence[str]) -> tuple[dict[str, Any], list[Line]]:
    """Arguments, completed by those of the file that ``config`` names; what was given itself wins.

    ``settings``, as in best.yaml, are tried first where the method's space has them, and fixed otherwise.

    Args:
        given: Arguments by name, among them ``config``.
        groups: Names of the groups of arguments, which the file may have as blocks.
        known: Names of all arguments that the caller takes.

    Returns:
        The arguments; lines about values that were replaced, renamed or left out.

    Raises:
        UserError: The file cannot be read, or has a name that means nothing.
    """
    given, lines = dict(given), list[Line]()
    path = str(given["config"])
    where = arg("config", path)
    content = read_config(path)
    there = chosen(flat(content, groups, where, lines), "recorded" in content)
    for name in there:
        if name == "config" or name not in (*known, "settings"):
            raise UserError(f"{where}: {name} is not an argument{hint(name, known)}")
        if name in ("set", "settings") and not isinstance(there[name], dict):
            raise UserError(f"{where}: {name} is not a mapping; write lines such as '  epsilon: 0.5' below it")
    leave_out(there, given, where, lines)
    replaced = [f"{name} {plain(there[name])} is now {plain(given[name])}" for name in there if differs(name, there, given)]
    if replaced:
        lines.append(Line(f"{where}: {'; '.join(replaced)}"))
    return joined(there, given), lines


def leave_out(there: dict[str, Any], given: Mapping[str, Any], where: str, lines: list[Line]) -> None:
    """Remove what means nothing beside the given arguments: settings of another method, other sources of rows, other folds.

    Where the file's method is one of several, its settings are still tried first, but nothing is the same for all of them.
    """
    method, asked = one_of(there.get("method")), several(given.get("method", ()))
    if method is not None and asked and asked != (method,):
        kept = ("settings",) if among(asked) and {method, "all"} & {*asked} else ()
        left = [name for name in OF_METHOD if name not in kept and there.pop(name, None)]
        if left:
            now = plain(given["method"])
            lines.append(Line(f"{where}: {listed(left)} of {method} left out, because {arg('method')} is {now}"))
    if any(name in given for name in SOURCES):
        for name in SOURCES:
            if name not in given:
                there.pop(name, None)
    for name, other in (("folds", "fold_column"), ("fold_column", "folds")):
        if name in given and other not in given and (was := there.pop(other, None)) is not None:
            there.pop(name, None)
            lines.append(Line(f"{where}: {other} {was} left out, because {arg(name)} is {given[name]}"))


def joined(there: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The file's arguments and the given ones as one."""
    settings, found = there.pop("settings", {}), there | given
    fixed = there.get("set", {}) | given.get("set", {})
    own, asked = one_of(there.get("method")), several(found.get("method", "awp"))
    method = own if own is not None and among(asked) else one_of(asked)
    settings = {name: value for name, value in settings.items() if name not in fixed}
    start, rest = (settings, {}) if method is not None and among(asked) else parted(method, settings)
    if rest or fixed:
        found["set"] = rest | fixed
    if there.get("space"):
        found["space"] = (*several(there["space"]), *several(given.get("space", ())))
    if start:
        found["start"] = ({"method": method, "settings": start}, *several(found.get("start", ())))
    return found


def read_config(path: str) -> dict[str, Any]:
    """The file's content.

    Raises:
        UserError: It is missing, or not a mapping in YAML or JSON.
    """
    where = arg("config", path)
    try:
        content = yaml.load(Path(path).expanduser().read_text(encoding="utf-8-sig"), Loader)
    except FileNotFoundError:
        raise UserError(f"{where}: there is no such file") from None
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{where} cannot be read: {first_line(error)}") from None
    if not isinstance(content, dict) or not content:
        raise UserError(f"{where} is not a mapping; write lines such as 'method: awp' and 'epochs: 4', or name a best.yaml")
    return {str(name): value for name, value in content.items()}


def flat(content: dict[str, Any], groups: Iterable[str], where: str, lines: list[Line]) -> dict[str, Any]:
    """All values by the names of their arguments: blocks are opened, records and empty values left out.

    Raises:
        UserError: A name stands twice.
    """
    found: dict[str, Any] = {}
    renamed: list[str] = []
    pairs = [(name, value) for name, value in content.items() if name not in RECORDS]
    blocks = [(name, value) for name, value in pairs if name in groups and isinstance(value, dict)]
    pairs = [pair for pair in pairs if pair not in blocks] + [pair for _, block in blocks for pair in block.items()]
    for name, value in pairs:
        name = right(str(name), renamed)
        if isinstance(value, dict) and name in OF_METHOD:
            value = {right(key, renamed): each for key, each in value.items()}
        if name in found:
            raise UserError(f"{where}: {name} stands twice; leave one out")
        if value is not None:
            found[name] = value
    if renamed:
        lines.append(Line(f"{where}: {', '.join(renamed)}"))
    return found


def chosen(content: dict[str, Any], recorded: bool) -> dict[str, Any]:
    """Without values that are the usual ones anyway: best.yaml has them all.

    What is usual for the built-in encoder alone counts as chosen. In a best.yaml, what does nothing beside others was drawn
    for a trial in which it did nothing.
    """
    usual = {name: field.default for kind in (Data, Folds, Recipe) for name, field in kind.model_fields.items()}
    usual = {name: value for name, value in usual.items() if name not in BY_MODEL}
    idle = idle_beside({n: v for n, v in content.items() if n in Recipe.model_fields}) if recorded else set()
    left = {name: value for name, value in content.items() if name not in idle}
    return {n: v for n, v in left.items() if n not in usual or several(v) != several(usual[n])}


def right(name: str, renamed: list[str]) -> str:
    """The name that a value has here."""
    name = name.replace("-", "_")
    if name in ALIASES:
        renamed.append(f"{name} is read as {ALIASES[name]}")
    return ALIASES.get(name, name)


def hint(name: str, known: Sequence[str]) -> str:
    """The end of a message about an unknown name."""
    from spaces import SPACES

    close = near(name, [*known, "settings", *ALIASES])
    if "did you mean" in close and not any(name in space for space in SPACES.values()) and name != "start_epoch":
        return close
    return "; settings of a method stand below settings: (tried first) or set: (the same in all trials)"


def differs(name: str, there: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether the file's value is replaced by another one."""
    return name in given and name not in OF_METHOD and several(there[name]) != several(given[name])


def several(value: Any) -> tuple[Any, ...]:
    """A value as a tuple, so that ``awp`` and ``[awp]`` are the same."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def plain(value: Any) -> str:
    """A value as it is typed."""
    return ",".join(map(str, several(value)))


def among(asked: Sequence[Any]) -> bool:
    """Whether several methods are asked for."""
    return len(asked) > 1 or "all" in asked


def one_of(method: Any) -> str | None:
    """The only method; None if there is none, or there are several."""
    names = several(method)
    return names[0] if len(names) == 1 else None


def parted(method: str | None, settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings that the method's space has, and the others."""
    from spaces import SPACES, space_of  # imports Optuna, which takes a moment

    space = space_of(method, 3) if method in SPACES else {}
    return {n: v for n, v in settings.items() if n in space}, {n: v for n, v in settings.items() if n not in space}
