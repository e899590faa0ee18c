"""Entities given by their first and last character, as annotation tools write them: they are not read."""

import ast
import re
from collections.abc import Mapping
from typing import Any

from finetune.config import Data
from finetune.errors import UserError
from finetune.tasks.cells import label_columns
from finetune.tasks.table import Table

# Columns of annotation tools, looked at if the label column does not exist.
SPAN_COLUMNS = ("label", "labels", "entities", "spans", "ents", "annotations")
SPAN_KEYS = ({"start", "end"}, {"start_offset", "end_offset"}, {"result"}, {"value", "type"})
SHOWN = 60


def refuse_spans(train: Table, data: Data) -> None:
    """Refuse entities that are given by their first and last character.

    Raises:
        UserError: The label column holds such entities, or there is no label column, and another column does.
    """
    named = data.label_column[0]
    columns: Mapping[str, list[Any]] = {
        name: train[name] for name in ((named,) if named in train else SPAN_COLUMNS) if name in train
    }
    for column, cells in columns.items():
        for row, cell in enumerate(cells):
            if found := _span(cell):
                what = f"row {row + 1} of the train data has a span of characters ({found[:SHOWN]}){train.place(row)}"
                way = (
                    "spans are not read: write a list of words and a list of tags such as B-PER and O, or a word and its tag"
                )
                raise UserError(f"{label_columns([column])}: {what}; {way} in each line")


def _span(cell: Any) -> str:
    """The first of the spans in a cell; empty if it holds none."""
    if isinstance(cell, str) and re.match(r"\s*\[\s*[\[({]", cell):
        try:
            cell = ast.literal_eval(cell.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return ""
    if not isinstance(cell, list | tuple) or not cell:
        return ""
    one = cell[0]
    if isinstance(one, dict):
        return str(one) if any(keys <= one.keys() for keys in SPAN_KEYS) else ""
    kinds = [type(part) for part in one] if isinstance(one, list | tuple) else []
    return str(one) if kinds[:2] == [int, int] and str in kinds[2:] else ""
