"""Tables of cells between delimiters, read strictly: every row is one intact record, or the file is refused.

The reader is Python's own, in its strict mode. pandas pads short records, and pandas and Arrow go on reading where text
follows a closing quotation mark: both take `"a,x` and the rows down to the next quotation mark for one cell.
"""

import csv
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from finetune.arguments import arg
from finetune.config import Quoting
from finetune.data.quotes import ENDS, escapes, holds_rows, signs
from finetune.words import counted

TAB = "\t"
DELIMITERS = (",", ";", TAB, "|")
# The options of Python's reader for each way of quoting.
READERS: dict[Quoting, dict[str, Any]] = {
    "double": {"quotechar": '"', "doublequote": True},
    "backslash": {"quotechar": '"', "doublequote": False, "escapechar": "\\"},
    "single": {"quotechar": "'", "doublequote": True},
    "none": {"quoting": csv.QUOTE_NONE, "quotechar": None},
}
# A rare delimiter is searched for in this many lines; then the whole file is read strictly with it.
SNIFFED = 50


@dataclass(frozen=True)
class Reading:
    """A file read in one way: its header, its records, and the line where each record begins."""

    delimiter: str
    quoting: Quoting
    header: list[str]
    records: list[list[str]]
    lines: list[int]


class Unfit(Exception):
    """A file cannot be read in one of the ways; the text says why, and in which line."""


@dataclass(frozen=True)
class Text:
    """What is read: the text, the number of lines before it, and line ends inside cells, hidden from the reader."""

    text: str
    skipped: int = 0
    hidden: tuple[tuple[str, str], ...] = ()

    def hiding(self, end: str) -> "Text":
        """The same text with only one kind of line end; the other kinds count as parts of cells."""
        free = (chr(code) for code in range(0xE000, 0xF900) if chr(code) not in self.text)
        hidden = {other: next(free) for other in ("\r\n", "\r", "\n") if other != end}
        text = ENDS.sub(lambda found: hidden.get(found[0], found[0]), self.text)
        return Text(text, self.skipped, tuple((mark, other) for other, mark in hidden.items()))

    def shown(self, cell: str) -> str:
        """A cell as it stands in the file."""
        for mark, other in self.hidden:
            cell = cell.replace(mark, other)
        return cell


def usual(delimiter: str) -> Quoting:
    """How files with this delimiter are usually written: between tabs, quotation marks are part of the text."""
    return "none" if delimiter == TAB else "double"


def readings(text: str, delimiter: str | None, quoting: Quoting | None, suffix: str, named: Sequence[str]) -> list[Reading]:
    """All ways in which the whole file can be read: one if it is clear, several if they give different rows.

    Args:
        text: The whole text.
        delimiter: The character between cells; detected if None.
        quoting: How cells are quoted; detected if None.
        suffix: The delimiter that the file's suffix stands for.
        named: Columns that the data names; they show which delimiter is right.

    Raises:
        Unfit: The file cannot be read.
    """
    source = Text(text.removesuffix("\x1a"))
    if hint := re.match("sep=(.)(\r\n|\r|\n)", source.text):  # Excel's own line, above the header
        delimiter, source = delimiter or hint[1], Text(source.text[hint.end() :], 1)
    if not source.text.strip():
        raise Unfit("it has no columns")
    found, reasons = [], []
    for one in [delimiter] if delimiter else delimiters(source.text, suffix):
        try:
            fitting = _whole(source, one, quoting)
        except Unfit as error:
            reasons.append(str(error))
            continue
        if one == delimiter or set(named) <= set(fitting[0].header):
            return fitting
        found.append(fitting)
    if not found:
        raise Unfit(reasons[0])
    if len(found) > 1 and found[0][0].delimiter != suffix:
        raise Unfit(
            f"its cells may end at {' or at '.join(repr(one[0].delimiter) for one in found)}; give {arg('delimiter')}"
        )
    return found[0]


def delimiters(text: str, suffix: str) -> list[str]:
    """Delimiters to try: those in the first line, the suffix's own first; if there are none, what clevercsv detects."""
    header = ENDS.split(text, maxsplit=1)[0]
    here = [one for one in dict.fromkeys((suffix, *DELIMITERS)) if one in header]
    if here:
        return here
    from clevercsv import Detector  # few files need it, and all would wait for it

    dialect = Detector().detect("".join(islice(io.StringIO(text, newline=""), SNIFFED)))
    rare = "" if dialect is None else str(dialect.delimiter or "")
    return [rare if rare and rare in header and not rare.isalnum() and rare not in " _-." else suffix]


def _whole(source: Text, delimiter: str, quoting: Quoting | None) -> list[Reading]:
    try:
        return fitting(source, delimiter, quoting)
    except Unfit:
        # If there are several kinds of line ends, some of them may be parts of cells.
        ends = set(ENDS.findall(source.text))
        for end in ("\r\n", "\n", "\r") if len(ends) > 1 else ():
            if end in ends:
                try:
                    found = fitting(source.hiding(end), delimiter, quoting)
                except Unfit:
                    continue
                # A line end in a column name shows that the header ended there.
                if not any(ENDS.search(name) for name in found[0].header):
                    return found
        raise


