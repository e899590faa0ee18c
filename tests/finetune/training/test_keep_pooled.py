"""A saved pooling head: plain transformers loads the encoder, the README's lines predict, the project goes on with both."""

import json

import numpy as np
import pytest
import torch
from helpers.saved_families import folder_of
from helpers.small_tasks import assert_same_state, labels_task, numbers_task, reviews_task, steps_task, train
from helpers.tagged_sentences import tokens_task
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer, BertForSequenceClassification

from adv import Clean
from finetune.config import Recipe
from finetune.errors import UserError
from finetune.tasks.task import Rows, Task
from finetune.training.agreement import difference
from finetune.training.bench import Bench
from finetune.training.keep import keep, put


def code_of(folder):
    """The code of the README, run where nothing else is known."""
    text = (folder / "README.md").read_text()
    here = {}
    exec(text.split("```python\n")[1].split("\n```")[0], here)
    return here["logits_of"]


def kept(tmp_path, task, **recipe):
    """A trained bench and model, and the folder where it was saved."""
    recipe = Recipe(epochs=1, max_length=24, **recipe)
    bench = Bench(task, recipe)
    model = train(bench, recipe, Clean()).model
    folder = tmp_path / "out"
    folder.mkdir()
    return bench, model, folder, keep(bench, model, folder)


def paired(task):
    def put(rows):
        return Rows(rows.texts, [text.upper() for text in rows.texts[::-1]], rows.labels)

    return Task("pairs", task.kind, task.names, put(task.train), put(task.validation), put(task.test))


CASES = {
    "cls": (reviews_task(), ("Roberta", {})),
    "mean": (numbers_task(2), ("T5", {})),
    "max": (paired(reviews_task()), ("Bert", {"num_hidden_layers": 2})),
    "attention": (numbers_task(1), None),
    "last-layers": (paired(numbers_task(2)), ("Bert", {"num_hidden_layers": 5})),
}


@pytest.mark.parametrize("pooling", CASES)
def test_the_lines_of_the_readme_give_the_numbers_of_the_run(tmp_path, pooling):
    task, family = CASES[pooling]
    source = "tiny" if family is None else str(folder_of(tmp_path / "m", family[0], **family[1]))
    bench, model, folder, lines = kept(tmp_path, task, pooling=pooling, model=source)
    assert lines == []
    rows = task.validation
    found = code_of(folder)(folder, *[rows.texts] if rows.pairs is None else [rows.texts, rows.pairs]).numpy()
    expected = bench.predict(model, bench.validation)
    spread = 1.0 if task.kind == "classification" else task.train.labels.std(0)
    assert found.shape == expected.shape
    assert np.abs((found - expected) / spread).max() < 2e-5
    assert found.std(0).min() > 0
    text = (folder / "README.md").read_text()
    assert ", ".join(f"{number} {name}" for number, name in enumerate(task.names)) in text
    # Its one head is in its one file.
    assert load_file(folder / "head.safetensors").keys() == model.head.state_dict().keys()


def test_automodel_loads_the_trained_encoder_without_a_word(tmp_path, capfd):
    _, model, folder, _ = kept(tmp_path, reviews_task(), model=str(folder_of(tmp_path / "m")), pooling="mean")
    capfd.readouterr()
    plain = AutoModel.from_pretrained(folder)
    assert_same_state(dict(plain.named_parameters()), dict(model.encoder.named_parameters()))
    assert plain.config.id2label == {0: "negative", 1: "positive"}
    assert AutoTokenizer.from_pretrained(folder).model_max_length == 24
    assert capfd.readouterr().err == ""


def notes_of(bench, folder):
    return [line.removeprefix(f"model {folder}: ") for line in bench.notes]


@pytest.mark.parametrize("task", [reviews_task, numbers_task])
def test_a_saved_folder_gives_encoder_and_head_with_or_without_the_option(tmp_path, task):
    bench, model, folder, _ = kept(tmp_path, task(), model=str(folder_of(tmp_path / "m")), pooling="attention")
    expected = bench.predict(model, bench.validation)
    for options in ({}, {"pooling": "attention", "multi_sample": 2}):
        again = Bench(task(), Recipe(model=str(folder), max_length=24, **options))
        other = again.models.build(0)
        spread = 1.0 if bench.scale is None else bench.scale.std
        assert np.abs((again.predict(other, again.validation) - expected) / spread).max() < 1e-4
        units = ", its output standardised like the targets" if bench.scale is not None else ""
        said = f"the head in head.safetensors pools by attention and has 2 outputs, as the data needs, and is used{units}"
        assert notes_of(again, folder) == [said]
        assert other.head.samples == options.get("multi_sample", 1)


def test_another_head_takes_the_encoder_alone(tmp_path):
    _, model, folder, _ = kept(tmp_path, reviews_task(), model=str(folder_of(tmp_path / "m")), pooling="attention")
    other = Bench(reviews_task(), Recipe(model=str(folder), pooling="max", max_length=24))
    assert notes_of(other, folder) == ["the head in head.safetensors pools by attention, not by max: a new head is used"]
    assert_same_state(dict(other.models.build(0).encoder.named_parameters()), dict(model.encoder.named_parameters()))
    one = Bench(numbers_task(1), Recipe(model=str(folder), max_length=24))
    said = "the head in head.safetensors pools by attention and has 2 outputs, the data needs 1: a new head is used"
    assert notes_of(one, folder) == [said]
    assert one.models.build(0).head.output.out_features == 1


