"""Filling a sample submission: its rows, in their order, each found in the file by its id."""

from collections.abc import Sequence
from typing import IO, Any

from finetune.arguments import arg
from finetune.errors import UserError
from finetune.tasks.answer import Answer, numbers
from finetune.tasks.cells import whole
from finetune.words import counted
from studies.results.sinks import Delimited, cell_text
from studies.results.template import Template

# What identifies a row: a cell of each of the columns.
Key = tuple[str, ...]


def key_of(cells: Sequence[Any]) -> Key:
    """The cells that identify a row: 7, 7.0 and " 7" are one number."""
    return tuple(str(whole(cell.strip() if isinstance(cell, str) else cell)) for cell in cells)


class Submission:
    """Gathers predictions, and writes the filled template.

    Args:
        template: The template.
        names: The model's classes, labels or targets.
        keys: What identifies each row of the file, in the order of the file; empty if rows go by their order.
        rows: How many rows the file has.
        file: Its name, for messages.
        between: Between the labels in a cell.

    Raises:
        UserError: A row of the template is not in the file, or stands for several.
    """

    def __init__(
        self, template: Template, names: tuple[str, ...], keys: list[Key], rows: int, file: str, between: str
    ) -> None:
        self.template, self.names, self.between = template, names, between
        self.notes, self.cells = list[str](), list[list[Any]]()
        where = arg("template", str(template.source.path))
        if not template.ids:
            if rows != len(template.rows):
                what = f"it has {counted(len(template.rows), 'row')} and no column of {file}, which has {rows}"
                raise UserError(f"{where}: {what}; name the column that identifies rows: {arg('id_column')}")
            self.notes.append(
                f"{template.source.path.name} has no column of {file}: its rows are filled in the file's order"
            )
            self.order = list(range(rows))
            return
        asked = [key_of([row[place] for place in template.ids]) for row in template.rows]
        there, twice = dict[Key, int](), dict[Key, int]()
        for row, key in enumerate(keys):
            twice.setdefault(key, row) if key in there else there.setdefault(key, row)
        column = ", ".join(template.id_names)
        for row, key in enumerate(asked):
            shown = ", ".join(key)
            if key not in there:
                many = sum(key not in there for key in asked)
                more = f" (and {many - 1} more)" if many > 1 else ""
                raise UserError(f"{where}: row {row + 1} has {column} {shown!r}{more}, which {file} does not have")
            if key in twice:
                both = f"rows {there[key] + 1} and {twice[key] + 1}"
                raise UserError(f"{arg('id_column', column)}: {file} has {shown!r} twice, in {both}")
        if len(set(asked)) < len(asked):
            first = next(key for row, key in enumerate(asked) if key in asked[:row])
            raise UserError(f"{where}: it has {column} {', '.join(first)!r} twice")
        if left := len(there) + len(twice) - len(asked):
            self.notes.append(f"{counted(left, 'row')} of {file} {'is' if left == 1 else 'are'} not in the template")
        self.order = [there[key] for key in asked]

    def add(self, answer: Answer) -> None:
        """Take the predictions of the next rows of the file."""
        columns = [self._column(fill.what, fill.name, answer) for fill in self.template.fills]
        self.cells += [list(cells) for cells in zip(*columns, strict=True)]

    def _column(self, what: str, name: str, answer: Answer) -> list[Any]:
        if what == "value":
            return numbers(answer.values[name])
        assert answer.predicted is not None
        if what == "flag":
            return [int(name in one if isinstance(one, list) else name == one) for one in answer.predicted]
        if what == "number":
            return [self.names.index(one) for one in answer.predicted]
        return [self.between.join(one) if isinstance(one, list) else one for one in answer.predicted]

    def write(self, file: IO[bytes]) -> None:
        """Write the filled template."""
        sink = Delimited(file, self.template.source.names, self.template.source.delimiter)
        for cells, row in zip(self.template.rows, self.order, strict=True):
            filled = [cell_text(cell) for cell in cells]
            for fill, cell in zip(self.template.fills, self.cells[row], strict=True):
                filled[fill.place] = cell
            sink.write([filled])
