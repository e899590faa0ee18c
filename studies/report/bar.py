"""A bar that moves: on a terminal, and in a notebook as a block."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from studies.report.notebook import Block
from studies.report.screen import Screen


class Bar:
    """A bar on the screen.

    Args:
        shown: What draws it.
        task: Its number there.
    """

    def __init__(self, shown: Progress | Block, task: TaskID) -> None:
        self.shown, self.task = shown, task

    def update(self, text: str, done: int | None = None) -> None:
        """Change the text beside it, and how far it is."""
        self.shown.update(self.task, description=text, completed=done)


@contextmanager
def moving(screen: Screen, text: str, total: int, done: int) -> Iterator[Bar | None]:
    """A bar as long as the block runs, with the time that is left; None where no bar can move.

    Args:
        screen: Where it is shown. In a notebook it stays as it was at the end.
        text: The text beside it.
        total: Where it ends.
        done: How far it is.
    """
    if screen.notebook:
        yield Bar(Block(text, total, done), TaskID(0))
        return
    if not screen.moving:
        yield None
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=screen.console, transient=True) as shown:
        yield Bar(shown, shown.add_task(text, total=total, completed=done))
