"""Several labels of one text: each is there or not."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from finetune.arguments import arg
from finetune.config import Data
from finetune.errors import UserError
from finetune.tasks import label_scores as scores
from finetune.tasks.answer import Answer
from finetune.tasks.cells import answers, label_columns, missing
from finetune.tasks.classification import SHOWN, alike
from finetune.tasks.kind import Array, Kind, Labels, Measure
from finetune.tasks.label_cells import all_lists, as_flags, readable
from finetune.tasks.label_tables import from_columns, from_flags, from_names
from finetune.tasks.spread import Spread, by_labels
from finetune.tasks.table import Table
from finetune.tasks.task import Rows, Task
from finetune.words import counted, share, some

TUNED = "tuned"
# Where no label is as frequent as this, a model may well predict none above 0.5.
RARE = 0.25
# With more labels than this, every epoch would store more scores of single labels than anybody reads.
PARTS = 30
README = """# Thresholds

A label is predicted if `torch.sigmoid(logits)[:, i]` is above its threshold, chosen for the highest F1 on the validation
rows (`label_thresholds` in config.json):

| label | threshold |
|---|---|
{rows}
"""


class Multilabel(Kind):
    """Labels are 0 or 1 (rows, labels) float32, predictions logits (rows, labels).

    With tuned thresholds predictions are (rows, labels, 2): logits, and the logits of the thresholds.
    """

    name = "multilabel"
    problem = "multi_label_classification"
    several = True
    named = True
    raw_as = "sigmoid"
    options = ("label_separator", "thresholds")
    implied = ("label_separator",)
    measures: ClassVar = {
        "macro_f1": Measure(scores.macro_f1, "maximize"),
        "micro_f1": Measure(scores.micro_f1, "maximize"),
        "weighted_f1": Measure(scores.weighted_f1, "maximize"),
        "samples_f1": Measure(scores.samples_f1, "maximize"),
        "subset_accuracy": Measure(scores.subset_accuracy, "maximize", share=True),
        "hamming_loss": Measure(scores.hamming_loss, "minimize"),
        "roc_auc": Measure(scores.roc_auc, "maximize"),
        "average_precision": Measure(scores.average_precision, "maximize"),
        "lrap": Measure(scores.lrap, "maximize"),
        "log_loss": Measure(scores.log_loss, "minimize"),
    }

    def form(self, data: Data) -> str:
        """Whether thresholds are tuned."""
        return TUNED if data.thresholds == TUNED else ""

    def of(self, task: Task) -> Kind:
        """With tuned thresholds, if the task has them."""
        return TUNING if task.form == TUNED else KIND

    def recognise(self, table: Table, columns: Sequence[str]) -> str | None:
        """Several columns that all mean yes or no, or one column of lists."""
        cells = [value for column in columns for value in table[column] if not missing(value)]
        if len(columns) > 1:
            if not cells or not answers(cells):
                return None
            what = f"read as {len(columns)} labels of one text, each there (1) or not (0)"
            return f"{what}; {arg('kind', 'regression')} takes them as numbers"
        if not all_lists(cells) or not readable(cells):
            return None
        return f"lists are read as the labels of a text, any number of them; {arg('kind', 'multilabel')} says so"

    def read(self, tables: Mapping[str, Table], data: Data, unlabelled: set[str]) -> Labels:
        """A 0 or 1 for each label; -1 if there are no labels."""
        labelled = {name: table for name, table in tables.items() if name not in unlabelled}
        columns = data.label_column
        cells = [value for table in labelled.values() for column in columns for value in table[column] if not missing(value)]
        if not cells:
            raise UserError(f"{label_columns(columns)}: no row has a label")
        one_column = len(columns) == 1
        if not one_column or (data.label_separator is None and answers(cells, letters=False)):
            found = from_columns(labelled, columns)
        elif size := as_flags(list(labelled.values()), columns[0]):
            found = from_flags(labelled, columns[0], size)
        else:
            found = from_names(labelled, columns[0], data)
        if (found.splits["train"] == found.splits["train"][0]).all():
            raise UserError(
                f"{label_columns(columns)}: every row of the train data has the same labels; there is nothing to learn"
            )
        rows = {name: self.blank(found.names, [""] * tables[name].rows) for name in unlabelled}
        return Labels(found.names, found.splits | rows, found.notes)

    def blank(self, names: tuple[str, ...], texts: Sequence[str]) -> Array:
        """A -1 for each label."""
        return np.full((len(texts), len(names)), -1, np.float32)

    def aside(self, labels: Array, count: int, seed: int) -> Array:
        """Iterative stratification (Sechidis et al. 2011); then rows are exchanged one by one as long as that helps."""
        from iterstrat.ml_stratifiers import IterativeStratification

        part, truth = count / len(labels), labels > 0
        chosen = IterativeStratification(truth, np.array([1 - part, part]), np.random.RandomState(seed)) == 1
        aim = truth.sum(0) * part
        while (excess := int(chosen.sum()) - count) != 0:
            chosen = moved(chosen, truth, aim, excess < 0)
        while True:
            other = moved(moved(chosen, truth, aim, False), truth, aim, True)
            if gap(other, truth, aim) >= gap(chosen, truth, aim) - 1e-9:
                return np.flatnonzero(chosen)
            chosen = other

    def spread(self, labels: Array, folds: int) -> Spread:
        """Every label, by iterative stratification."""
        return by_labels(labels > 0)

    def tally(self, labels: Array, names: tuple[str, ...]) -> Array:
        """Rows with each label."""
        return np.asarray((labels > 0).sum(0))

    def cells(self, names: tuple[str, ...], labels: Array, output: Array) -> dict[str, list[Any]]:
        """The labels, the predicted labels, and the probability of each."""
        given, likely = scores.predicted(output), scores.probabilities(output)
        found: dict[str, list[Any]] = {"labels": _listed(names, labels > 0), "predicted": _listed(names, given)}
        return found | {f"p {name}": [f"{share:.4g}" for share in likely[:, i]] for i, name in enumerate(names)}

    def answer(self, names: tuple[str, ...], output: Array) -> Answer:
        """The predicted labels, and the probability of each."""
        likely = scores.probabilities(output)
        predicted = [
            [name for name, there in zip(names, row, strict=True) if there] for row in scores.predicted(output).tolist()
        ]
        return Answer(predicted, {name: likely[:, i] for i, name in enumerate(names)})

    def plain(self, labels: Array, output: Array) -> tuple[Array, Array]:
        """Labels of 0 and 1 (rows, labels), and the probability of each (rows, labels)."""
        return labels.astype(int), scores.probabilities(output)

    def more(self, names: tuple[str, ...], output: Array) -> dict[str, Any]:
        """Names, and the probability above which each label is predicted (labels,)."""
        cuts = output[0, :, 1] if output.ndim == 3 else np.zeros(output.shape[1])
        return {"names": names, "thresholds": scores.probabilities(cuts)}

    def guess(self, task: Task) -> Array:
        """Every row gets the share of train rows that have each label."""
        rows = len(task.train)
        shares = np.clip(task.train.labels.mean(0, dtype=np.float64), 0.5 / rows, 1 - 0.5 / rows)
        return np.tile(np.log(shares / (1 - shares)), (len(task.validation), 1))

    def details(self, names: tuple[str, ...], labels: Array, output: Array) -> dict[str, float]:
        """The F1 of each label, such as "f1 toxic"."""
        if len(names) > PARTS or len(names) < 2:
            return {}
        return {f"f1 {name}": float(value) for name, value in zip(names, scores.f1s(labels, output), strict=True)}

    def usual(self, names: tuple[str, ...]) -> str:
        """The mean F1 of the labels."""
        return "macro_f1"

    def describe(self, train: Rows, names: tuple[str, ...]) -> list[str]:
        """Labels with their rows; warnings about labels that no row or every row has, and that are alike."""
        truth = np.asarray(train.labels, np.float32) > 0
        counts, per_row = dict(zip(names, truth.sum(0).tolist(), strict=True)), truth.sum(1)
        ordered = sorted(counts, key=lambda name: -counts[name]) if len(counts) > SHOWN else list(counts)
        listed = some([f"{name} {counts[name]}" for name in ordered], SHOWN)
        bare = share(int((per_row == 0).sum()), len(train))
        lines = [
            f"{counted(len(names), 'label')} in train: {listed}; {per_row.mean():.2g} a row, {bare} of the rows have none"
        ]
        if same := alike(names, counts):
            lines.append(f"warning: some labels differ only by case or blanks: {same}")
        if without := [repr(name) for name, count in counts.items() if not count]:
            lines.append(f"warning: no train row has the label {some(without, SHOWN)}: it cannot be learned")
        if always := [repr(name) for name, count in counts.items() if count == len(train)]:
            lines.append(f"warning: every train row has the label {some(always, SHOWN)}: there is nothing to learn")
        return lines

    def scored(self, rows: Rows, names: tuple[str, ...], split: str) -> list[str]:
        """How labels that no row or every row has are counted, and rows without labels."""
        counts, lines = (np.asarray(rows.labels, np.float32) > 0).sum(0), list[str]()
        if without := [repr(name) for name, count in zip(names, counts, strict=True) if not count]:
            how = "macro_f1 counts it as 0, roc_auc and average_precision leave it out"
            lines.append(f"warning: no {split} row has the label {some(without, SHOWN)}: {how}")
        if always := [repr(name) for name, count in zip(names, counts, strict=True) if count == len(rows)]:
            lines.append(f"warning: every {split} row has the label {some(always, SHOWN)}: roc_auc leaves it out")
        if not self.settles and counts.max() < RARE * len(rows):
            what = (
                f"no label is in more than {share(int(counts.max()), len(rows))} of the {split} rows, so few may reach 0.5"
            )
            ways = f"{arg('thresholds', TUNED)}, {arg('class_weights', 'balanced')} or {arg('metric', 'average_precision')}"
            lines.append(f"warning: {what}; consider {ways}")
        return lines


class Tuning(Multilabel):
    """The same with thresholds that are tuned on the validation rows."""

    settles = True

    def settle(self, labels: Array, output: Array) -> Array:
        """The logit of each label's threshold (labels,), for the highest F1."""
        return scores.best_thresholds(labels, output)

    def settled(self, output: Array, chosen: Array) -> Array:
        """Logits and thresholds (rows, labels, 2)."""
        return np.stack([output, np.broadcast_to(chosen.astype(output.dtype), output.shape)], -1)

    def guess(self, task: Task) -> Array:
        """Thresholds are tuned for the guess too."""
        found = super().guess(task)
        return self.settled(found, self.settle(task.validation.labels, found))

    def facts(self, names: tuple[str, ...], chosen: Array | None) -> tuple[dict[str, Any], str]:
        """The thresholds as probabilities."""
        if chosen is None:
            return {}, ""
        cuts = [float(value) for value in scores.probabilities(chosen)]
        rows = "\n".join(f"| {name} | {cut:.6g} |" for name, cut in zip(names, cuts, strict=True))
        return {"label_thresholds": cuts}, README.format(rows=rows)

    def scored(self, rows: Rows, names: tuple[str, ...], split: str) -> list[str]:
        """Besides, what tuning does to the values."""
        why = (
            "on the validation rows, which also score the trials, so their F1 is too good; test rows get the same thresholds"
        )
        line = f"thresholds are tuned {why}; {arg('thresholds', 'fixed')} predicts above 0.5"
        return [line, *super().scored(rows, names, split)]


def gap(chosen: Array, truth: Array, aim: Array) -> float:
    """How far the labels (rows, labels) of chosen rows are from the counts that they should have."""
    return float(((truth[chosen].sum(0) - aim) ** 2).sum())


def moved(chosen: Array, truth: Array, aim: Array, inwards: bool) -> Array:
    """The choice with one row more or less, the one that brings the counts nearest to what they should be."""
    able = np.flatnonzero(chosen != inwards)
    after = truth[chosen].sum(0) + (1 if inwards else -1) * truth[able].astype(int)
    found = chosen.copy()
    found[able[((after - aim) ** 2).sum(1).argmin()]] = inwards
    return found


def _listed(names: Sequence[str], truth: Array) -> list[str]:
    return [", ".join(name for name, there in zip(names, row, strict=True) if there) for row in truth]


KIND = Multilabel()
TUNING = Tuning()
