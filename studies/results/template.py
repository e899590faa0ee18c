"""A sample submission: which of its columns identify rows, and what is predicted for the others."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from finetune.arguments import arg
from finetune.config import Data
from finetune.data.stream import Source, source_of
from finetune.errors import UserError, near
from finetune.tasks.cells import is_number, missing, whole
from finetune.tasks.kind import Kind
from finetune.training.about import Known
from finetune.words import counted, listed, some

# Names of a single column of predictions.
PREDICTIONS = ("predicted", "prediction", "predictions", "predict", "pred")
# What may stand before a name.
BEFORE = ("p", "prob", "proba", "probability", "probabilityof", "predicted", "prediction", "pred", "rank", "label", "target")
SHOWN = 3
# More rows are not looked at to see what a template's cells are.
LOOKED_AT = 1000


@dataclass(frozen=True)
class Fill:
    """What is written into one column.

    Args:
        place: The column of the template, from 0.
        what: The prediction itself, its number among the names, a value by name, or a 1 or 0 by name.
        name: The class, label or target.
    """

    place: int
    what: Literal["predicted", "number", "value", "flag"]
    name: str = ""


@dataclass(frozen=True)
class Template:
    """A sample submission and how it is filled.

    Args:
        source: Its file.
        rows: Its cells.
        ids: The places of the columns that identify rows; empty if rows are matched by their order.
        fills: What is written.
        notes: Lines about what was guessed.
    """

    source: Source
    rows: list[list[Any]]
    ids: tuple[int, ...]
    fills: tuple[Fill, ...]
    notes: tuple[str, ...]

    @property
    def id_names(self) -> tuple[str, ...]:
        """The names of the columns that identify rows."""
        return tuple(self.source.names[place] for place in self.ids)


def read_template(path: Path) -> tuple[Source, list[list[Any]]]:
    """The file of a sample submission, and its rows.

    Raises:
        UserError: It is no table of cells, or has no rows.
    """
    source = source_of(path, Data(task="reviews"))
    if not source.delimiter:
        raise UserError(f"{arg('template', str(path))}: a sample submission is a table of cells, .csv or .tsv")
    rows = [cells for cells, _ in source.records()]
    if not rows:
        raise UserError(f"{arg('template', str(path))} has no rows")
    if twice := sorted({name for name in source.names if source.names.count(name) > 1}):
        raise UserError(f"{arg('template', str(path))} has several columns named {some(twice, SHOWN)}; rename all but one")
    return source, rows


class Matching:
    """Matches the columns of a sample submission to what a model predicts.

    Args:
        source: The template's file.
        rows: Its rows.
        known: The model.
        kind: Its kind of task.
        asked: What is asked for: names, numbers or probabilities; None to go by the template's cells.
        ranks: Whether only ranks are known.
    """

    def __init__(
        self, source: Source, rows: list[list[Any]], known: Known, kind: Kind, asked: str | None, ranks: bool
    ) -> None:
        self.source, self.rows, self.known, self.kind = source, rows, known, kind
        self.asked, self.ranks, self.notes = asked, ranks, list[str]()
        self.where = arg("template", str(source.path))
        self.outputs = kind.outputs(known.names)
        if kind.by_word:
            what = "the words of a text have a tag each, and a row of a submission has one cell"
            raise UserError(f"{self.where}: {what}; leave it out, and give {arg('out', 'predictions.jsonl')} or .conll")

    def template(self, columns: Sequence[str], id_column: tuple[str, ...] | None) -> Template:
        """The template, filled in which way.

        Args:
            columns: Those of the file that is predicted.
            id_column: Those that identify rows, if they are given.

        Raises:
            UserError: A column fits nothing, or nothing is left to fill.
        """
        names, asked = self.source.names, id_column or ()
        for name in asked:
            for there, what in ((names, f"{self.source.path}"), (columns, "the file")):
                if name not in there:
                    raise UserError(f"{arg('id_column', name)}: {what} has no such column{near(name, filter(None, there))}")
        fills = {name: fill for place, name in enumerate(names) if name not in asked and (fill := self._fill(place))}
        shared = [name for name in names if name in columns and name not in fills]
        ids = list(asked) or shared[:1]
        left = [name for name in names if name not in fills and name not in ids]
        strange = [name for name in left if name not in columns]
        if len(strange) == 1 and not fills:
            fills[strange[0]] = self._single(names.index(strange[0]), guessed=True)
            left.remove(strange[0])
        elif strange:
            known = [*self.outputs, *(self.known.data.label_column if self.known.data else ()), *columns]
            what = f"column {strange[0]!r} is neither a column of the file nor a prediction"
            raise UserError(f"{self.where}: {what}{near(strange[0], filter(None, known))}")
        if not fills:
            shown = [name or "(no name)" for name in names]
            raise UserError(f"{self.where} has no column for a prediction: {some(shown, SHOWN)}")
        if left:
            self.notes.append(f"columns {listed(left)} of {self.source.path.name} stay as they are")
        places = tuple(names.index(name) for name in ids)
        return Template(self.source, self.rows, places, tuple(fills.values()), tuple(self.notes))

    def _fill(self, place: int) -> Fill | None:
        """What a column is for, by its name."""
        name = self.source.names[place]
        labels = self.known.data.label_column if self.known.data else ()
        if (
            not self._numbers
            and (name in labels or plain(name) in PREDICTIONS)
            and len(labels) < 2
            and name not in self.outputs
        ):
            return self._single(place)
        if name in self.outputs:
            return self._value(place, name)
        prefixes = (*BEFORE, *map(plain, labels))
        found = [one for one in self.outputs if plain(name) in {plain(one), *(before + plain(one) for before in prefixes)}]
        return self._value(place, found[0]) if len(found) == 1 and plain(found[0]) else None

    @property
    def _numbers(self) -> bool:
        return self.kind.raw_as == "values" and not self.kind.by_name

    def _value(self, place: int, name: str) -> Fill:
        if self.kind.name == "multilabel" and not self.ranks:
            cells, header = self._cells(place), self.source.names[place]
            flags = self.asked in ("numbers", "names")
            if self.asked is None and cells and all(str(whole(cell)) in ("0", "1") for cell in cells):
                flags = True
                self._say(f"{header} gets 1 or 0, as it has", "probabilities")
            return Fill(place, "flag" if flags else "value", name)
        if self.kind.name == "classification" and self.asked == "numbers" and not self.ranks:
            return Fill(place, "flag", name)
        return Fill(place, "value", name)

    def _single(self, place: int, guessed: bool = False) -> Fill:
        """What the only column of predictions gets."""
        header, names = self.source.names[place], self.known.names
        cells = self._cells(place)
        fractions = bool(cells) and all(map(is_number, cells)) and any(not float(cell).is_integer() for cell in cells)
        positive = self.kind.name == "classification" and len(names) == 2
        if self._numbers or self.ranks or self.asked == "probabilities":
            if len(self.outputs) > 1 and not positive:
                what = f"column {header!r} is one, and the model predicts {counted(len(self.outputs), 'number')}"
                raise UserError(f"{self.where}: {what}: {some(list(self.outputs), SHOWN)}")
            if guessed or positive:
                self.notes.append(f"{header} gets the prediction of {self.outputs[-1]}")
            return Fill(place, "value", self.outputs[-1])
        if self.asked is None and positive and fractions:
            self._say(f"{header} gets the probability of {names[1]}, for it has fractions", "names")
            return Fill(place, "value", names[1])
        known = {str(whole(name)) for name in names}
        numbers = all(str(whole(cell)) in set(map(str, range(len(names)))) for cell in cells) and bool(cells)
        named = all(str(whole(cell)) in known for cell in cells)
        if self.asked == "numbers" or (self.asked is None and numbers and not named and self.kind.name != "multilabel"):
            if self.asked is None:
                some_of = some([f"{number} {name}" for number, name in enumerate(names)], SHOWN)
                self._say(f"{header} gets the number of the class, as it has ({some_of})", "names")
            return Fill(place, "number")
        if guessed:
            self._say(f"{header} gets what is predicted", "probabilities" if positive else "numbers")
        return Fill(place, "predicted")

    def _cells(self, place: int) -> list[Any]:
        return [row[place] for row in self.rows[:LOOKED_AT] if not missing(row[place])]

    def _say(self, what: str, other: str) -> None:
        self.notes.append(f"{self.source.path.name}: {what}; {arg('values', other)} writes those")


def plain(name: str) -> str:
    """A name without case, blanks and marks."""
    return re.sub(r"[\W_]+", "", name.casefold())