def test_classes_in_another_order_are_turned(tmp_path):
    bench, model, folder, _ = kept(tmp_path, reviews_task(), model=str(folder_of(tmp_path / "m")), pooling="mean")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"id2label": {"0": "positive", "1": "negative"}}))
    again = Bench(reviews_task(), Recipe(model=str(folder), max_length=24))
    assert "its classes in the order of the data" in again.notes[0]
    found = again.predict(again.models.build(0), again.validation)
    np.testing.assert_allclose(found[:, ::-1], bench.predict(model, bench.validation), atol=1e-5)


def test_the_fingerprint_follows_the_head(tmp_path):
    _, _, folder, _ = kept(tmp_path, reviews_task(), pooling="mean", model=str(folder_of(tmp_path / "m")))
    recipe = Recipe(model=str(folder))
    bench = Bench(reviews_task(), recipe)
    before = bench.models.fingerprint
    head = load_file(folder / "head.safetensors")
    save_file({name: value + 1 for name, value in head.items()}, folder / "head.safetensors", {"pooling": "mean"})
    assert Bench(reviews_task(), recipe).models.fingerprint != before
    with pytest.raises(UserError, match="its files have changed since this run began"):
        bench.models.build(1)


@pytest.mark.parametrize("damage", ["cut", "empty", "foreign", "text"])
def test_a_damaged_head_is_refused(tmp_path, damage):
    folder = folder_of(tmp_path / "m")
    head = folder / "head.safetensors"
    save_file({"output.bias": torch.zeros(2)}, head, {"pooling": "mean"})
    whole = head.read_bytes()
    match damage:
        case "cut":
            head.write_bytes(whole[:-3])
        case "empty":
            head.write_bytes(b"")
        case "foreign":
            save_file({"weight": torch.zeros(2)}, head)
        case "text":
            head.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(UserError) as caught:
        Bench(reviews_task(), Recipe(model=str(folder)))
    assert str(caught.value).startswith(f"model='{folder}': head.safetensors ")


def test_saved_lines_that_predict_something_else_are_told(tmp_path):
    bench, model, folder, _ = kept(tmp_path, reviews_task(), model=str(folder_of(tmp_path / "m")), pooling="mean")
    head = load_file(folder / "head.safetensors")
    save_file(head | {"output.bias": head["output.bias"] + 1}, folder / "head.safetensors", {"pooling": "mean"})
    assert "does NOT predict the same" in difference(bench, model, folder, standardised=False)
    (folder / "head.safetensors").unlink()
    assert "plain transformers cannot use the saved model" in difference(bench, model, folder, standardised=False)


@pytest.mark.parametrize("task", [labels_task, steps_task])
def test_labels_and_classes_with_an_order_are_pooled_and_saved(tmp_path, task):
    bench, model, folder, lines = kept(tmp_path, task(), model=str(folder_of(tmp_path / "m")), pooling="max")
    assert lines == []
    found = code_of(folder)(folder, bench.task.validation.texts).numpy()
    with torch.no_grad():
        batch = bench.validation.batch(np.arange(len(bench.validation)), bench.device)
        expected = model(**{name: value for name, value in batch.items() if name != "labels"}).logits.numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    again = Bench(task(), Recipe(model=str(folder), max_length=24))
    assert "pools by max and has" in again.notes[0]


def test_the_head_of_an_earlier_model_in_the_folder_goes(tmp_path):
    bench, _, folder, _ = kept(tmp_path, reviews_task(), model=str(folder_of(tmp_path / "m")), pooling="max")
    stock = Bench(reviews_task(), Recipe(model=bench.models.source, max_length=24))
    whole = tmp_path / "whole"
    whole.mkdir()
    (folder / "own.txt").write_text("mine")
    keep(stock, stock.models.build(0), whole)
    put(whole, folder)
    assert not {"head.safetensors", "README.md"} & {path.name for path in folder.iterdir()}
    assert (folder / "own.txt").exists()
    loaded = Bench(reviews_task(), Recipe(model=str(folder), max_length=24)).models.build(0)
    assert isinstance(loaded, BertForSequenceClassification)
    (folder / "head.safetensors").write_bytes(b"")
    (folder / "README.md").write_text("mine")
    keep(stock, stock.models.build(0), folder)
    assert not (folder / "head.safetensors").exists()
    keep(stock, stock.models.build(0), whole)
    put(whole, folder)
    assert (folder / "README.md").read_text() == "mine"


def test_labels_of_tokens_take_the_encoder_alone(tmp_path):
    _, model, folder, _ = kept(tmp_path, reviews_task(), model=str(folder_of(tmp_path / "m")), pooling="mean")
    bench = Bench(tokens_task(), Recipe(model=str(folder), max_length=24))
    assert "the head in head.safetensors is for whole texts: a new head is used" in notes_of(bench, folder)
    expected = {name: value for name, value in model.encoder.named_parameters() if "pooler" not in name}
    assert_same_state(dict(bench.models.build(0).bert.named_parameters()), expected)
    with pytest.raises(UserError, match=r"^pooling='max': it makes one vector of each text, and the labels here are of"):
        Bench(tokens_task(), Recipe(model=str(folder), pooling="max"))
