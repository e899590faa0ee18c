"""Compare a run with what best.yaml recorded: everything that differs, and whether the value is the same."""

from typing import Any

from finetune.config import Data, Recipe
from finetune.folds import Folds
from finetune.training.bench import Bench
from studies.planning.identity import defaults
from studies.planning.versions import changes, told, versions
from studies.results.best import Best, Searched
from studies.results.digits import places_of, shown

# More digits than a summary shows: two runs that agree this far are most likely the same.
PLACES = 6


def asked_of(best: Best) -> Searched:
    """The configuration in a file, to be stored with what was measured."""
    data = best.data.model_dump(mode="json")
    what = {"method": best.method, "settings": best.settings, "metric": best.metric, "folds": best.folds}
    return Searched(**what, data=data, recipe=best.recipe)


def edited(there: Any, here: Any, name: str = "") -> list[str]:
    """Every leaf that differs: "epochs 3 then, 5 now"."""
    if isinstance(there, dict) and isinstance(here, dict):
        keys = [*there, *(key for key in here if key not in there)]
        return [line for key in keys for line in edited(there.get(key), here.get(key), str(key))]
    return [] if there == here else [f"{name} {plain(there)} then, {plain(here)} now"]


def plain(value: Any) -> str:
    """A value without brackets and quotation marks."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def differs(best: Best, bench: Bench, recipe: Recipe) -> list[str]:
    """Everything in which this run differs from the recorded one.

    Args:
        best: An exported configuration, as its file is now.
        bench: The data and models of this run.
        recipe: The recipe of this run.
    """
    then, found = best.recorded, list[str]()
    asked = asked_of(best)
    before = (then.searched or asked).model_dump(mode="json")  # older files do not repeat their configuration
    before["data"] = defaults(Data) | before["data"]
    here = asked.model_dump(mode="json") | {"recipe": recipe.model_dump(mode="json")}
    for one in (before, here):  # what is not there is what a plain search has
        one["folds"] = one.get("folds") or Folds().model_dump(mode="json")
    found += edited(before, here)
    if bench.task.fingerprint != then.data_fingerprint:
        rows = f"{len(bench.task.train)} train and {len(bench.task.validation)} validation rows now"
        found.append(f"the data has changed ({rows})")
    if best.metric_source not in (None, *(own.source for own in bench.task.own)):
        found.append(f"the file of {best.measured} has changed")
    if bench.models.fingerprint_like(then.model_fingerprint) != then.model_fingerprint:
        found.append("the pretrained model has changed")
    changed = changes(then.versions, versions())
    found += [told({package: pair}) for package, pair in changed.items()]
    if then.device not in (None, bench.device.type):
        found.append(f"device {then.device} then, {bench.device.type} now")
    return found


def compared(best: Best, value: float, different: list[str], seed: int, maximize: bool) -> str:
    """Whether the value is the recorded one, and if not, everything that differs."""
    recorded, places = best.recorded, max(PLACES, places_of(maximize, best.recorded.value))
    text = f"{best.measured} {shown(value, places)}; recorded {shown(recorded.value, places)}"
    why = "; ".join(different)
    if seed != seed_of(best):
        more = f"; {why}" if len(different) > 1 else ""
        return f"{text} on seed {seed_of(best)}. This is seed {seed}: another draw of the same setting{more}"
    if value == recorded.value:
        return f"{text}: the same" + (f", although not all is as it was ({why})" if why else "")
    why = why or "same versions, data and model, so another machine or another kind of device"
    if shown(value, places) == shown(recorded.value, places):
        return f"{text}: equal at these digits, {abs(value - recorded.value):.1g} apart ({why})"
    return f"{text}: NOT the same ({why})"


def seed_of(best: Best) -> int:
    """The seed that the recorded value belongs to."""
    return (best.recorded.searched or best).recipe.seed
