"""Models with pooling heads from a folder and the built-in one: what is drawn, told and refused."""

import pytest
import torch
from helpers.saved_families import FAMILIES, edit, folder_of, words
from helpers.small_tasks import assert_same_state, numbers_task, reviews_task, state_of, train
from tokenizers.processors import TemplateProcessing
from torch import nn

from adv import FGM
from finetune.config import Recipe
from finetune.errors import UserError
from finetune.models.pooling import Pooled
from finetune.models.pretrained import Models
from finetune.training.bench import Bench


def built(source, pooling="mean", task=None, seed=0, **options):
    made = Models(Recipe(model=str(source), pooling=pooling, **options), task or reviews_task())
    model = made.build(seed)
    return model, [line.removeprefix(f"model {source}: ") for line in made.notes]


@pytest.mark.parametrize("pooling", ["attention", "last-layers"])
def test_the_head_depends_on_the_seed_alone_and_the_encoder_is_that_of_the_stock_model(tmp_path, pooling):
    folder = folder_of(tmp_path / "m", num_hidden_layers=2, initializer_range=0.3)
    for source in (folder, "tiny"):
        one, other = built(source, pooling)[0], built(source, pooling, seed=1)[0]
        torch.manual_seed(99)
        again = built(source, pooling, freeze_embeddings=True, head_dropout=0.3)[0]
        assert_same_state(one.state_dict(), again.state_dict())
        assert not torch.equal(one.head.output.weight, other.head.output.weight)
        stock = built(source, "stock")[0]
        assert_same_state(dict(one.encoder.named_parameters()), dict(stock.base_model.named_parameters()))
        assert (one.head.dropout.p, again.head.dropout.p) == (0.1, 0.3)
        assert not one.head.output.bias.any()
        # As transformers' models: else dropout would act when it is tried how texts can be padded.
        assert {module.training for module in one.modules()} == {source == "tiny"}
    big = built(folder_of(tmp_path / "big", initializer_range=0.3))[0]
    assert 0.2 < big.head.output.weight.std() < 0.4


def test_a_pooler_that_is_not_used_stays_frozen_whatever_else_does(tmp_path):
    folder = folder_of(tmp_path / "m", num_hidden_layers=2)
    for options in ({}, {"freeze_embeddings": True}, {"freeze_layers": 1, "reinit_layers": 1}):
        model, _ = built(folder, **options)
        assert not any(value.requires_grad for value in model.encoder.pooler.parameters())
        assert all(value.requires_grad for value in model.encoder.encoder.layer[1].parameters())


def test_the_last_four_layers_start_with_equal_weights_and_fewer_are_told(tmp_path):
    model, lines = built(folder_of(tmp_path / "m", num_hidden_layers=3), "last-layers")
    assert lines == ["it has 3 layers, and so many are pooled, not 4"]
    assert torch.equal(model.head.layers, torch.zeros(3))
    assert built(folder_of(tmp_path / "five", num_hidden_layers=5), "last-layers")[1] == []
    assert "it has 1 layer, and so many are pooled, not 4" in built("tiny", "last-layers")[1]


@pytest.mark.parametrize("family", [name for name in FAMILIES if "Bart" not in name])
def test_every_family_can_be_pooled_and_trains_all_that_it_uses(tmp_path, family):
    folder = folder_of(tmp_path / "m", family)
    for pooling in ("mean", "last-layers"):
        model, _ = built(folder, pooling)
        made = Models(Recipe(model=str(folder)), reviews_task())
        batch = dict(made.tokenizer(["good film", "a very bad film"], padding=True, return_tensors="pt"))
        if family == "DistilBert":
            batch.pop("token_type_ids", None)
        model.train()(**batch, labels=torch.tensor([0, 1])).loss.backward()
        unused = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
        # XLNet's are for pretraining, and for token types.
        assert [name for name in unused if not name.endswith(("mask_emb", "seg_embed", "r_s_bias"))] == []


@pytest.mark.parametrize("family", ["GPT2", "OPT", "Llama"])
def test_the_first_token_of_a_model_that_generates_text_is_refused(tmp_path, family):
    folder = folder_of(tmp_path / "m", family)
    with pytest.raises(UserError, match=r"^pooling='cls': in \w+Model the first token does not see the others; mean or"):
        built(folder, "cls")
    assert isinstance(built(folder, "max")[0], Pooled)


def test_texts_that_begin_with_a_word_are_told(tmp_path):
    tokenizer = words()
    assert built(folder_of(tmp_path / "m", tokenizer=tokenizer), "cls")[1] == []
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A [SEP]", special_tokens=[("[SEP]", 3)])
    folder = folder_of(tmp_path / "bare", tokenizer=tokenizer)
    said = "its texts do not begin with a token of their own, such as [CLS]: cls pools their first word"
    assert built(folder, "cls")[1] == [said]
    assert built(folder, "mean")[1] == []


@pytest.mark.parametrize("family", ["Bart", "MBart"])
def test_an_encoder_that_comes_with_its_decoder_is_refused(tmp_path, family):
    with pytest.raises(UserError, match=r"^pooling='mean': transformers does not load the encoder of m?bart without its"):
        built(folder_of(tmp_path / "m", family))


def test_a_head_for_whole_texts_in_the_folder_is_left_out_and_missing_weights_are_refused(tmp_path):
    folder = folder_of(tmp_path / "m", "Bert", "ForSequenceClassification", num_hidden_layers=2)
    model, lines = built(folder)
    assert isinstance(model, Pooled)
    assert lines == []
    edit(folder, lambda tensors: {name: value for name, value in tensors.items() if "layer.1.output" not in name})
    with pytest.raises(UserError, match=r"4 of the encoder's \d+ weights are missing in model.safetensors: encoder.layer.1"):
        built(folder)


def test_a_pooled_model_trains_and_a_trial_has_the_head_of_its_own_recipe():
    recipe = Recipe(epochs=3, batch_size=8, pooling="attention", multi_sample=2)
    bench = Bench(reviews_task(), recipe)
    training = train(bench, recipe, FGM())
    assert training.history[-1].loss < training.history[0].loss
    assert training.model.head.samples == 2
    other = train(bench, recipe.model_copy(update={"pooling": "max", "epochs": 1, "multi_sample": 1}), FGM())
    assert (other.model.head.pooling, other.model.head.samples) == ("max", 1)
    stock = recipe.model_copy(update={"pooling": "stock", "epochs": 1, "multi_sample": 1})
    alone = Bench(reviews_task(), stock)
    assert_same_state(state_of(train(bench, stock, FGM())), state_of(train(alone, stock, FGM())))


def test_the_robust_view_attacks_a_pooled_model():
    recipe = Recipe(epochs=1, pooling="max")
    bench = Bench(reviews_task(), recipe, ("robust",))
    scores = train(bench, recipe, FGM()).history[-1].metrics
    assert scores["robust_log_loss"] > scores["log_loss"]


def test_numbers_are_pooled_too():
    recipe = Recipe(epochs=1, pooling="mean")
    training = train(Bench(numbers_task(), recipe), recipe, FGM())
    assert training.model.head.output.weight.shape[0] == 2
    assert isinstance(training.model.get_input_embeddings(), nn.Embedding)