def fitting(source: Text, delimiter: str, quoting: Quoting | None) -> list[Reading]:
    """All readings of a file with one delimiter; equal readings are returned once.

    Raises:
        Unfit: No way of quoting fits the whole file.
    """
    if quoting is not None:
        return [parse(source, delimiter, quoting)]
    reasons: dict[Quoting, str] = {}
    fits: list[Reading] = []
    several: list[Quoting] = []
    plain = _try(source, delimiter, "none", reasons)
    marked = plain is not None and signs(plain.header, plain.records, '"')
    first = ENDS.split(source.text, maxsplit=1)[0].split(delimiter)
    single = signs(first, [] if plain is None else plain.records, "'")
    tried: list[Quoting] = ["double"] if '"' in source.text or delimiter != TAB else []
    tried += ["backslash"] if escapes(source.text, delimiter) else []
    tried += ["single"] if single else []
    for one in tried:
        same = plain is not None and one == "double" and '"' not in source.text
        reading = replace(plain, quoting=one) if plain and same else _try(source, delimiter, one, reasons)
        if reading is not None and (reason := _swallows(reading, plain)):
            reasons[one] = reason
            several.append(one)
        elif reading is not None:
            fits.append(reading)
    if plain is not None and delimiter == TAB and not marked:
        fits.insert(0, plain)
    if single and any(reading.quoting == "single" for reading in fits) and not marked:
        fits = [reading for reading in fits if reading.quoting == "single"]
    if not fits:
        way = f"; {arg('quoting', 'none')} takes quotation marks as part of the text" if plain is not None else ""
        way += f", {arg('quoting', several[0])} as the ends of cells" if several and way else ""
        raise Unfit((reasons.get(usual(delimiter)) or next(iter(reasons.values()))) + way)
    return [one for n, one in enumerate(fits) if all(not _same(one, other) for other in fits[:n])]


def parse(source: Text, delimiter: str, quoting: Quoting) -> Reading:
    """Read strictly; empty lines are not rows.

    Raises:
        Unfit: A record has more or fewer cells than the header, or a quotation mark is out of place.
    """
    csv.field_size_limit(sys.maxsize)
    lines_of = io.StringIO(source.text, newline="")  # U+2028, U+0085 and the like do not end a line
    reader = csv.reader(lines_of, delimiter=delimiter, strict=True, **READERS[quoting])
    header: list[str] = []
    records: list[list[str]] = []
    lines: list[int] = []
    line = source.skipped + 1
    try:
        for record in reader:
            here, line = line, source.skipped + reader.line_num + 1
            # In a table of one column, an empty cell stands between quotation marks.
            if not record or (len(record) < 2 and len(header) != 1 and not record[0].strip()):
                continue
            if header and len(record) != len(header):
                raise Unfit(f"line {here} has {counted(len(record), 'cell')}, but the header has {len(header)}")
            if not header:
                header = [source.shown(cell) for cell in record]
                continue
            records.append([source.shown(cell) for cell in record] if source.hidden else record)
            lines.append(here)
    except csv.Error as error:
        last = source.skipped + reader.line_num
        what = "that is never closed" if "end of data" in str(error) else f"that is closed before other text in line {last}"
        raise Unfit(f"line {line}: a quotation mark opens a cell there {what}") from None
    names = [name.strip() for name in header]
    return Reading(delimiter, quoting, names if len(set(names)) == len(set(header)) else header, records, lines)


def _try(source: Text, delimiter: str, quoting: Quoting, reasons: dict[Quoting, str]) -> Reading | None:
    try:
        return parse(source, delimiter, quoting)
    except Unfit as error:
        reasons[quoting] = str(error)
        return None


def _swallows(reading: Reading, plain: Reading | None) -> str:
    """Why a quoted cell over several lines seems to be a stray quotation mark and the rows after it; else empty."""
    found = holds_rows(reading.records, reading.delimiter)
    if found:
        line, ends = reading.lines[found[0]], len(ENDS.findall(found[1]))
        return f"line {line}: a quotation mark opens a cell that runs over {ends + 1} lines and contains complete rows"
    if plain is None or reading.delimiter == TAB or len(plain.records) == len(reading.records):
        return ""
    if signs(plain.header, plain.records, '"'):
        return ""
    row = next((n for n, (a, b) in enumerate(zip(reading.records, plain.records, strict=False)) if a != b), 0)
    return f"line {plain.lines[row]}: a quotation mark opens a cell over several lines, which may be rows of their own"


def _same(one: Reading, other: Reading) -> bool:
    return one.header == other.header and one.records == other.records
