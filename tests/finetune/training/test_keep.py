"""What is saved predicts in plain transformers, in a fresh process, what was trained: units, names, length, padding.

A process that imports transformers takes seconds, so the same one shows that a run there is the same, too.
"""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.fresh_process import run_fresh
from helpers.places import ROOT
from helpers.saved_families import folder_of, words
from helpers.small_tasks import digest_of_a_run, numbers_task, reviews_task, train

from adv import Clean
from finetune.config import Recipe
from finetune.tasks.task import Rows
from finetune.training.agreement import difference
from finetune.training.bench import Bench
from finetune.training.keep import keep

# Nothing of this project is imported there, until all of that is done.
FRESH = """
import json, sys
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
asked = json.load(open(sys.argv[1]))
found = {}
for folder, texts in asked.items():
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(*texts, truncation=True, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(**inputs).logits
    rows = [{"text": text} for text in texts[0]] if len(texts) == 1 else [
        {"text": text, "text_pair": pair} for text, pair in zip(*texts)]
    said = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None)(rows[:4], truncation=True)
    found[folder] = {"logits": logits.tolist(), "said": said, "names": model.config.id2label}
    found[folder]["width"] = inputs["input_ids"].shape[1]
assert not {"finetune", "studies", "adv"} & set(sys.modules)
sys.path[:0] = sys.argv[3:]
from helpers.small_tasks import digest_of_a_run
json.dump([found, digest_of_a_run()], open(sys.argv[2], "w"))
"""
LONG = " ".join(reviews_task().train.texts[:9])
ROUNDING = 2e-5


def in_a_fresh_process(tmp_path, asked):
    """With other hashes and hardly an environment: what plain transformers answers for each folder, and a run's digest."""
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    run_fresh(FRESH, tmp_path, "asked.json", "found.json", str(ROOT), str(ROOT / "tests"))
    return json.loads((tmp_path / "found.json").read_text())


def shaped(task, pairs):
    """The task with one text that is too long, and with second texts."""

    def put(rows):
        texts = [LONG, *rows.texts[1:]]
        return Rows(texts, [text.upper() for text in reversed(texts)] if pairs else None, rows.labels)

    return replace(task, train=put(task.train), validation=put(task.validation))


def spread(bench):
    """The deviation of each target, 1 for logits."""
    return bench.task.train.labels.std(0) if bench.task.kind == "regression" else 1.0


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """What each folder was saved from and predicts here, what plain transformers answers there, and a run's digest there."""
    tmp_path = tmp_path_factory.mktemp("fresh")
    tasks = {"classes": reviews_task(), "one": numbers_task(1), "two": numbers_task(2)}
    sources = {"tiny": "tiny", "bert": str(folder_of(tmp_path / "bert")), "gpt2": str(folder_of(tmp_path / "gpt2", "GPT2"))}
    asked, expected = {}, {}
    # Second texts are the tokeniser's business: every model and every kind of task is seen with and without.
    for number, (source, name) in enumerate(product(sources, tasks)):
        pairs = number % 2 == 1
        task = shaped(tasks[name], pairs)
        recipe = Recipe(model=sources[source], epochs=1, max_length=48, average="ema" if pairs else "none")
        bench = Bench(task, recipe)
        training = train(bench, recipe, Clean())
        out = tmp_path / f"{source}-{name}-{pairs}"
        before = {key: value.clone() for key, value in training.model.state_dict().items()}
        with training.average.swapped():
            lines = keep(bench, training.model, out)
            expected[str(out)] = bench, bench.predict(training.model, bench.validation)
        after = training.model.state_dict()
        assert all(torch.equal(value, after[key]) for key, value in before.items())
        took = "the head has no bias, so the mean of the targets is in transformer.ln_f, before it"
        assert lines == ([took] if source == "gpt2" and name != "classes" else [])
        rows = task.validation
        asked[str(out)] = [rows.texts] if rows.pairs is None else [rows.texts, rows.pairs]
    return expected, *in_a_fresh_process(tmp_path, asked)


def test_a_fresh_process_predicts_what_was_trained(fresh):
    expected, answers, _ = fresh
    assert answers.keys() == expected.keys()
    for folder, found in answers.items():
        bench, values = expected[folder]
        logits = np.array(found["logits"])
        assert np.abs((logits - values) / spread(bench)).max() < ROUNDING, folder
        assert found["names"] == {str(i): name for i, name in enumerate(bench.task.names)}
        assert found["width"] == 48
        for row, said in zip(logits[:4], found["said"], strict=True):
            scores = {entry["label"]: entry["score"] for entry in said}
            whole = np.exp(row) / np.exp(row).sum() if bench.task.kind == "classification" else row
            assert scores == pytest.approx(dict(zip(bench.task.names, whole, strict=True)), rel=1e-3, abs=1e-3), folder


def test_a_run_in_another_process_with_other_hashes_is_the_same(fresh):
    *_, digest = fresh
    assert digest == digest_of_a_run()


