"""Exported scripts run as they are, on the rows of the search, and reach about what the search reaches."""

import ast
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.saved_families import folder_of
from helpers.scripts_to_run import RECIPE, best_of_file, data_of, ran, texts, write_csv
from helpers.small_tasks import labels_task, numbers_task, steps_task, train
from helpers.tagged_sentences import tokens_task

from adv import FGM
from finetune.config import Data, Recipe
from finetune.data.load import load_task
from finetune.errors import UserError
from finetune.folds import Folds
from finetune.tasks import kind_for
from finetune.tasks.metrics import evaluate
from finetune.training.bench import Bench
from finetune.training.groups import layer_rates
from studies.results.scripts.outputs import OF_KIND, outputs_of
from studies.results.scripts.rows import own_reader, reader_for
from studies.results.scripts.script import as_loop, as_trainer
from studies.results.snippet import as_python

KINDS = {
    "classification": "accuracy",
    "pairs": "macro_f1",
    "regression": "mcrmse",
    "cumulative": "qwk",
    "classes": "accuracy",
    "number": "mae",
    "multilabel": "micro_f1",
    "tokens": "entity_f1",
}
WRITERS = {"trainer": as_trainer, "loop": as_loop}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def imported(text):
    """The packages that a script imports."""
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [[alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module] for node in nodes]
    return {name.split(".")[0] for group in names for name in group}


@pytest.mark.parametrize(("kind", "metric"), KINDS.items())
@pytest.mark.parametrize("format", WRITERS)
def test_a_script_runs_on_the_rows_of_the_search_and_needs_adv_alone(kind, metric, format):
    best = best_of_file(data_of(kind), metric)
    text = WRITERS[format](best)
    assert imported(text).isdisjoint({"finetune", "studies", "spaces", "search"})
    said, names = ran(text)
    value = said[-1].split(";")[0].split()
    assert value[0] == metric
    assert np.isfinite(float(value[1]))
    task = load_task(best.data, metric)
    for split in ("train", "validation"):
        rows, read = getattr(task, split), names[split]
        assert [" ".join(one) if kind == "tokens" else one for one in read.texts] == rows.texts
        assert read.pairs == rows.pairs
        if kind != "tokens":
            np.testing.assert_array_equal(read.labels, rows.labels)


RECIPES = {
    "by layer": {"layer_decay": 0.9, "head_learning_rate": 2e-3, "weight_decay": 0.1, "reinit_layers": 1},
    "frozen": {"freeze_layers": 1, "head_dropout": 0.0, "schedule": "cosine", "warmup": 0.2},
    "smoothed": {"label_smoothing": 0.1, "class_weights": "balanced", "schedule": "constant", "warmup": 0.0},
    "focal": {"loss": "focal", "gradient_accumulation": 2, "batch_size": 4},
    "best": {"score": "best", "evals_per_epoch": 2, "epochs": 2, "batch_size": 4, "gradient_checkpointing": True},
    "soup": {"score": "soup", "evals_per_epoch": 3, "epochs": 2, "batch_size": 4},
    "ema": {"average": "ema", "half_life": 0.3},
    "swa": {"average": "swa", "precision": "fp16"},
    "bf16": {"precision": "bf16"},
    "pooled": {"pooling": "mean", "multi_sample": 3, "layer_decay": 0.8},
    "tiny": {"model": "tiny", "learning_rate": 4e-3},
}


# Options of the parts that both scripts share.
LOOP_ALONE = ("by layer", "smoothed", "focal", "pooled", "tiny")


@pytest.mark.parametrize(
    ("name", "format"),
    [(name, format) for name in RECIPES for format in WRITERS if format == "loop" or name not in LOOP_ALONE],
)
def test_an_option_of_the_recipe_is_carried_or_named(name, format):
    recipe = RECIPES[name]
    text = WRITERS[format](best_of_file(data_of("classification"), "accuracy", **recipe))
    said, names = ran(text)
    assert said[-1].startswith("accuracy ")
    if name == "by layer":
        expected = layer_rates(names["model"], Recipe(**RECIPE | recipe))
        rates = {id(group["params"][0]): group["lr"] for group in names["optimiser_of"](names["model"]).param_groups}
        assert {part: rates[id(value)] for part, value in names["model"].named_parameters()} == pytest.approx(expected)
    head = text.split('"""')[1]
    named = {"soup": "score soup", "swa": "average swa"} | ({"ema": "average ema"} if format == "trainer" else {})
    assert ("Not carried over: " + named[name] in head) if name in named else ("average" not in head and "score" not in head)
    assert ("folder `finetune`" in head) == (name in ("pooled", "tiny"))


