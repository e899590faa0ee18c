"""Files of words with their tags: a word in each line, columns between tabs or blanks, an empty line after each sentence."""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from finetune.arguments import arg
from finetune.config import Data
from finetune.data.quotes import ENDS
from finetune.errors import UserError
from finetune.tasks.schemes import written
from finetune.tasks.table import Table
from finetune.words import counted, listed

TAB = "\t"
BLANKS = re.compile(r"[ \t]+")
# CoNLL 2003 begins each document with this word.
DOCUMENT = "-DOCSTART-"
# CoNLL-U: ten columns; the second is the word, the fourth its part of speech, and 3-4 or 3.1 are no words of their own.
UNIVERSAL, UNIVERSAL_WORD, UNIVERSAL_TAG = 10, 2, 4
NUMBER = re.compile(r"\d+")
NO_WORD = re.compile(r"\d+[-.]\d+")
# Comments of CoNLL-U and of CoNLL 2012; a word may begin with this mark, too.
COMMENT = re.compile(r"#\s|#(begin|end) document|#$")
# Comments with which CoNLL-U and CoNLL 2012 begin a document.
NEW = re.compile(r"#\s*newdoc\b|#begin document")
# Usual columns of tables.
WORD, TAG = "text", "label"
SHOWN = 60
# More words than this are no single sentence.
LONGEST = 1000
PAIR, NUMBERED = 2, 3
IS, ARE = " is read as ", " are read as "
READ = "is read as words with tags"


@dataclass
class Lines:
    """The lines of a file, apart: cells of words, numbers of lines, ends of sentences, and what is no word.

    Args:
        cells: The cells of each word.
        lines: The line of each word, from 1.
        ends: After how many words a sentence ends.
        comments: How many lines are comments.
        documents: How many lines begin a document.
        begins: After how many words a document begins.
    """

    cells: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    comments: int = 0
    documents: int = 0
    begins: list[int] = field(default_factory=list)


def split_lines(text: str, delimiter: str | None) -> Lines:
    """Take a file apart. Blanks at the ends of lines are no cells."""
    found = Lines()
    rows = ENDS.split(text)
    delimiter = delimiter or (TAB if _tabs(rows) else None)
    widths = Counter(
        len(cells_of(row, delimiter)) for row in rows if row.strip(" \t") and not row.startswith(("#", DOCUMENT))
    )
    width = widths.most_common(1)[0][0] if widths else 0
    for number, row in enumerate(rows, start=1):
        if not row.strip(" \t"):
            found.ends.append(len(found.cells))
            continue
        cells = cells_of(row, delimiter)
        if row.strip(" \t").startswith(DOCUMENT):
            found.documents += 1
            found.begins.append(len(found.cells))
            found.ends.append(len(found.cells))
        elif COMMENT.match(row) and (len(cells) != width or cells[:3:2] == ["#", "="]):
            found.comments += 1
            found.begins += [len(found.cells)] * bool(NEW.match(row))
        else:
            found.cells.append(cells)
            found.lines.append(number)
    found.ends.append(len(found.cells))
    return found


def cells_of(row: str, delimiter: str | None) -> list[str]:
    """The cells of a line: between delimiters, or between blanks."""
    if delimiter is None:
        return BLANKS.split(row.strip(" \t"))
    return [cell.strip(" ") for cell in row.rstrip(" \t" if delimiter == TAB else " ").split(delimiter)]


def _tabs(rows: Sequence[str]) -> bool:
    """Whether cells end at tabs: most lines have one."""
    full = [row for row in rows if row.strip(" \t") and not row.startswith("#")]
    return 2 * sum(TAB in row.rstrip(" \t") for row in full) > len(full)


def looks_tagged(text: str, delimiter: str | None) -> bool:
    """Whether a file surely holds words with tags: lines of equal width, empty lines between sentences, B- and O in the end.

    Its first line may be a header.
    """
    found = split_lines(text, delimiter)
    widths = {len(cells) for cells in found.cells}
    inner = [end for end in found.ends if 0 < end < len(found.cells)]
    if len(widths) != 1 or widths == {1} or not inner:
        return False
    tag = usual_columns(found, widths.pop())[1]
    tags = [cells[tag - 1] for cells in found.cells]
    return any(_marked(part) for part in (tags, tags[1:]))


def _marked(tags: Sequence[str]) -> bool:
    known = set(tags)
    return bool(known & {"O", "o"}) and not written(known).plain


def read_tagged(text: str, path: Path, data: Data, split: str, told: list[str], alone: bool = False) -> Table:
    """The sentences of a file: a list of words and a list of tags for each, in the columns that the data names.

    Args:
        text: The whole text.
        path: The file, for messages.
        data: A number as the text or label column means a column of the file; otherwise the first and the last are read.
        split: What the file is for: only test files may have words without tags.
        told: Lines to print; lines are added.
        alone: Whether the file may hold a single sentence.

    Raises:
        UserError: Lines have different numbers of columns, or no empty line ends a sentence.
    """
    found, name = split_lines(text, data.delimiter), str(path)
    if not found.cells:
        raise UserError(f"{name} has no rows")
    width = Counter(map(len, found.cells)).most_common(1)[0][0]
    _check(found, width, name, split, LONGEST if alone else 0)
    word, tag, universal = columns_of(found, width, name, data)
    left = 0
    if universal:
        left = sum(NO_WORD.fullmatch(cells[0]) is not None for cells in found.cells)
    headed = _header(found, tag) if tag is not None else None
    sentences = zip([0, *found.ends], found.ends, strict=False)
    words, tags, lines, places = list[list[str]](), list[list[str]](), list[int](), list[list[int]]()
    documents = list[str]()
    for start, end in sentences:
        rows = [i for i in range(start, end) if i != headed and not (universal and NO_WORD.fullmatch(found.cells[i][0]))]
        if rows:
            words.append([found.cells[i][word - 1] for i in rows])
            tags.append([] if tag is None else [found.cells[i][tag - 1] for i in rows])
            lines.append(found.lines[rows[0]])
            places.append([found.lines[i] for i in rows])
            documents += [f"{path.name} {bisect_right(found.begins, start)}"] * bool(found.begins)
    table = Table({data.text_column: words} | ({} if tag is None else {data.label_column[0]: tags}), lines=lines)
    table.sentences, table.word_lines, table.documents = True, places, documents
    told += _said(found, path.name, width, word, tag, headed, left)
    return table


