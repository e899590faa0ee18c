"""One table: its columns, and where its rows stand in a file."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any


class Table(dict[str, list[Any]]):
    """Columns by name, all of one length.

    Args:
        columns: Values of each column.
        file: Name of the file that the rows come from; empty if there is no file.
        lines: The line of the file where each row begins, from 1; empty if rows have no lines.
        classes: Class names, in order, of columns for which the data set has names.

    Attributes:
        sentences: Whether it comes from a file of words with their tags.
        word_lines: Of such a file, the line of each word of each sentence.
    """

    sentences = False
    # Names that several columns of the file have; only the last of them is here.
    twice: frozenset[str] = frozenset()
    # The first row of each table that was joined, and that table.
    parts: "tuple[tuple[int, Table], ...]" = ()
    word_lines: Sequence[Sequence[int]] = ()
    # The document of each row; empty if the file does not say where documents begin.
    documents: Sequence[str] = ()

    def __init__(
        self,
        columns: Mapping[str, list[Any]],
        file: str = "",
        lines: Sequence[int] = (),
        classes: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        super().__init__(columns)
        self.file, self.lines, self.classes = file, lines, dict(classes or {})

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(next(iter(self.values()), []))

    def place(self, row: int) -> str:
        """Where a row is in its file, to follow its number in a message: " (line 7 of train.csv)"."""
        for start, table in reversed(self.parts):
            if row >= start:
                return table.place(row - start)
        if not self.lines:
            return f" ({self.file})" if self.file else ""
        return f" (line {self.lines[row]} of {self.file})"


def joined(tables: Sequence[Table]) -> Table:
    """The rows of all tables, one table after the other; the files of one split have the same columns."""
    if len(tables) == 1:
        return tables[0]
    columns = {name: [value for table in tables for value in table[name]] for name in tables[0]}
    whole = Table(columns, f"{tables[0].file} and the files next to it", (), tables[0].classes)
    whole.sentences = tables[0].sentences
    if all(table.documents for table in tables):
        whole.documents = [document for table in tables for document in table.documents]
    starts = accumulate((table.rows for table in tables[:-1]), initial=0)
    whole.parts = tuple(zip(starts, tables, strict=True))
    return whole
