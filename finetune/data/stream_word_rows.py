"""Tables with a word in each row as a source of sentences: rows with one number belong together."""

import re
from collections.abc import Iterator
from dataclasses import replace

from finetune.config import Data
from finetune.data.stream import Record, Source
from finetune.data.tagged import WORD_COLUMNS
from finetune.data.word_rows import NUMBERS, single_words
from finetune.tasks.cells import missing
from finetune.tasks.cells import text as written

# Rows that show whether cells are single words.
LOOKED_AT = 2000


def gathered_source(source: Source, data: Data) -> Source:
    """The sentences of a table that has a word in each row and a column that numbers the sentences; another table as it is.

    Each cell of a sentence is the list of its rows' cells.

    Args:
        source: The table.
        data: The name of the column of words.
    """
    names = {name.lower(): name for name in source.names}
    word = data.text_column if data.text_column in source.names else ""
    word = word or next((names[name] for name in WORD_COLUMNS if name in names), "")
    number = next((name for name in source.names if NUMBERS.fullmatch(re.sub(r"[\W_]", "", name.lower()))), None)
    first = next(source.blocks(LOOKED_AT), None)
    if not word or number in (None, word) or first is None or not single_words(first.column(source.names.index(word))):
        return source
    place, at = source.names.index(str(number)), source.names.index(word)

    def records() -> Iterator[Record]:
        rows, before, begun = list[list[object]](), None, 0
        for cells, line in source.records():
            cells = [*cells[:at], written(cells[at]), *cells[at + 1 :]]
            here = cells[place]
            if rows and not missing(here) and here != before:
                yield [list(column) for column in zip(*rows, strict=True)], begun
                rows = []
            before, begun = before if missing(here) else here, begun if rows else line
            rows.append(cells)
        if rows:
            yield [list(column) for column in zip(*rows, strict=True)], begun

    note = f"{source.path.name}: column {word} is read as words, one a row, and {number} as the number of the sentence"
    return replace(source, records=records, rowwise=True, notes=(*source.notes, note))
