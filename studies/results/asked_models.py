"""Saved models asked block by block: what they predict together."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from finetune.data.ask import Columns, rows_of
from finetune.data.encode import BLOCK
from finetune.data.stream import Block, Source
from finetune.errors import UserError
from finetune.tasks.answer import RANK, Answer
from finetune.tasks.kind import Kind
from finetune.tasks.means import How, mean_of, ranks_of
from finetune.tasks.task import Rows
from finetune.training.members import Member, Members
from finetune.training.saved import Saved, in_order, kind_of

Array = NDArray[np.floating]
# Models are held in memory up to so many bytes of weights; the others are loaded anew for every few blocks.
HELD = 4 * 2**30
# So many blocks are read before models are loaded anew.
TOGETHER = 16
# So much of a text is shown.
SHOWN = 40
# What is predicted for a block: cells, and the output that metrics take; None where there are only ranks.
Found = tuple[Block, Answer, Array | None]


class AskedModels:
    """The models of a mean.

    Args:
        members: Their folders.
        tell: Called with lines about what is not as it was when they were scored.
    """

    def __init__(self, members: Members, tell: Callable[[str], None]) -> None:
        self.members, self.tell = members, tell
        self.first, self.kind = members.first, kind_of(members.first)
        self._held: dict[int, Saved] = {}
        self._bytes = 0
        self._told = False

    @property
    def weights(self) -> list[float]:
        """Of the models."""
        return [member.weight for member in self.members.models]

    def load(self) -> bool:
        """Load models until the memory for them is full; whether all are held.

        Raises:
            UserError: A folder does not hold what it should.
        """
        for number in range(len(self.members.models)):
            self._model(number)
            if self._bytes > HELD:
                break
        all_held = len(self._held) == len(self.members.models)
        if not all_held and not self._told:
            here = f"{len(self._held)} of {len(self.members.models)} models are held in memory"
            self.tell(f"{here}, the others are loaded anew for every {TOGETHER * BLOCK} rows")
        self._told = True
        return all_held

    def raws(self, parts: list[Rows]) -> list[list[Array]]:
        """Raw outputs of each model for each block, with the names in the order of the first model.

        Raises:
            UserError: An output is not finite.
        """
        return [self._asked(number, member, parts) for number, member in enumerate(self.members.models)]

    def _asked(self, number: int, member: Member, parts: list[Rows]) -> list[Array]:
        saved = self._model(number)
        return [self._raw(saved, member, rows) for rows in parts]

    def _model(self, number: int) -> Saved:
        if number in self._held:
            return self._held[number]
        saved = Saved(self.members.models[number], self.tell if not self._told else lambda line: None)
        if self._bytes <= HELD:
            self._held[number] = saved
            self._bytes += saved.bytes
        return saved

    def _raw(self, saved: Saved, member: Member, rows: Rows) -> Array:
        """Raw outputs; NaN for sentences without words, which no model reads."""
        by_word = self.kind.by_word
        full = np.array([row for row, text in enumerate(rows.texts) if text or not by_word], np.int64)
        if not len(full):
            return np.full((len(rows), 1, len(self.first.names)), np.nan, np.float32)
        asked = rows if len(full) == len(rows) else rows.take(full)
        raw = in_order(saved.predict(asked), member.known, self.first)
        broken = np.isinf(raw) if by_word else ~np.isfinite(raw)  # NaN stands behind the last word
        if broken.any():
            text = asked.texts[int(broken.reshape(len(raw), -1).any(1).argmax())][:SHOWN]
            raise UserError(f"{member.folder}: what it predicts for {text!r} is not finite; are its weights damaged?")
        if asked is rows:
            return raw
        whole = np.full((len(rows), *raw.shape[1:]), np.nan, raw.dtype)
        whole[full] = raw
        return whole


def found(
    models: AskedModels, source: Source, columns: Columns, how: How, chosen: NDArray[np.float64] | None
) -> Iterator[Found]:
    """What the models predict for a file, block by block.

    Args:
        models: The models.
        source: The file.
        columns: The places of its texts.
        how: What is averaged.
        chosen: What is settled for the mean, such as thresholds.
    """
    kind, names = models.kind, models.first.names
    many = 1 if models.load() else TOGETHER
    if how == "ranks":
        yield from _ranked(models, source, columns, many)
        return
    for blocks, parts in _several(source, columns, kind, names, many):
        each = models.raws(parts)
        for number, block in enumerate(blocks):
            output = kind.decided(mean_of(kind, [raws[number] for raws in each], models.weights, how))
            output = output if chosen is None else kind.settled(output, chosen)
            yield block, kind.answer(names, output), output


def _several(
    source: Source, columns: Columns, kind: Kind, names: tuple[str, ...], many: int
) -> Iterator[tuple[list[Block], list[Rows]]]:
    """Some blocks at a time, and their rows."""
    blocks = list[Block]()
    for block in source.blocks(BLOCK):
        blocks.append(block)
        if len(blocks) == many:
            yield blocks, [rows_of(one, source, columns, kind, names) for one in blocks]
            blocks = []
    if blocks:
        yield blocks, [rows_of(one, source, columns, kind, names) for one in blocks]


def _ranked(models: AskedModels, source: Source, columns: Columns, many: int) -> Iterator[Found]:
    """Ranks are known when all rows are predicted: raw outputs are kept, and the file is read once more."""
    kind, names = models.kind, models.first.names
    raws: list[list[Array]] = [[] for _ in models.members.models]
    for _, parts in _several(source, columns, kind, names, many):
        for kept, new in zip(raws, models.raws(parts), strict=True):
            kept += new
    ranks = ranks_of(kind, [np.concatenate(each) for each in raws], models.weights)
    outputs = kind.outputs(names)
    for block in source.blocks(BLOCK):
        here = ranks[block.first : block.first + len(block.cells)]
        yield block, Answer(None, {name: here[:, place] for place, name in enumerate(outputs)}, RANK), None
