"""A best.yaml of each kind of task on files in the working folder, with a tiny model, and scripts run from it."""

import contextlib
import csv
import io
import json
import runpy
import warnings
from pathlib import Path

from finetune.config import Data, Recipe
from helpers import cheap_trainers  # noqa: F401
from helpers.saved_families import folder_of
from helpers.small_tasks import reviews_task
from studies.results.best import Best, Recorded

RECIPE = {"epochs": 1, "max_length": 24, "learning_rate": 1e-3}


def texts(count):
    return reviews_task().train.texts[:count]


def write_csv(path, columns, delimiter=","):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([columns, *zip(*columns.values(), strict=True)])
    return str(Path(path).resolve())


def data_of(kind, count=40):
    """A file of that kind, and how it is read."""
    some = texts(count)
    if kind == "classification":
        return Data(train_file=write_csv("rows.csv", {"text": some, "label": [n % 2 for n in range(count)]}))
    if kind == "pairs":
        columns = {"one": some, "two": some[::-1], "verdict": ["no", "yes, really"] * (count // 2)}
        path = write_csv("pairs.tsv", columns, "\t")
        return Data(train_file=path, validation_file=path, text_column="one", pair_column="two", label_column=("verdict",))
    if kind == "regression":
        columns = {"text": some, "a": [n / 7 for n in range(count)], "b": [f"{n},5" for n in range(count)]}
        return Data(train_file=write_csv("numbers.csv", columns), label_column=("a", "b"))
    if kind in ("cumulative", "classes", "number"):
        path = write_csv("steps.csv", {"text": some, "label": [("low", "mid", "high")[n % 3] for n in range(count)]})
        return Data(train_file=path, kind="ordinal", label_order=("low", "mid", "high"), ordinal_as=kind)
    if kind == "multilabel":
        rows = [{"text": text, "tags": [["a"], ["b", "c"], []][n % 3]} for n, text in enumerate(some)]
        Path("labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return Data(train_file=str(Path("labels.jsonl").resolve()), label_column=("tags",))
    assert kind == "tokens"
    lines = [[f"{word} {'B-thing' if n % 3 == 1 else 'O'}" for n, word in enumerate(text.split())] for text in some]
    Path("words.conll").write_text("\n\n".join("\n".join(sentence) for sentence in lines) + "\n")
    return Data(train_file=str(Path("words.conll").resolve()))


def best_of_file(data, metric, method="fgm", settings=None, **recipe):
    """A configuration that a search might have left."""
    if "model" not in recipe:
        recipe["model"] = str(folder_of(Path("encoder")).resolve())
    facts = {"study": 'a "study"', "trial": 0, "value": 0.5, "clean": 0.4, "versions": {}}
    recorded = Recorded(**facts, data_fingerprint="", model_fingerprint="")
    found = {"format": 1, "method": method, "settings": {"epsilon": 0.5} if settings is None else settings}
    return Best(**found, data=data, recipe=Recipe(**RECIPE | recipe), metric=metric, recorded=recorded)


def ran(text):
    """What a script prints."""
    Path("script.py").write_text(text, encoding="utf-8")
    said = io.StringIO()
    with contextlib.redirect_stdout(said), warnings.catch_warnings(action="ignore"):
        names = runpy.run_path("script.py", run_name="__main__")
    return said.getvalue().splitlines(), names
