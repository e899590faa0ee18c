"""Token classification: a tag for each word, as in named entity recognition and part-of-speech tagging."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np

from finetune.config import Data
from finetune.errors import UserError
from finetune.tasks.answer import Answer
from finetune.tasks.cells import label_columns
from finetune.tasks.entities import NO_WORD, accuracy, by_type, scores, spans
from finetune.tasks.kind import Array, Kind, Labels, Measure
from finetune.tasks.schemes import OUTSIDE, in_order, parted, told_of
from finetune.tasks.spread import Spread, by_number
from finetune.tasks.table import Table
from finetune.tasks.task import Rows, Task
from finetune.words import counted, some

# Words of a sentence stand between these; a blank inside a word is a no-break space.
BETWEEN = " "
# This many tags or types are listed.
SHOWN = 8
# Sentences of a stratum: one for each side.
FEWEST = 2
ANY_NAMES = ("O", "B-entity", "I-entity")


class Tokens(Kind):
    """Labels are tag numbers (sentences, words) int16, -1 after the last word, and so are predictions, as float32.

    A text is the words with blanks between them. The scores of entities need tags with prefixes.
    """

    name = "tokens"
    problem = "single_label_classification"
    architecture = "TokenClassification"
    several = False
    named = True
    by_word = True
    raw_as = "softmax"
    options = ("tag_scheme",)
    measures: ClassVar = {name: Measure(score, "maximize") for name, score in scores(ANY_NAMES).items()} | {
        "token_accuracy": Measure(accuracy, "maximize")
    }

    def of(self, task: Task) -> Kind:
        """The kind with the scores that the task's tags allow: those of entities need prefixes."""
        return with_names(task.names)

    def recognise(self, table: Table, columns: Sequence[str]) -> str | None:
        """Never: ``finetune.data.tagged`` finds lists of words and of tags before labels are looked at."""
        return None

    def read(self, tables: Mapping[str, Table], data: Data, unlabelled: set[str]) -> Labels:
        """Tag numbers; 0 for the words of a split without tags."""
        column = data.label_column[0]
        tags = {name: table[column] for name, table in tables.items() if name not in unlabelled}
        known = {tag for sentences in tags.values() for sentence in sentences for tag in sentence}
        if len(known) < 2:
            only = next(iter(known), "")
            raise UserError(f"{label_columns([column])}: there is only one tag ({only!r}); two are needed")
        own = tables["train"].classes.get(column, ())
        names = tuple(name for name in own if name in known) if known <= set(own) else in_order(known)
        numbers = {name: number for number, name in enumerate(names)}
        found = {}
        for name, table in tables.items():
            sentences = [[numbers[tag] for tag in sentence] for sentence in tags.get(name, ())]
            found[name] = _padded(sentences or [[0] * len(words) for words in table[data.text_column]])
        return Labels(names, found)

    def blank(self, names: tuple[str, ...], texts: Sequence[str]) -> Array:
        """Tag 0 for each word."""
        return _padded([[0] * len(text.split(BETWEEN)) for text in texts])

    def texts(self, table: Table, column: str, split: str) -> list[str]:
        """The words of each sentence with blanks between them."""
        return [BETWEEN.join(words) for words in table[column]]

    def decided(self, raw: Array) -> Array:
        """The tag with the highest logit, -1 after the last word, NaN where logits are not finite."""
        there = np.isfinite(raw)
        tags: Array = np.where(there, raw, -np.inf).argmax(-1).astype(np.float32)
        tags[~there.all(-1)] = np.nan
        tags[np.isnan(raw).all(-1)] = NO_WORD
        return tags

    def strata(self, labels: Array) -> Array:
        """The rarest tag of each sentence, so that each part gets what it can of every type of entity."""
        rows, places = np.nonzero(labels != NO_WORD)
        found = np.zeros((len(labels), int(labels.max(initial=0)) + 1), bool)
        found[rows, labels[rows, places]] = True
        sentences = found.sum(0)
        while True:
            # The last column counts every sentence: where all tags are too rare, they are one stratum.
            strata = np.where(found, sentences, len(labels) + 1).argmin(1)
            strata[~found.any(1)] = -1
            values, tally = np.unique(strata, return_counts=True)
            rare = values[(tally < FEWEST) & (values >= 0)]
            if not len(rare):
                break
            found[:, rare] = False
        if len(values) > 1 and tally[0] < FEWEST:
            strata[strata == -1] = values[tally.argmax()]
        return np.asarray(strata)

    def spread(self, labels: Array, folds: int) -> Spread:
        """The rarest tag of each sentence."""
        return by_number(self.strata(labels), "the rarest tag of a sentence")

    def tally(self, labels: Array, names: tuple[str, ...]) -> Array:
        """Sentences with each tag."""
        return np.array([int((labels == tag).any(1).sum()) for tag in range(len(names))])

    def guess(self, task: Task) -> Array:
        """Every word gets O, or the most frequent tag where there is no O."""
        labels = task.validation.labels
        return np.where(labels == NO_WORD, NO_WORD, usual_tag(task)).astype(np.float32)

    def cells(self, names: tuple[str, ...], labels: Array, output: Array) -> dict[str, list[Any]]:
        """The tags of each sentence and the predicted ones, with blanks between them."""
        both = {"tags": labels, "predicted": np.where(labels == NO_WORD, NO_WORD, output)}
        return {
            head: [BETWEEN.join(names[int(tag)] for tag in row if tag != NO_WORD) for row in tags]
            for head, tags in both.items()
        }

    def answer(self, names: tuple[str, ...], output: Array) -> Answer:
        """The tags of the words of each sentence."""
        return Answer([[names[int(tag)] for tag in row if tag != NO_WORD] for row in output], {})

    def details(self, names: tuple[str, ...], labels: Array, output: Array) -> dict[str, float]:
        """The F1 of each type of entity, such as "entity_f1 person", if there are several."""
        kinds = {kind for _, kind in parted(names) or () if kind}
        if len(kinds) < 2:
            return {}
        return {f"entity_f1 {kind}": value for kind, value in by_type(labels, output, names).items()}

    def usual(self, names: tuple[str, ...]) -> str:
        """The F1 of entities; for plain tags the share of words with the right tag."""
        return "token_accuracy" if parted(names) is None else "entity_f1"

    def describe(self, train: Rows, names: tuple[str, ...]) -> list[str]:
        """Words, and entities of each type or rows of each tag; a warning about tags without an example."""
        words = int((train.labels != NO_WORD).sum())
        tally = np.bincount(train.labels[train.labels != NO_WORD], minlength=len(names))
        if parted(names) is None:
            ordered = [f"{names[i]} {tally[i]}" for i in np.argsort(-tally, kind="stable")]
            lines = [f"{words} words and {counted(len(names), 'tag')} in train: {some(ordered, SHOWN)}"]
        else:
            lengths = (train.labels != NO_WORD).sum(1)
            each = (
                spans(tuple(row[:count]), names) for row, count in zip(train.labels.tolist(), lengths.tolist(), strict=True)
            )
            kinds = Counter(kind for found in each for kind, *_ in found)
            ordered = [f"{kind} {count}" for kind, count in sorted(kinds.items(), key=lambda pair: -pair[1])]
            what = f"{counted(kinds.total(), 'entity', 'entities')} in train ({told_of(names)})"
            lines = [f"{words} words and {what}: {some(ordered, SHOWN)}"]
        if without := [name for name, count in zip(names, tally, strict=True) if not count]:
            lines.append(f"warning: no train word has the tag {some(without, SHOWN)}: it cannot be learned")
        return lines

    def scored(self, rows: Rows, names: tuple[str, ...], split: str) -> list[str]:
        """Which types of entities no scored row has."""
        kinds = [kind for _, kind in parted(names) or ()]
        there = {kinds[tag] for tag in np.unique(rows.labels[rows.labels != NO_WORD])} if kinds else set()
        without = list(dict.fromkeys(kind for kind in kinds if kind and kind not in there))
        what = f"no {split} sentence has an entity of type {some(without, SHOWN)}"
        return [f"warning: {what}: how well it is found is not measured"] if without else []


@cache
def with_names(names: tuple[str, ...]) -> Kind:
    """The kind for these tags."""
    entities = {} if parted(names) is None else scores(names)

    class Named(Tokens):
        measures: ClassVar = {name: Measure(score, "maximize") for name, score in entities.items()} | {
            "token_accuracy": Measure(accuracy, "maximize")
        }

    return Named()


def usual_tag(task: Task) -> int:
    """The number of O, or of the most frequent train tag where there is no O."""
    if OUTSIDE in task.names:
        return task.names.index(OUTSIDE)
    labels = task.train.labels
    return int(np.bincount(labels[labels != NO_WORD].astype(np.int64)).argmax())


def _padded(sentences: Sequence[Sequence[int]]) -> Array:
    found = np.full((len(sentences), max(map(len, sentences), default=0)), NO_WORD, np.int16)
    for row, tags in enumerate(sentences):
        found[row, : len(tags)] = tags
    return found


KIND = Tokens()
