"""Saved models of every kind for tests of predictions, made once in a process, of tasks with few rows."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from adv import Clean
from finetune.config import Data
from helpers.saved_runs import few, saved_run
from helpers.small_tasks import labels_task, numbers_task, reviews_task, steps_task
from helpers.tagged_sentences import tokens_task

LABELS = ("long", "with commas", "good")
TASKS = {
    "classes": (lambda: few(reviews_task()), {}),
    "pairs": (lambda: few(reviews_task(), pairs=True), {"pair_column": "second"}),
    "numbers": (lambda: few(numbers_task()), {"label_column": ("words", "commas")}),
    "number": (lambda: few(numbers_task(1)), {"label_column": ("words",)}),
    "labels": (lambda: few(labels_task()), {"label_column": LABELS, "kind": "multilabel"}),
    "thresholds": (lambda: few(labels_task("tuned")), {"label_column": LABELS, "thresholds": "tuned"}),
    "steps": (lambda: few(steps_task()), {"kind": "ordinal", "label_order": ("short", "middling", "long")}),
    "words": (lambda: few(tokens_task()), {"kind": "tokens"}),
}


@cache
def saved_model(name, seed=0):
    """The folder of a model of a kind, its bench, and its raw outputs and values on the validation rows."""
    make, data = TASKS[name]
    folder = Path(mkdtemp(prefix="saved-")) / f"{name}-{seed}"
    bench, raw, values, _ = saved_run(make(), folder, Clean(), {"seed": seed}, data=Data(train_file="rows.csv", **data))
    return folder, bench, raw, values


def rows_of(name):
    """The validation rows of a kind as objects with a number, texts and labels."""
    _, bench, _, _ = saved_model(name)
    task, rows = bench.task, bench.task.validation
    found = []
    for number, text in enumerate(rows.texts):
        row = {"id": f"r{number}", "text": text.split(" ") if name == "words" else text}
        if rows.pairs is not None:
            row["second"] = rows.pairs[number]
        label = rows.labels[number]
        if task.kind in ("classification", "ordinal"):
            row["label"] = task.names[label]
        elif task.kind == "tokens":
            row["label"] = [task.names[tag] for tag in label if tag >= 0]
        else:
            row |= dict(zip(task.names, map(float if task.kind == "regression" else int, label), strict=True))
        found.append(row)
    return found


def without_labels(name):
    """The same rows as a test file has them."""
    return [{key: row[key] for key in ("id", "text", "second") if key in row} for row in rows_of(name)]
