"""The export command."""

from rich.console import Console

from finetune.arguments import arg, as_options
from finetune.errors import writing
from studies.door import load
from studies.report.screen import Screen
from studies.results.export import writer_of
from studies.results.sinks import STDOUT, on_stdout, replacing


def print_export(storage: str, study: str | None, format: str, output: str | None, trial: int | None = None) -> None:
    """Print the best trial, or another one, or write it to a file.

    Raises:
        UserError: The format is unknown, there is no such study, no trial is complete, or the file cannot be written.
    """
    writer_of(format)
    result = load(storage, study)
    if output is None:
        text = result.export(format=format, trial=trial)
        with replacing(STDOUT) as file:
            file.write(text.encode())  # as in a file, whatever the terminal's encoding
    else:
        with writing(arg("output", output)):
            result.export(output, format, trial)
        Screen(Console(stderr=on_stdout(output)), as_options).say(f"written: {output}")
