"""Evidence in a file's cells for and against a way to read quotation marks."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache

ENDS = re.compile("\r\n|\r|\n")
# A value that occurs in a column this often is a category such as a class, not a sentence that occurs there by chance.
OFTEN = 2


def escapes(text: str, delimiter: str) -> bool:
    """Whether every backslash stands before a character that writers escape, so that it may be an escape."""
    if "\\" not in text:
        return False
    return "\\" not in re.sub(rf"""\\["'\\\r\n{re.escape(delimiter)}]""", "", text)


def signs(header: Sequence[str], records: Sequence[Sequence[str]], mark: str) -> bool:
    """Whether the file's writer quoted cells with this mark: all names, a complete column, or a cell with a doubled mark.

    Args:
        header: Column names as they stand in the file, with their marks.
        records: Cells as they stand in the file.
        mark: A quotation mark.
    """
    inside = re.compile(f"{mark}(?:[^{mark}]|{mark}{mark})*{mark}", re.DOTALL)

    def stands(cell: str) -> bool:
        return len(cell) > 1 and inside.fullmatch(cell) is not None

    if all(map(stands, header)):
        return True
    for column in zip(*records, strict=True):
        cells = [cell for cell in column if cell]
        if len(cells) >= OFTEN and all(map(stands, cells)):
            return True
        if any(mark * 2 in cell[1:-1] and stands(cell) for cell in cells):
            return True
    return False


def holds_rows(records: Sequence[Sequence[str]], delimiter: str) -> tuple[int, str] | None:
    """The first record with a cell that contains complete rows, and the cell: a stray quotation mark has swallowed them.

    A line inside a cell is a row if it has the right number of cells, and one of these fits its column: it is a value
    that recurs there, or a number in a column of numbers.
    """
    width = len(records[0]) if records else 0
    if width < 2:
        return None

    @cache
    def kinds(column: int) -> tuple[set[str], bool]:
        values = [record[column].strip() for record in records]
        counts = Counter(value for value in values if value)
        single = [value for value in values if value and not ENDS.search(value)]
        numeric = len(single) >= OFTEN and all(_number(value) for value in single)
        return {value for value, count in counts.items() if count >= OFTEN}, numeric

    def known(cells: Sequence[str], first: int, skipped: int) -> bool:
        for place, cell in enumerate(cells):
            value = cell.strip()
            if place != skipped and value:
                values, numeric = kinds(first + place)
                if value in values or (numeric and _number(value)):
                    return True
        return False

    for row, record in enumerate(records):
        for place, cell in enumerate(record):
            lines = ENDS.split(cell)
            if len(lines) == 1:
                continue
            parts = [line.split(delimiter) for line in lines]
            if len(parts[0]) == width - place and known(parts[0], place, 0):
                return row, cell
            if len(parts[-1]) == place + 1 and known(parts[-1], 0, place):
                return row, cell
            if any(len(part) == width and known(part, 0, -1) for part in parts[1:-1]):
                return row, cell
    return None


def _number(value: str) -> bool:
    return re.fullmatch(r"[+-]?\d*[.,]?\d+(?:[eE][+-]?\d+)?", value) is not None
