"""The folders of a training with folds or seeds: their names, what they belong to, and what is already there."""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from finetune.arguments import arg
from finetune.errors import UserError
from finetune.models.checkpoint import ABOUT
from finetune.training.run_folders import run_name
from finetune.training.series import Ended, Part, Series
from finetune.words import counted
from studies.planning.versions import changes, told, versions
from studies.planning.words import size
from studies.results.best import Best
from studies.results.recorded import edited
from studies.running.whole import write_whole

FORMAT = "advsearch train 1"
RECORD = "train.json"
# Finished runs: their evaluations and predictions.
RUNS = ".runs"
# A model that is being written.
WRITING = ".writing-"
RUN = re.compile(r"fold-\d+(-seed-\d+)?")
# What a difference of the record is called; versions are said, and refuse nothing.
SHOWN = 3
# Beside the weights: tokeniser, configuration, card, and a copy of a head.
BESIDE = 1.05


def record_of(best: Best, series: Series) -> dict[str, Any]:
    """What the runs of a folder have in common: everything that decides about their values, but no place on this machine."""
    recipe = series.recipe.model_dump(mode="json") | {"model": Path(series.recipe.model).name}
    folds = series.folds.model_dump(mode="json", exclude={"seeds"})
    return {
        "format": FORMAT,
        "method": best.method,
        "settings": best.settings,
        "metric": best.measured,
        "recipe": recipe,
        "folds": folds,
        "metric_source": [own.source for own in series.task.own],
        "data": series.task.fingerprint,
        "model": series.benches.whole.models.fingerprint,
        "device": series.benches.whole.device.type,
        "versions": versions(),
    }


def refuse_foreign(out: Path, record: dict[str, Any]) -> None:
    """Refuse a folder that is not for these runs.

    Raises:
        UserError: It has runs of another configuration, or folders of this name that this command did not write.
    """
    where = arg("out", out)
    if out.exists() and not out.is_dir():
        raise UserError(f"{where} is a file; name a folder")
    if (out / RECORD).is_file():
        refuse_other(out, record, where)
        return
    strange = sorted(path.name for path in out.glob("fold-*") if RUN.fullmatch(path.name)) if out.is_dir() else []
    if strange:
        raise UserError(f"{where} has {strange[0]}, which was not trained by this command; choose another folder")
    if (out / "config.json").is_file():
        raise UserError(f"{where} holds a single model; folds and seeds need a folder of their own")


def versions_told(out: Path, record: dict[str, Any]) -> list[str]:
    """A line if finished runs of a folder were trained under other versions; call ``refuse_foreign`` first."""
    if not (out / RECORD).is_file():
        return []
    then = json.loads((out / RECORD).read_text(encoding="utf-8")).get("versions")
    changed = changes(then if isinstance(then, dict) else {}, record["versions"])
    return [f"{out} was begun under other versions, and finished runs stay: {told(changed)}"] if changed else []


def further(out: Path, series: Series) -> list[str]:
    """Folders of runs with more seeds, of an earlier call."""
    mine = {run_name(part) for part in series.parts}
    return sorted(path.name for path in out.glob("fold-*") if RUN.fullmatch(path.name) and path.name not in mine)


@contextmanager
def claimed(out: Path, record: dict[str, Any]) -> Iterator[None]:
    """Take a folder for these runs, and let no other process train into it meanwhile.

    Raises:
        UserError: Another process does.
        OSError: The folder cannot be written.
    """
    (out / RUNS).mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / RUNS / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(f"{arg('out', out)}: another process is training there; wait, or choose another folder") from None
    try:
        if not (out / RECORD).is_file():
            write_whole(out / RECORD, json.dumps(record, indent=2) + "\n")
        for torn in out.glob(f"{WRITING}*"):  # of a process that was killed
            shutil.rmtree(torn, ignore_errors=True)
        yield
    finally:
        lock.release()


def refuse_several(out: Path) -> None:
    """Refuse a folder of folds for a single model: its files would be taken for those of all folds.

    Raises:
        UserError: It is one.
    """
    if (out / RECORD).is_file():
        raise UserError(f"{arg('out', out)} has the models of several folds or seeds; choose another folder for one model")


def refuse_other(out: Path, record: dict[str, Any], where: str) -> None:
    """Refuse a folder with runs of another configuration.

    Raises:
        UserError: It has, or its record is damaged.
    """
    try:
        there = json.loads((out / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        there = None
    if not isinstance(there, dict) or there.get("format") != FORMAT:
        raise UserError(f"{where}: {RECORD} there is damaged or of another program; choose another folder")
    now = json.loads(json.dumps(record))
    different = [line.strip() for line in edited(there | {"versions": now["versions"]}, now)]
    if different:
        what = "; ".join(different[:SHOWN]) + (f" (and {len(different) - SHOWN} more)" if len(different) > SHOWN else "")
        raise UserError(f"{where} has runs of another configuration: {what}; choose another folder")


def finished(out: Path, series: Series) -> dict[int, Ended]:
    """The runs that are complete in a folder, by their number."""
    found = {}
    for part in series.parts:
        name = run_name(part)
        ended = Ended.load(run_file(out, name), part) if (out / name / ABOUT).is_file() else None
        if ended is not None:
            found[part.number] = ended
    return found


def run_file(out: Path, name: str) -> Path:
    """The file of a finished run."""
    return out / RUNS / f"{name}.safetensors"


def room_told(out: Path, series: Series, missing: Sequence[Part]) -> str:
    """What the models will take on the disk, in a line.

    Raises:
        UserError: The disk has less.
    """
    models, recipe = series.benches.whole.models, series.recipe
    model = models.look_at(recipe.seed, recipe)
    each = sum(value.numel() * value.element_size() for value in model.state_dict().values()) * BESIDE
    needed, place = each * len(missing), next(path for path in (out, *out.resolve().parents) if path.exists())
    free = shutil.disk_usage(place).free
    many = f"{counted(len(missing), 'model')} of {size(int(each))}"
    what = f"{many}: {size(int(needed))} on the disk, which has {size(free)} free"
    if needed > free:
        raise UserError(f"{arg('out', out)}: {what}; free some space, or train fewer {arg('folds')} or {arg('seeds')}")
    return what
