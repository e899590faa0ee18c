"""Files of words, one a line, as a source of sentences; and their lines with another column."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune.arguments import arg
from finetune.config import Data
from finetune.data.conll import TAB, looks_tagged, read_tagged
from finetune.data.decode import encoding_of, opened
from finetune.data.files import check_file, decoded
from finetune.data.quotes import ENDS
from finetune.data.splits import FORMATS, format_of
from finetune.data.stream import Record, Source
from finetune.data.tagged import LABEL, TEXT, WORD_COLUMNS

NUMBER = re.compile(r"[1-9]\d{0,5}")


@dataclass(frozen=True)
class Sentences(Source):
    """Sentences of a file with a word in each line: their words, and their tags if there are some.

    Args:
        lines: The lines of the file, with their ends.
        word_lines: The line of each word of each sentence, from 1.
    """

    lines: tuple[str, ...] = ()
    word_lines: tuple[tuple[int, ...], ...] = ()

    def with_tags(self, tags: Sequence[Sequence[str]]) -> Iterator[str]:
        """The lines of the file, each word with one more column; other lines stay as they are."""
        more = {
            line: tag
            for lines, sentence in zip(self.word_lines, tags, strict=True)
            for line, tag in zip(lines, sentence, strict=True)
        }
        for number, line in enumerate(self.lines, start=1):
            text = line.rstrip("\r\n")
            between = TAB if TAB in text.strip() else " "
            end = line[len(text) :] or "\n"
            yield f"{text.rstrip()}{between}{more[number]}{end}" if number in more else line


def sentences_of(path: Path, data: Data) -> Sentences | None:
    """The sentences of a file; None if it is a table.

    Args:
        path: The file.
        data: The numbers of the columns of words and of tags, if they are given.

    Raises:
        UserError: The file is missing, empty, or cannot be read completely.
    """
    check_file(path)
    if FORMATS[format_of(path)] in ("parquet", "json"):
        return None
    with opened(path) as file:
        raw = file.read()
    what, told = f"{path} cannot be read as {format_of(path)[1:]}", list[str]()
    said = [f"{path.name} is read as words, one a line, with an empty line after each sentence"]
    encoding = data.encoding or encoding_of(raw, what)
    text = decoded(raw, encoding, what)
    if FORMATS[format_of(path)] == "csv" and not _words(text, data):
        return None
    if not data.encoding and not encoding.startswith("utf-"):
        said.append(f"{path.name} is read as {encoding}, by its bytes; {arg('encoding')} changes that")
    table = read_tagged(text, path, _columns(text, data), "test", told, alone=True)
    cells, lines = [*table.values()], list(table.lines)

    def records() -> Iterator[Record]:
        for row in range(table.rows):
            yield [column[row] for column in cells], lines[row]

    whole = tuple(piece + end for piece, end in zip(ENDS.split(text), [*ENDS.findall(text), ""], strict=True))
    places = tuple(map(tuple, table.word_lines))
    return Sentences(path, tuple(table), records, notes=tuple(said), lines=whole, word_lines=places)


def _words(text: str, data: Data) -> bool:
    """Whether a file with a table's suffix has a word in each line: it looks so, or has sentences and no header."""
    if looks_tagged(text, data.delimiter):
        return True
    lines = ENDS.split(text)
    header = {cell.strip(" \"'").lower() for cell in re.split(r"[,;|\t]", lines[0])}
    named = header & {data.text_column.lower(), *WORD_COLUMNS}
    return not named and any(not line.strip() for line in lines[1 : len(lines) - 2])


def _columns(text: str, data: Data) -> Data:
    """The data without columns that the file does not have: a test file may end before its tags."""
    first = next((line for line in ENDS.split(text) if line.strip()), "")
    width = len(first.split(data.delimiter or (TAB if TAB in first else None)))
    found = {}
    for name, column, usual in (("text_column", data.text_column, TEXT), ("label_column", data.label_column[0], LABEL[0])):
        there = NUMBER.fullmatch(column) is not None and int(column) <= width
        found[name] = column if there else usual
    return data.model_copy(update={"text_column": found["text_column"], "label_column": (found["label_column"],)})
