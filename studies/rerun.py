"""Train an exported configuration once, compare with what was recorded, and keep the model."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors import SafetensorError

from adv import METHODS
from finetune.config import Recipe, checked
from finetune.errors import writing
from finetune.keep import keep
from finetune.load import load_task
from finetune.loop import Bench, Epoch, Training
from studies.best import Best
from studies.versions import changes, told, versions


@dataclass(frozen=True)
class Rerun:
    """How the new value stands to the recorded one; ``verdict`` is a sentence, ``notes`` are lines about the saved model."""

    value: float
    same: bool
    verdict: str
    notes: list[str]


def rerun(best: Best, seed: int | None, out: Path, on_epoch: Callable[[Epoch], None]) -> Rerun:
    """Train, compare, and save model (averaged, where the recipe says so) and tokeniser to ``out`` in the hub's layout.

    Args:
        best: An exported configuration.
        seed: Another seed, or None for the recorded one.
        out: A folder.
        on_epoch: Told after every epoch.

    Raises:
        UserError: The folder cannot be written, or data or model cannot be had.
        Diverged: It no longer trains.
    """
    recipe = best.recipe if seed is None else checked(Recipe, best.recipe.model_dump() | {"seed": seed})
    bench = Bench(load_task(best.data, recipe.metric), recipe)
    with writing(f"--out {out}"):
        out.mkdir(parents=True, exist_ok=True)
    training = Training(bench, recipe, METHODS[best.method](**best.settings))
    for epoch in training.epochs():
        on_epoch(epoch)
    with writing(f"--out {out}"), TemporaryDirectory(dir=out, prefix=".writing-") as whole:
        try:
            with training.average.swapped():
                notes = keep(bench, training.model, Path(whole))
        except SafetensorError as error:
            raise OSError(str(error)) from None
        for path in Path(whole).iterdir():
            path.replace(out / path.name)
    value = training.history[-1].metrics[recipe.metric]
    return Rerun(value, value == best.recorded.value, verdict(best, bench, value, recipe.seed), [*bench.notes, *notes])


def verdict(best: Best, bench: Bench, value: float, seed: int) -> str:
    """Whether the value is the recorded one, and if not, what differs."""
    recorded = best.recorded
    text = f"{best.recipe.metric} {value:.6f}; recorded {recorded.value:.6f}"
    if seed != best.recipe.seed:
        return f"{text} on seed {best.recipe.seed}. This is seed {seed}: another draw of the same setting"
    if value == recorded.value:
        return f"{text}: the same"
    changed = changes(recorded.versions, versions())
    causes = [told(changed)] if changed else []
    if bench.task.fingerprint != recorded.data_fingerprint:
        causes.append("the data has changed")
    if bench.models.fingerprint_like(recorded.model_fingerprint) != recorded.model_fingerprint:
        causes.append("the pretrained model has changed")
    why = "; ".join(causes) or "same versions, data and model, so another machine or another kind of device"
    return f"{text}: NOT the same ({why})"
