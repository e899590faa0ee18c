"""Tables with a word in each row: their sentences are put together."""

import re
from collections.abc import Sequence
from typing import Any

from finetune.arguments import arg
from finetune.config import Data
from finetune.data.spans import refuse_spans
from finetune.data.tagged import KIND, LABEL, TAG_COLUMNS, TEXT, WORD_COLUMNS
from finetune.errors import UserError
from finetune.tasks.cells import missing
from finetune.tasks.cells import text as written_cell
from finetune.tasks.schemes import OUTSIDE, written
from finetune.tasks.table import Table
from finetune.words import counted

# Names, without blanks and marks, of columns that number sentences: "Sentence #", "sentence_id".
NUMBERS = re.compile(r"sent(ence)?(s|id|ids|idx|index|no|nr|num|number)?")
# This share of the cells must be single words; the others may be numbers with a blank inside.
SINGLE = 0.95
# More sentences for each word than this, and the rows are in no order.
SHORT = 0.9


def gathered(
    tables: dict[str, Table], data: Data, told: list[str], more: Sequence[str] = ()
) -> tuple[dict[str, Table], Data]:
    """Sentences of tables that have a word and its tag in each row, and a column that numbers the sentences.

    A number may stand in each row of a sentence, or in its first row alone. Other tables are returned as they are.

    Args:
        tables: The splits.
        data: What is known. Without a kind, tags such as O and B-person show that rows are words.
        told: Lines to print; a line is added.
        more: Columns with one value for a sentence.

    Raises:
        UserError: Rows are words, and nothing says where a sentence ends; or labels are spans of characters.
    """
    train = tables["train"]
    if data.kind not in (None, KIND) or train.sentences:
        return tables, data
    refuse_spans(train, data)
    words = _named(train, data.text_column, data.text_column == TEXT, WORD_COLUMNS)
    tags = _named(train, data.label_column[0], data.label_column == LABEL, TAG_COLUMNS)
    tags = [name for name in tags if _marked(train[name])] or (tags if data.kind == KIND else [])
    if not words or not tags or len(data.label_column) > 1 or not single_words(train[words[0]]):
        return tables, data
    word, tag = words[0], tags[0]
    number = next((name for name in train if NUMBERS.fullmatch(re.sub(r"[\W_]", "", name.lower()))), None)
    if number in (word, tag, None) or len(_runs(train[str(number)])) > SHORT * train.rows:
        what = f"each row of the train data is one word ({str(train[word][0])[:20]!r}), and no column numbers the sentences"
        ways = (
            f"a column sentence_id does, or an empty line after each sentence; {arg('kind', 'classification')} takes words"
        )
        raise UserError(f"{arg('text_column', word)}: {what}: {ways}")
    found = {split: _gather(table, split, str(number), word, tag, more) for split, table in tables.items()}
    what = f"columns {word} and {tag} are read as words with tags, one a row, and {number} as the number of the sentence"
    sizes = f"{counted(found['train'].rows, 'train sentence')} of {counted(train.rows, 'word')}"
    told.append(f"{what}: {sizes}; {arg('kind', 'classification')} takes each word as a text")
    return found, data.model_copy(update={"kind": KIND, "text_column": word, "label_column": (tag,)})


def _named(table: Table, given: str, default: bool, usual: Sequence[str]) -> list[str]:
    """The column that the data names, or else those with usual names, in any case."""
    if given in table or not default:
        return [given] if given in table else []
    names = {name.lower(): name for name in table}
    return [names[name] for name in usual if name in names]


def _marked(cells: Sequence[Any]) -> bool:
    """Whether cells are tags such as O and B-person."""
    tags = {cell.strip() for cell in cells if isinstance(cell, str) and not missing(cell)}
    return OUTSIDE in tags and not written(tags).plain


def single_words(cells: Sequence[Any]) -> bool:
    """Whether cells are single words, all but a few."""
    if not cells or any(isinstance(cell, list | dict | bytes) for cell in cells):
        return False
    return sum(len(written_cell(cell).split()) < 2 for cell in cells) >= SINGLE * len(cells)


def _runs(cells: Sequence[Any]) -> list[int]:
    """The row in which each sentence begins: where a number is given that is not the one before."""
    starts, before = [0], cells[0]
    for row, cell in enumerate(cells):
        if row and not missing(cell) and cell != before:
            starts.append(row)
        before = before if missing(cell) else cell
    return starts


def _gather(table: Table, split: str, number: str, word: str, tag: str, more: Sequence[str]) -> Table:
    for name in (number, word):
        if name not in table:
            raise UserError(f"the {split} data has no column {name!r}, the train data has; its rows are single words")
    starts = _runs(table[number]) if table.rows else []
    ends = [*starts[1:], table.rows]
    columns = {
        name: [[written_cell(cell) for cell in table[name][start:end]] for start, end in zip(starts, ends, strict=True)]
        for name in (word, tag)
        if name in table
    }
    columns |= {
        name: [_single(table, name, split, start, end) for start, end in zip(starts, ends, strict=True)]
        for name in more
        if name in table and name not in (word, tag)
    }
    lines = [table.lines[start] for start in starts] if table.lines else ()
    found = Table(columns, table.file, lines)
    found.sentences = True
    return found


def _single(table: Table, name: str, split: str, start: int, end: int) -> Any:
    """The value of a column for a whole sentence; it may stand in the first row alone."""
    found = [cell for cell in table[name][start:end] if not missing(cell)]
    if any(cell != found[0] for cell in found):
        what = f"has {found[0]!r} and other values in one sentence{table.place(start)}"
        raise UserError(f"column {name!r} of the {split} data {what}; a sentence needs one value")
    return found[0] if found else None
