"""The report command."""

from rich.console import Console

from finetune.arguments import arg
from finetune.errors import writing
from studies.door import load
from studies.report.files import write_images
from studies.report.outputs import write_outputs
from studies.report.terminal import print_paths, print_summary, say
from studies.running.folder import study_folder


def print_report(storage: str, study: str | None, out: str, console: Console) -> None:
    """Print the summary of a study and write its files again.

    Raises:
        UserError: There is no such study, or a file cannot be written.
    """
    result = load(storage, study, out)
    folder = study_folder(out, result.name)
    print_summary(console, result.summary)
    with writing(arg("out", out)):
        result.files = write_outputs(result.summary, folder)
        print_paths(console, result.files, storage)
        for path in write_images(result.summary, folder / "figures"):
            say(console, f"written: {path}")
    if line := result.following(python=False):
        say(console, line)