@pytest.mark.parametrize(
    ("kind", "metric", "recipe"),
    [
        ("multilabel", "average_precision", {"loss": "focal", "class_weights": "balanced"}),
        ("multilabel", "log_loss", {"class_weights": "balanced"}),
        ("regression", "spearman", {"loss": "smooth_l1"}),
        ("cumulative", "mae", {"class_weights": "balanced"}),
        ("tokens", "token_accuracy", {"loss": "focal", "class_weights": "balanced"}),
        ("classification", "qwk", {"loss": "focal"}),
    ],
)
def test_the_loss_and_the_metric_are_those_of_the_search(kind, metric, recipe):
    best = best_of_file(data_of(kind), metric, **recipe)
    _, names = ran(as_loop(best))
    task = load_task(best.data, metric)
    bench = Bench(task, best.recipe)
    model, batch = bench.models.build(0), bench.train.batch(np.arange(8), bench.device)
    with torch.no_grad():
        expected = bench.forward_of(best.recipe)(model.eval(), batch)
        found = names["loss_of"](expected["logits"], batch["labels"])
    torch.testing.assert_close(found, expected["loss"], rtol=1e-5, atol=1e-6)
    # The score of the search's predictions, from the logits that the script asks the same model for.
    output = bench.outputs(model, bench.validation)
    logits = names["predict"](model)
    assert names["score"](names["validation"], logits) == pytest.approx(
        evaluate(task, task.validation.labels, output)[metric], abs=1e-5
    )


METRICS_OF = [(kind, name) for kind, names in OF_KIND.items() for name in names]


@pytest.mark.parametrize(("kind", "name"), METRICS_OF, ids="-".join)
def test_every_formula_is_the_metric(kind, name):
    rng = np.random.default_rng(0)
    task = {
        "classification": steps_task(), "ordinal": steps_task(), "regression": numbers_task(), "multilabel": labels_task(),
        "tokens": tokens_task(),
    }[kind]  # fmt: skip
    task = replace(task, kind=kind)
    out = outputs_of(task, Recipe(), name, [])
    labels = task.validation.labels
    if kind == "tokens":
        output = np.where(labels == -1, -1, rng.integers(0, len(task.names), labels.shape)).astype(np.float32)
        tags = [[[task.names[int(tag)] for tag in row if tag != -1] for row in part] for part in (labels, output)]
        given, found = tags
    else:
        outputs = len(kind_for(task).outputs(task.names))
        output = rng.normal(size=(len(labels), outputs)).astype(np.float32)
        output = output * 3 + labels if kind == "regression" else output
        given, found = labels, (output > 0).sum(1) if kind == "ordinal" else output
    here = {"np": np, "NAMES": list(task.names), "labels": given, "output": found}
    for line in out.imports:
        exec(line, here)
    assert eval(out.formula, here) == pytest.approx(evaluate(task, labels, output)[name], rel=1e-5, abs=1e-7)


def test_what_no_script_can_do_is_refused_or_told():
    data = data_of("classification")
    with pytest.raises(UserError, match=r"format='trainer': freeat needs each batch several times.*format='loop'"):
        as_trainer(best_of_file(data, "accuracy", "freeat", {"epsilon": 0.1}))
    said, _ = ran(as_loop(best_of_file(data, "accuracy", "freeat", {"epsilon": 0.1, "K": 2})))
    assert said[-1].startswith("accuracy ")
    text = as_loop(best_of_file(data, "robust_accuracy"))
    assert "the metric robust_accuracy, measured in another view of the texts: the script prints accuracy" in text
    Path("rows.csv").unlink()
    with pytest.raises(UserError, match="no such file"):
        as_loop(best_of_file(data, "accuracy"))


@pytest.mark.parametrize("kind", ["class", "cells", "marks", "folder", "gzip", "parquet", "few"])
def test_rows_from_odd_files(kind):
    """Names that end a string, decimal commas, quotes, a folder, packed files, and rows that are left out."""
    some = texts(40)
    if kind == "class":
        names = ['he said "no"', "it's\\n"]
        data = Data(train_file=write_csv("a.csv", {"text": some, "label": [names[n % 2] for n in range(40)]}))
    elif kind == "cells":
        cells = {'te"xt': [f'"{text}"\n, and' for text in some], "label": [("1", "2")[n % 2] for n in range(40)]}
        data = Data(train_file=write_csv("a b;.csv", cells, ";"), text_column='te"xt')
    elif kind == "marks":
        lines = [f'"{text}\t{n % 2}' for n, text in enumerate(some)]
        Path("a.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n")
        data = Data(train_file=str(Path("a.tsv").resolve()))
    elif kind == "folder":
        Path("d").mkdir()
        for name in ("train", "dev", "test"):
            write_csv(f"d/{name}.csv", {"text": some, "label": [n % 2 for n in range(40)]})
        data = Data(data=str(Path("d").resolve()))
    elif kind in ("gzip", "parquet"):
        frame = pd.DataFrame({"text": some, "label": ["yes", "no"] * 20})
        path = Path("a.csv.gz" if kind == "gzip" else "a.parquet").resolve()
        frame.to_csv(path, index=False) if kind == "gzip" else frame.to_parquet(path)
        data = Data(train_file=str(path))
    else:
        path = write_csv("a.csv", {"text": some, "label": ["a", "a", "b", "c"] * 10})
        data = Data(train_file=path, max_train_rows=12, max_validation_rows=5)
    best = best_of_file(data, "accuracy")
    task = load_task(data, "accuracy")
    found = reader_for(data, task)
    assert not isinstance(found, str), found
    text = as_loop(best)
    assert "finetune" not in text.split("# The model.")[0].split('"""', 2)[2]
    compile(text, "script", "exec")