def _check(found: Lines, width: int, name: str, split: str, longest: int) -> None:
    """Refuse lines of another width, and files that are no sentences."""
    for cells, line in zip(found.cells, found.lines, strict=True):
        if len(cells) != width:
            here, others = counted(len(cells), "column"), f"the others have {width}"
            what = f"line {line} has {here}, {others}: {' '.join(cells)[:SHOWN]!r}"
            raise UserError(f"{name}: {what}; columns end at tabs, or else at blanks; {arg('delimiter')} changes that")
    if width == 1 and split != "test":
        what = f"line {found.lines[0]} has one column ({found.cells[0][0][:SHOWN]!r}), not a word and its tag"
        raise UserError(f"{name}: {what}; columns end at tabs, or else at blanks; {arg('delimiter')} changes that")
    if len(found.cells) > longest and not [end for end in found.ends if 0 < end < len(found.cells)]:
        raise UserError(f"{name}: no empty line ends a sentence, so all {len(found.cells)} words would be one")


def columns_of(found: Lines, width: int, name: str, data: Data) -> tuple[int, int | None, bool]:
    """The numbers of the columns of words and of tags, from 1, and whether the file is CoNLL-U; no tags in one column.

    Raises:
        UserError: There is no such column.
    """
    universal = width == UNIVERSAL and all(
        NUMBER.fullmatch(cells[0]) or NO_WORD.fullmatch(cells[0]) for cells in found.cells
    )
    usual = (UNIVERSAL_WORD, UNIVERSAL_TAG) if universal else usual_columns(found, width)
    asked = [("text_column", data.text_column, WORD), ("label_column", data.label_column[0], TAG)]
    numbers = []
    for (argument, given, default), column in zip(asked, usual, strict=True):
        if given == default:
            numbers.append(column)
        elif NUMBER.fullmatch(given) and 0 < int(given) <= width:
            numbers.append(int(given))
        elif not (width == 1 and argument == "label_column"):
            what = f"{name} has no header, so columns have numbers from 1 to {width}"
            raise UserError(f"{arg(argument, given)}: {what}")
    if width == 1:
        return numbers[0], None, universal
    if numbers[0] == numbers[1]:
        raise UserError(f"{arg('label_column', str(numbers[1]))} is already the column of the words in {name}; name another")
    return numbers[0], numbers[1], universal


def usual_columns(found: Lines, width: int) -> tuple[int, int]:
    """The first column and the last, if nothing says otherwise.

    If the first column numbers the words of each sentence from 1 (or 0), the second is the word, and the first one behind
    it that has tags such as O and B-person is the tag: in GermEval 2014 the last one holds the entities inside others.
    """
    starts = [start for start, end in zip([0, *found.ends], found.ends, strict=False) if start < end]
    runs = list(zip(starts, [*starts[1:], len(found.cells)], strict=True))
    if width < NUMBERED or not any(
        all(
            [cells[0] for cells in found.cells[start:end]] == [str(first + n) for n in range(end - start)]
            for start, end in runs
        )
        for first in (0, 1)
    ):
        return 1, width
    tagged = (column for column in range(3, width + 1) if _marked([cells[column - 1] for cells in found.cells]))
    return 2, next(tagged, width)


def _header(found: Lines, tag: int) -> int | None:
    """The number of the first word if it is a header: all other tags have prefixes, and its tag has none."""
    tags = [cells[tag - 1] for cells in found.cells]
    headed = bool(tags[1:]) and not _marked(tags) and _marked(tags[1:])
    return 0 if headed else None


def _said(found: Lines, name: str, width: int, word: int, tag: int | None, headed: int | None, left: int) -> list[str]:
    if tag is None:
        told = [f"{name} is read as words without tags, one a line, with an empty line after each sentence"]
    elif width == PAIR:
        told = [f"{name} {READ}, with an empty line after each sentence; {arg('kind', 'classification')} takes a table"]
    else:
        ways = f"{arg('text_column')} and {arg('label_column')} take other numbers"
        told = [f"{name} {READ}, from columns {word} and {tag} of {width}; {ways}"]
    parts = [counted(found.documents, f"line with {DOCUMENT}", f"lines with {DOCUMENT}")] if found.documents else []
    parts += [counted(found.comments, "comment")] if found.comments else []
    parts += [counted(left, "line of several or no words", "lines of several or no words")] if left else []
    parts += [f"the header in line {found.lines[headed]}"] if headed is not None else []
    return [*told, f"{name}: left out, as no words: {listed(parts)}"] if parts else told


def together(told: list[str]) -> list[str]:
    """The lines, with one line for all files that are read in the same way.

    Example:
        >>> together(["a.tsv is read as words", "a line", "b.tsv is read as words"])
        ['a.tsv and b.tsv are read as words', 'a line']
    """
    groups: dict[str, list[str]] = {}
    for line in told:
        name, read, end = line.partition(IS)
        groups.setdefault(end if read else line, []).extend([name] * bool(read))
    verbs = {0: "", 1: IS}
    return [f"{listed(names)}{verbs.get(len(names), ARE)}{end}" for end, names in groups.items()]
