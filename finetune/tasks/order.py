"""The order of classes: as the user says, in the data set's order, or in numerical order."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from math import gcd

from finetune.arguments import arg
from finetune.errors import UserError
from finetune.tasks.cells import label_columns, number, whole
from finetune.tasks.classification import MANY, SHOWN, refuse_strange
from finetune.tasks.table import Table
from finetune.words import some

# More fractions than MANY are a continuous number; whole numbers may be as many as one for this many rows (0 to 100).
ROWS = 20

# Words and numbers in a name.
PARTS = re.compile(r"(\D+|^)(\d*)")


def numerals(tables: Mapping[str, Table], column: str) -> None:
    """Write equal numbers in the same way, if all labels are numbers: changes the tables."""
    if all(number(value) is not None for table in tables.values() for value in table[column]):
        for table in tables.values():
            table[column] = [numeral(str(value)) for value in table[column]]


def numeral(label: str) -> str:
    """A number as short as it can be written: 1, 2.5; other texts as they are."""
    return label if number(label) is None else str(whole(float(label)))


def order_of(tables: Mapping[str, Table], column: str, order: Sequence[str] | None, notes: list[str]) -> tuple[str, ...]:
    """The classes, lowest first.

    Args:
        tables: All splits with labels.
        column: The label column; every row has a label.
        order: The classes as the user orders them.
        notes: Lines to print; a line about holes in a scale of numbers is added.

    Raises:
        UserError: Words have no order, a class is not in the given order or beyond those of train, or there are too many.
    """
    trained, seen = ({str(v) for table in part for v in table[column]} for part in ([tables["train"]], tables.values()))
    own = tables["train"].classes.get(column, ())
    if order is not None:
        names = tuple(numeral(name.strip()) for name in order)
        refuse_strange(tables, column, set(names), f"{arg('label_order')} does not have")
        return names
    if trained <= set(own):
        places = [own.index(name) for name in trained]
        names = own[min(places) : max(places) + 1]
        refuse_strange(tables, column, set(names))
        return names
    if all(number(value) is not None for value in trained):
        values = {Fraction(value): value for value in trained}
        inside = {value for value in seen if number(value) is not None and min(values) <= Fraction(value) <= max(values)}
        refuse_strange(tables, column, inside)
        return numerical(label_columns([column]), {Fraction(v): v for v in inside}, trained, tables["train"].rows, notes)
    named = sorted(trained, key=lambda name: [(int(part or -1), word) for word, part in PARTS.findall(name)])
    shown = some([repr(name) for name in named], SHOWN)
    way = f"lowest first, which this need not be: {arg('label_order', named[:SHOWN])}"
    raise UserError(f"{label_columns([column])}: words have no order of their own ({shown}); give it, {way}")


def numerical(where: str, names: Mapping[Fraction, str], trained: set[str], rows: int, notes: list[str]) -> tuple[str, ...]:
    """Numbers in their order; a hole in an even scale is a class too, unless there are more holes than numbers.

    Raises:
        UserError: There are so many that they are a continuous number.
    """
    fractions = any(value.denominator > 1 for value in names)
    if len(trained) > (MANY if fractions else max(MANY, rows / ROWS)):
        way = f"make a column with the steps that you need, or {arg('kind', 'regression')}"
        raise UserError(f"{where}: {len(trained)} numbers in {rows} rows are no classes; {way}")
    values = sorted(names)
    gaps = [after - before for before, after in pairwise(values)]
    unit = 1
    for gap in gaps:
        unit = unit * gap.denominator // gcd(unit, gap.denominator)
    step = Fraction(gcd(*(int(gap * unit) for gap in gaps)), unit)
    full = int((values[-1] - values[0]) / step) + 1
    even = [values[0] + place * step for place in range(full)] if full <= 2 * len(values) else values
    holes = [f"{float(value):g}" for value in even if value not in names]
    if holes:
        told = arg("label_order", [names[value] for value in values])
        notes.append(f"{where}: no row has {some(holes, SHOWN)}: kept as a step of the scale; {told} leaves it out")
    missing = [names[value] for value in values if names[value] not in trained]
    if missing:
        notes.append(f"{where}: {some(missing, SHOWN)} is between the classes of train, but no train row has it")
    return tuple(names.get(value, f"{float(value):g}") for value in even)
