"""Progress in a notebook: a block that renews itself under the cell."""

import html
from typing import Any


class Block:
    """Stands for rich's bar, which a notebook without widgets cannot move.

    Args:
        text: What it says.
        total: Trials in the end.
        done: Trials so far.
    """

    def __init__(self, text: str, total: int, done: int) -> None:
        from IPython.display import display

        self.text, self.total, self.done = text, total, done
        self._handle: Any = display(self, display_id=True)  # type: ignore[no-untyped-call]

    def update(self, task: Any, description: str, completed: int | None = None) -> None:
        """Renew it, as ``rich.progress.Progress`` does."""
        self.text, self.done = description, self.done if completed is None else completed
        self._handle.update(self)

    def _repr_html_(self) -> str:
        return (
            f'<progress value="{self.done}" max="{self.total}"></progress> {self.done}/{self.total} {html.escape(self.text)}'
        )

    def __repr__(self) -> str:
        return f"{self.done}/{self.total} {self.text}"
