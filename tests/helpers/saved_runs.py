"""Runs whose models are saved: every kind of task, and what changes how texts are read or outputs are meant."""

from dataclasses import replace

from finetune.config import Data, Recipe
from finetune.tasks.task import Rows
from finetune.training.about import About
from finetune.training.bench import Bench, scoring
from finetune.training.keep import keep
from helpers.saved_families import folder_of, words
from helpers.small_tasks import labels_task, numbers_task, reviews_task, shares_task, steps_task, train
from helpers.tagged_sentences import tokens_task


def few(task, rows=24, pairs=False):
    """The task with fewer rows, one without a text, one that is too long; with second texts, if asked for."""

    def cut(part):
        texts = [*part.texts[:rows]]
        if task.kind != "tokens":
            texts[3], texts[7] = "", " ".join(part.texts[:6])
        return Rows(texts, [text.upper() for text in reversed(texts)] if pairs else None, part.labels[:rows])

    return replace(task, train=cut(task.train), validation=cut(task.validation), test=cut(task.test))


def cases(tmp_path):
    """By name: a task, and what its recipe has beside the usual."""
    gpt, llama = (str(folder_of(tmp_path / name, name)) for name in ("GPT2", "Llama"))
    left = str(folder_of(tmp_path / "left", "Bert", tokenizer=words(padding_side="left")))
    return {
        "classes": (few(reviews_task()), {}),
        "pairs": (few(reviews_task(), pairs=True), {"model": left, "average": "ema"}),
        "numbers": (few(numbers_task()), {"pooling": "attention"}),
        "number": (few(numbers_task(1)), {"model": gpt, "score": "soup", "evals_per_epoch": 2}),
        "standardised": (few(numbers_task()), {"model": llama}),
        "shares": (few(shares_task()), {"loss": "bce", "precision": "bf16"}),
        "labels": (few(labels_task()), {"pooling": "last-layers", "model": left}),
        "thresholds": (few(labels_task("tuned")), {"batch_size": 80}),
        "steps": (few(steps_task()), {}),
        "steps as classes": (few(steps_task("classes")), {}),
        "steps as a number": (few(steps_task("number")), {"pooling": "max"}),
        "words": (few(tokens_task()), {"max_length": 7}),
    }


def saved_run(task, folder, method, more=None, **about):
    """Train for an epoch and save; the bench, and raw outputs and values on the validation rows."""
    recipe = Recipe(**{"epochs": 1, "max_length": 40} | (more or {}))
    bench = Bench(task, recipe)
    training = train(bench, recipe, method)
    folder.mkdir(parents=True)
    facts = {"data": Data(train_file="/home/ada/films.csv", text_column="text"), "metric": training.metric} | about
    with training.scored():
        notes = keep(bench, training.model, folder, About(recipe=recipe, **facts))
        raw = bench.raw(training.model, bench.validation, *scoring(recipe))
        values = bench.score(training.model, bench.validation, task.validation, recipe)
    return bench, raw, values, notes
