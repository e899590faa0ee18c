"""Where the lines of a search are printed."""

from collections.abc import Callable

from rich.console import Console

from finetune.arguments import as_arguments


class Screen:
    """Where lines are printed.

    Args:
        console: The console; None prints nothing.
        render: Turns a message into its reader's words: arguments or options.

    Attributes:
        said: Every line, as printed.
        notebook: Whether lines are printed in a notebook.
    """

    def __init__(self, console: Console | None, render: Callable[[str], str] = as_arguments) -> None:
        self.console, self.render = console, render
        self.said: list[str] = []
        self.notebook = False

    @classmethod
    def of(cls, progress: bool) -> "Screen":
        """For Python users: lines on standard output, or none; in a notebook also a block that is updated."""
        screen = cls(Console(force_jupyter=False) if progress else None)
        screen.notebook = progress and Console().is_jupyter
        return screen

    @property
    def moving(self) -> bool:
        """Whether a bar can move here."""
        return self.console is not None and self.console.is_terminal

    def say(self, text: str) -> None:
        """Print a line as it is: names from data are never taken for markup, and long lines are not cut."""
        self.said.append(self.render(text))
        if self.console is not None:
            self.console.print(self.said[-1], highlight=False, soft_wrap=True, markup=False)
