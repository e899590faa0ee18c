"""The predict command."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from finetune.arguments import as_options
from finetune.errors import UserError
from studies.predicting import predicted
from studies.report.screen import Screen
from studies.results.sinks import on_stdout

# The fewest paths: a model and a file.
FEWEST = 2


def print_prediction(paths: Sequence[str], arguments: dict[str, Any]) -> None:
    """Predict the last of the paths with the others, and say what was done.

    Lines go to standard error where the predictions go to standard output.

    Args:
        paths: The models, and the file.
        arguments: The options that were given.

    Raises:
        UserError: Something does not fit.
    """
    if len(paths) < FEWEST:
        raise UserError(f"{paths[0]}: name the models and then the file to predict: predict runs/model test.csv")
    console = Console(stderr=on_stdout(arguments.get("out")))
    screen = Screen(console, as_options)
    found = predicted(arguments | {"models": tuple(paths[:-1]), "file": paths[-1]}, screen)
    if found.scores:
        values = ", ".join(f"{name} {value:.4f}" for name, value in found.scores.items())
        screen.say(f"its labels are scored: {values}")
    if found.path is not None:
        screen.say(f"written: {found.path}")
