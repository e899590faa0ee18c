"""Progress in a notebook: a block under the cell that is updated."""

import html
from typing import Any


class Block:
    """Replaces rich's bar, which does not move in a notebook without widgets.

    Args:
        text: The text beside the bar.
        total: The total of trials.
        done: Trials so far.
    """

    def __init__(self, text: str, total: int, done: int) -> None:
        from IPython.display import display

        self.text, self.total, self.done = text, total, done
        self._handle: Any = display(self, display_id=True)

    def update(self, task: Any, description: str, completed: int | None = None) -> None:
        """Update the bar, as in ``rich.progress.Progress``."""
        self.text, self.done = description, self.done if completed is None else completed
        self._handle.update(self)

    def _repr_html_(self) -> str:
        return (
            f'<progress value="{self.done}" max="{self.total}"></progress> {self.done}/{self.total} {html.escape(self.text)}'
        )

    def __repr__(self) -> str:
        return f"{self.done}/{self.total} {self.text}"