@pytest.mark.parametrize(
    ("kind", "folds", "plain"),
    [
        ("classification", Folds(folds=4, seeds=2), True),
        ("pairs", Folds(folds=2), True),
        ("regression", Folds(folds=3), False),
        ("multilabel", Folds(folds=3), False),
        ("classification", Folds(fold_column="part"), False),
        ("classification", Folds(group_column="text"), False),
    ],
)
def test_a_folded_search_s_script_trains_its_first_fold(kind, folds, plain):
    data = data_of(kind)
    if folds.fold_column:
        columns = {"text": texts(40), "label": [n % 2 for n in range(40)], "part": [n // 14 for n in range(40)]}
        write_csv("rows.csv", columns)
    best = best_of_file(data, KINDS[kind]).model_copy(update={"folds": folds})
    text = as_trainer(best)
    assert ("folder `finetune`" not in text) == plain
    assert ("the other folds" in text) == folds.folded
    said, names = ran(text)
    assert (" on fold 0; the search, over all folds: " in said[-1]) == folds.folded
    task = load_task(best.data, best.metric, folds)
    task = task.fold(0) if folds.folded else task
    assert names["train"].texts == task.train.texts
    assert names["validation"].texts == task.validation.texts
    np.testing.assert_array_equal(names["validation"].labels, task.validation.labels)
    # The exact script trains the same fold, to the value of that fold.
    bench = Bench(task, best.recipe)
    expected = train(bench, best.recipe, FGM(epsilon=0.5)).history[-1].metrics[best.metric]
    assert ran(as_python(best))[0][-1] == f"epoch 0: {best.metric} {expected:.6f}"


def test_a_folded_search_s_script_reads_words_and_their_tags():
    folds, data = Folds(folds=2), data_of("tokens")
    task = load_task(data, "entity_f1", folds).fold(0)
    here = {"NAMES": list(task.names), "NamedTuple": NamedTuple, "Data": Data, "Folds": Folds, "load_task": load_task}
    exec(own_reader(data, task, "entity_f1", "", folds).code, here)
    for part in ("train", "validation"):
        rows, found = getattr(task, part), here[part]
        assert [" ".join(words) for words in found.texts] == rows.texts
        assert [len(tags) for tags in found.labels] == [len(words) for words in found.texts]
        assert [task.names.index(tag) for tags in found.labels for tag in tags] == rows.labels[rows.labels >= 0].tolist()


def test_rows_that_pandas_reads_otherwise_are_read_by_this_project():
    Path("a.csv").write_text(
        "text,label\n" + "".join(f"{text.replace(',', '')}, {n % 2}.0\n" for n, text in enumerate(texts(40)))
    )
    best = best_of_file(Data(train_file=str(Path("a.csv").resolve())), "accuracy")
    text = as_trainer(best)
    assert "also needs the project's folder `finetune`: pandas reads other rows" in text
    said, names = ran(text)
    assert said[-1].startswith("accuracy ")
    assert names["train"].texts == load_task(best.data, "accuracy").train.texts


def test_the_trainer_s_script_reaches_about_what_the_search_reaches():
    data, recipe = Data(task="reviews", max_train_rows=200), {"model": "tiny", "epochs": 5, "learning_rate": 4e-3}
    best = best_of_file(data, "accuracy", settings={"epsilon": 0.3, "start_epoch": 1}, **recipe)
    bench = Bench(load_task(data), best.recipe)
    ours = train(bench, best.recipe, FGM(**best.settings)).history[-1].metrics["accuracy"]
    said, _ = ran(as_trainer(best))
    assert ours > 0.65
    assert float(said[-1].split(";")[0].split()[1]) == pytest.approx(ours, abs=0.07)


def test_micro_batches_of_a_loop_are_one_step_over_all_rows():
    folder = folder_of(Path("still"), hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    more = {"model": str(folder.resolve()), "warmup": 0.0}
    ends = []
    for size, many in ((28, 1), (5, 6)):  # the last micro-batch has three rows
        data = data_of("classification")
        best = best_of_file(data, "accuracy", "none", {}, batch_size=size, gradient_accumulation=many, **more)
        ends.append(ran(as_loop(best))[1]["model"].classifier.weight)
    # The first step of AdamW is as long wherever the gradient is no rounding error.
    torch.testing.assert_close(*ends, rtol=1e-3, atol=1e-5)
