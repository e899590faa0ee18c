"""The train command."""

from pathlib import Path

from rich.console import Console

from finetune.errors import UserError
from finetune.training.epoch import Epoch, words
from studies.report.terminal import say
from studies.results.export import read_best
from studies.results.rerun import rerun


def print_training(config: str, seed: int | None, out: Path, console: Console) -> None:
    """Train an exported configuration, and compare its value with the recorded one.

    Raises:
        UserError: The configuration, its data or its model cannot be used.
    """
    best = read_best(config)
    metric = best.measured

    def line(who: str, epoch: Epoch) -> None:
        here = words(epoch.number, best.recipe.evals_per_epoch, best.recipe.epochs)
        say(console, f"{who}, {here}: {metric} {epoch.metrics[metric]:.4f}, loss {epoch.loss or 0.0:.4f}")

    try:
        result = rerun(best, seed, out, line, lambda text: say(console, text))
    except UserError as error:
        raise UserError(f"{config}: {error.text}") from None
    for sentence in [*result.sentences, *result.notes]:
        say(console, sentence)
    say(console, f"model: {out}")
