"""Weights: what a folder's files fill, and what they do not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.saved_families import FAMILIES, SAFE, built, configure, edit, folder_of
from helpers.small_tasks import assert_same_state, numbers_task, reviews_task
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForSequenceClassification, BertForSequenceClassification, BertModel

from finetune.config import Recipe
from finetune.errors import UserError
from finetune.models.pretrained import Models
from finetune.training.bench import Bench


@pytest.mark.parametrize("head", ["Model", "ForMaskedLM", "ForSequenceClassification"])
@pytest.mark.parametrize(
    "gone",
    [
        "embeddings.word_embeddings.weight",
        "embeddings.position_embeddings.weight",
        "embeddings.token_type_embeddings.weight",
        "encoder.layer.1.attention.self.query.bias",
        "encoder.layer.0.output.LayerNorm.weight",
        "encoder.layer.1.",
    ],
)
def test_an_encoder_weight_that_is_missing_is_named(tmp_path, head, gone):
    folder = edit(
        folder_of(tmp_path / "m", head=head, num_hidden_layers=2),
        lambda tensors: {name: value for name, value in tensors.items() if gone not in name},
    )
    with pytest.raises(UserError) as caught:
        built(folder)
    said = str(caught.value)
    assert f"model='{folder}': " in said
    assert "of the encoder's" in said
    assert gone in said
    number = 16 if gone.endswith("1.") else 1
    assert f": {number} of the encoder's" in said
    assert f"weights {'is' if number == 1 else 'are'} missing in model.safetensors: " in said


@pytest.mark.parametrize("family", FAMILIES)
def test_a_whole_encoder_of_any_family_is_read_and_one_without_words_is_refused(tmp_path, family):
    folder = folder_of(tmp_path / "m", family)
    model, lines = built(folder)
    assert lines == []
    saved = AutoModel.from_pretrained(folder)
    base = getattr(model, model.base_model_prefix)
    read = dict(base.named_parameters())
    assert_same_state(read, {name: value for name, value in saved.named_parameters() if name in read})
    table = base.get_input_embeddings().weight
    tensors = load_file(folder / SAFE)
    same = [name for name, value in tensors.items() if value.shape == table.shape and torch.equal(value, table)]
    save_file({name: value for name, value in tensors.items() if name not in same}, folder / SAFE, {"format": "pt"})
    with pytest.raises(UserError, match=r"weights (is|are) missing in"):
        built(folder)


def test_a_pooler_that_is_missing_is_said_and_drawn_from_the_seed(tmp_path):
    folder = folder_of(tmp_path / "m", head="ForMaskedLM")
    model, lines = built(folder)
    assert lines == ["model.safetensors has no pooler: a random one is used, as for a new head"]
    assert torch.equal(built(folder)[0].bert.pooler.dense.weight, model.bert.pooler.dense.weight)


def test_heads_and_buffers_of_pretraining_are_no_loss(tmp_path):
    folder = folder_of(tmp_path / "m", head="ForPreTraining")
    edit(folder, lambda tensors: tensors | {"bert.embeddings.position_ids": torch.arange(512)[None]})
    assert built(folder)[1] == []


def test_tables_that_older_versions_saved_are_no_loss(tmp_path):
    tables = {"h.0.attn.bias": torch.ones(4, 4), "h.0.attn.masked_bias": torch.tensor(-1e4)}
    folder = edit(folder_of(tmp_path / "m", "GPT2"), lambda tensors: tensors | tables)
    assert built(folder)[1] == []


def test_weights_under_old_names_are_found(tmp_path):
    folder = edit(
        folder_of(tmp_path / "m", head="ForPreTraining"),
        lambda tensors: {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
            for name, value in tensors.items()
        },
    )
    assert built(folder)[1] == []


@pytest.mark.parametrize("head", ["Model", "ForMaskedLM"])
def test_layers_that_the_configuration_leaves_out_are_named(tmp_path, head):
    folder = folder_of(tmp_path / "m", head=head, num_hidden_layers=3)
    configure(folder, num_hidden_layers=2)
    said = "; ".join(built(folder)[1])
    assert "16 weights of model.safetensors have no place in the model of config.json" in said
    assert "encoder.layer.2." in said


def test_a_layer_that_the_configuration_adds_is_refused(tmp_path):
    folder = folder_of(tmp_path / "m", num_hidden_layers=2)
    configure(folder, num_hidden_layers=3)
    with pytest.raises(
        UserError, match=r"16 of the encoder's \d+ weights are missing in model.safetensors: bert.encoder.layer.2"
    ):
        built(folder)


@pytest.mark.parametrize(("there", "here"), [("Bert", "roberta"), ("Bert", "distilbert"), ("Electra", "bert")])
def test_a_checkpoint_of_another_architecture_is_refused(tmp_path, there, here):
    folder = folder_of(tmp_path / "m", there, "ForMaskedLM")
    configure(folder, model_type=here, dim=16, n_heads=2, hidden_dim=16, n_layers=1)
    with pytest.raises(UserError, match=r"weights (are missing|have another size)"):
        built(folder)


def test_heads_are_told_apart(tmp_path):
    folder = folder_of(tmp_path / "m", head="ForSequenceClassification")
    saved = load_file(folder / SAFE)["classifier.weight"]
    taken = "the head in model.safetensors has 2 outputs, as the data needs, and is used"
    model, lines = built(folder)  # LABEL_0 and LABEL_1
    assert lines == [taken]
    assert torch.equal(model.classifier.weight, saved)
    configure(folder, id2label={0: "negative", 1: "positive"})
    assert built(folder)[1] == [taken]
    model, lines = built(folder, numbers_task(1))
    assert lines == ["the head in model.safetensors has 2 outputs, the data needs 1: a new head is used"]
    assert model.classifier.weight.shape == (1, 16)


def test_a_head_with_the_classes_in_another_order_is_turned(tmp_path):
    classes = ("c", "a", "d", "b")
    folder = folder_of(tmp_path / "m", head="ForSequenceClassification", id2label=dict(enumerate(classes)))
    task = replace(reviews_task(), names=("a", "b", "c", "d"))
    model, lines = built(folder, task)
    assert lines[0].endswith("is used, its classes in the order of the data")
    saved = load_file(folder / SAFE)
    for i, name in enumerate(task.names):
        assert torch.equal(model.classifier.weight[i], saved["classifier.weight"][classes.index(name)])
        assert torch.equal(model.classifier.bias[i], saved["classifier.bias"][classes.index(name)])
    assert model.config.id2label == {0: "a", 1: "b", 2: "c", 3: "d"}


@pytest.mark.parametrize("family", ["Bert", "GPT2"])
def test_a_head_in_units_of_the_targets_is_standardised_as_they_are(tmp_path, family):
    folder = folder_of(tmp_path / "m", family, "ForSequenceClassification", num_labels=2, pad_token_id=0)
    task = numbers_task(2)
    bench = Bench(task, Recipe(model=str(folder)))
    saved = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        expected = saved(**bench.models.tokenizer(task.validation.texts, padding=True, return_tensors="pt")).logits
    for _ in range(2):
        found = bench.predict(bench.models.build(0), bench.validation)
        np.testing.assert_allclose(found, expected, atol=1e-2)
    assert bench.notes[0].endswith("is used, its output standardised like the targets")


def test_files_that_are_not_there_are_named(tmp_path):
    folder = folder_of(tmp_path / "m")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    whole = (folder / SAFE).read_bytes()
    (folder / SAFE).write_bytes(pointer)
    with pytest.raises(UserError, match=r"model\.safetensors is only a pointer of Git LFS"):
        built(folder)
    (folder / SAFE).rename(folder / "adapter.safetensors")
    with pytest.raises(UserError, match=r"no \*\.safetensors or \*\.bin weights.*it holds adapter\.safetensors"):
        built(folder)
    (folder / "model.safetensors.index.json").write_text("{")
    with pytest.raises(UserError, match=r"model\.safetensors\.index\.json cannot be read"):
        built(folder)
    (folder / SAFE).write_bytes(whole)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="is an adapter; merge it"):
        built(folder)


def test_a_shard_that_is_missing_is_named(tmp_path):
    folder = folder_of(tmp_path / "m")
    BertModel.from_pretrained(folder).save_pretrained(folder, max_shard_size="5KB")
    (folder / SAFE).unlink()
    built(folder)
    first = sorted(folder.glob("model-*.safetensors"))[0]
    first.unlink()
    with pytest.raises(UserError, match=f"{first.name} is missing, one of the"):
        built(folder)


def test_the_model_that_was_looked_at_is_the_one_that_is_trained(tmp_path):
    models = Models(Recipe(model=str(folder_of(tmp_path / "m"))), reviews_task())
    plain = models.build(3)
    state = torch.get_rng_state()
    looked = models.look_at(3)
    torch.manual_seed(99)
    again = models.build(3)
    assert again is looked
    assert torch.equal(torch.get_rng_state(), state)
    assert_same_state(again.state_dict(), plain.state_dict())
    assert models.build(3) is not looked
    models.look_at(3)
    assert isinstance(models.build(4), BertForSequenceClassification)
    assert_same_state(models.build(3).state_dict(), plain.state_dict())


@pytest.mark.parametrize("prefix", ["module.", "model.bert.", "encoder_q."])
def test_weights_under_foreign_names_are_shown(tmp_path, prefix):
    folder = folder_of(tmp_path / "m")
    edit(folder, lambda tensors: {prefix + name: value for name, value in tensors.items()})
    with pytest.raises(UserError, match=f"weights are missing .* it has {prefix}embeddings"):
        built(folder)


@pytest.mark.parametrize(("content", "said"), [("{}", "has no 'metadata'"), ('{"metadata": {}}', "has no 'weight_map'")])
def test_an_index_that_lacks_something_is_named(tmp_path, content, said):
    folder = folder_of(tmp_path / "m")
    (folder / SAFE).unlink()
    (folder / f"{SAFE}.index.json").write_text(content)
    with pytest.raises(UserError, match=said):
        built(folder)


def test_half_precision_on_disk_is_trained_in_full(tmp_path):
    folder = edit(folder_of(tmp_path / "m"), lambda tensors: {name: value.half() for name, value in tensors.items()})
    configure(folder, dtype="float16")
    assert {value.dtype for value in built(folder)[0].parameters()} == {torch.float32}