FAMILIES = "Roberta DebertaV2 DistilBert Electra ModernBert XLNet Albert MPNet OPT Bart MBart T5".split()


@pytest.mark.parametrize(("family", "targets"), [(family, 1 + i % 2) for i, family in enumerate(FAMILIES)])
def test_heads_of_every_family_take_the_units_of_the_targets(tmp_path, family, targets):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = folder_of(tmp_path / "m", family)
    task = numbers_task(targets)
    bench = Bench(task, Recipe(model=str(folder), max_length=64))
    model = bench.models.build(0)
    torch.manual_seed(1)
    for name, value in model.named_parameters():
        if "classif" in name or "score" in name or "logits" in name:
            torch.nn.init.normal_(value, std=0.5)
    lines = keep(bench, model, tmp_path / "out")
    assert ("the head has no bias" in "".join(lines)) is (family == "OPT")
    assert len(lines) == (family == "OPT")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    inputs = tokenizer(task.validation.texts, truncation=True, padding=True, return_tensors="pt")
    with torch.no_grad():
        found = plain(**inputs).logits.numpy()
    mean, std = task.train.labels.mean(0), task.train.labels.std(0)
    # By the model itself, text by text: standardised values, put into units here.
    alone = []
    for text in task.validation.texts[:6]:
        with torch.no_grad():
            alone.append(model(**tokenizer(text, return_tensors="pt")).logits[0].numpy() * std + mean)
    assert np.abs((found[:6] - alone) / std).max() < 1e-3
    assert np.abs(found.mean(0) - mean).max() < np.abs(mean).max()
    assert plain.config.problem_type == "regression"


def test_a_head_that_cannot_take_a_mean_says_how_to_read_its_predictions(tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = folder_of(tmp_path / "m", "Llama")  # no bias, neither in the head nor in the norm before it
    bench = Bench(numbers_task(), Recipe(model=str(folder)))
    model, out = bench.models.build(0), tmp_path / "out"
    lines = keep(bench, model, out)
    assert len(lines) == 1
    assert "saved predictions are standardised: value = prediction * std + mean" in lines[0]
    config = json.loads((out / "config.json").read_text())
    labels = bench.task.train.labels
    assert config["target_mean"] == pytest.approx(labels.mean(0).tolist())
    assert config["target_std"] == pytest.approx(labels.std(0).tolist())
    assert str(config["target_std"][0]) in (out / "README.md").read_text()
    plain, tokenizer = AutoModelForSequenceClassification.from_pretrained(out).eval(), AutoTokenizer.from_pretrained(out)
    inputs = tokenizer(bench.task.validation.texts, truncation=True, padding=True, return_tensors="pt")
    with torch.no_grad():
        found = plain(**inputs).logits.numpy()
    values = found * config["target_std"] + config["target_mean"]
    np.testing.assert_allclose(values, bench.predict(model, bench.validation), rtol=1e-4)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (3.1, 0.26), (-4e5, 3e4), (1e6, 0.5), (1e-6, 1e-9), (2.5, 1e-4)])
def test_units_of_any_size(tmp_path, mean, std):
    task = numbers_task(2)

    def put(rows):
        values = (rows.labels - task.train.labels.mean(0)) / task.train.labels.std(0)
        return Rows(rows.texts, None, (values * std + mean).astype(np.float32))

    task = replace(task, train=put(task.train), validation=put(task.validation))
    bench = Bench(task, Recipe())
    assert keep(bench, bench.models.build(0), tmp_path / "out") == []


def test_what_a_tokeniser_was_told_is_saved(tmp_path):
    from transformers import AutoTokenizer

    tokenizer = words(padding_side="left")
    tokenizer.pad_token = None
    folder = folder_of(tmp_path / "m", "GPT2", tokenizer=tokenizer)
    bench = Bench(reviews_task(), Recipe(model=str(folder), max_length=20))
    assert keep(bench, bench.models.build(0), tmp_path / "out") == []
    saved = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert (saved.padding_side, saved.pad_token, saved.model_max_length) == ("right", "[SEP]", 20)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["pad_token_id"] == 3
    assert saved("The FILM")["input_ids"] == saved("the film")["input_ids"]
    assert len(saved(LONG, truncation=True)["input_ids"]) == 20


def test_a_saved_model_that_predicts_something_else_is_said(tmp_path):
    from safetensors.torch import load_file, save_file

    bench = Bench(numbers_task(), Recipe())
    model, out = bench.models.build(0), tmp_path / "out"
    assert keep(bench, model, out) == []
    weights = out / "model.safetensors"
    tensors = load_file(weights)
    save_file(tensors | {"classifier.bias": tensors["classifier.bias"] + 1}, weights, {"format": "pt"})
    assert "plain transformers does NOT predict the same with the saved model: it is off by up to 1" in difference(
        bench, model, out, False
    )
    Path(out, "config.json").write_text("{}")
    assert "plain transformers cannot use the saved model" in difference(bench, model, out, False)
