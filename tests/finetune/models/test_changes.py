"""What a recipe changes in a model: dropout of its head, layers that start anew, weights that stay as they are."""

import pytest
import torch
from helpers.saved_families import built, edit, folder_of
from helpers.small_tasks import assert_same_state, reviews_task, train
from torch import nn

from adv import AWP, FGM
from finetune.config import Recipe
from finetune.errors import UserError
from finetune.models.pretrained import Models
from finetune.training.bench import Bench

LAYERS = {"num_hidden_layers": 3}


def made(folder, seed=0, **recipe):
    """A model of a folder, and what was said of it, without the folder's name."""
    models = Models(Recipe(model=str(folder), **recipe), reviews_task())
    model = models.build(seed)
    return model, [line.removeprefix(f"model {folder}: ") for line in models.notes]


def state(model):
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def changed(one, other):
    """The names of weights that differ."""
    assert one.keys() == other.keys()
    return {name for name, value in one.items() if not torch.equal(value, other[name])}


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """Three layers whose weights are nothing like initial ones."""
    folder = folder_of(tmp_path_factory.mktemp("changes") / "m", initializer_range=0.5, hidden_size=32, **LAYERS)
    return edit(folder, lambda tensors: {name: value + 0.3 for name, value in tensors.items()})


FROZEN = {
    "embeddings": ({"freeze_embeddings": True}, ("bert.embeddings.",), "its embeddings stay as they are; "),
    "one layer": (
        {"freeze_layers": 1},
        ("bert.embeddings.", "bert.encoder.layer.0."),
        "its embeddings and the first of 3 layers stay as they are; ",
    ),
    "all layers": (
        {"freeze_layers": 3},
        ("bert.embeddings.", "bert.encoder."),
        "its embeddings and all 3 layers stay as they are; ",
    ),
}


@pytest.mark.parametrize("case", FROZEN)
def test_what_is_frozen_stays_through_training_and_the_rest_trains(bert, case):
    options, frozen, said = FROZEN[case]
    recipe = Recipe(model=str(bert), epochs=1, average="ema", learning_rate=1e-3, **options)
    bench = Bench(reviews_task(), recipe)
    [line] = [line.split(": ", 1)[1] for line in bench.notes]
    whole = sum(value.numel() for value in bench.models.build(0).parameters())
    trained = sum(value.numel() for name, value in state(bench.models.build(0)).items() if not name.startswith(frozen))
    assert line == f"{said}{trained:,} of {whole:,} weights train"
    before = state(bench.models.build(0))
    training = train(bench, recipe, AWP(adv_lr=0.1) if case == "one layer" else FGM())
    expected = {name for name in before if not name.startswith(frozen)}
    assert changed(before, state(training.model)) == expected
    with training.average.swapped():
        assert changed(before, state(training.model)) == expected


def test_layers_start_anew_from_the_models_own_distribution_and_all_else_stays(bert):
    plain, several = state(made(bert)[0]), made(bert, reinit_layers=2)
    again = state(several[0])
    above = ("bert.encoder.layer.1.", "bert.encoder.layer.2.", "bert.pooler.")
    assert changed(plain, again) == {name for name in plain if name.startswith(above)}
    assert several[1] == ["the last 2 of 3 layers start anew"]
    for name in changed(plain, again):
        value = again[name]
        if "LayerNorm.weight" in name:
            assert torch.equal(value, torch.ones_like(value))
        elif name.endswith("bias"):
            assert not value.any()
        else:
            assert abs(value.mean()) < 0.1
            assert 0.4 < value.std() < 0.6  # initializer_range
    assert_same_state(state(made(bert, reinit_layers=2)[0]), again)
    other = state(made(bert, seed=1, reinit_layers=2)[0])
    assert "bert.encoder.layer.1.output.dense.weight" in changed(other, again)
    # A layer is the same however many are drawn after it, and whatever head there is.
    pooled = state(made(bert, reinit_layers=2, pooling="mean")[0].encoder)
    assert_same_state(
        pooled, {name.removeprefix("bert."): value for name, value in again.items() if "classifier" not in name}
    )


def test_what_follows_the_last_layer_starts_anew_with_it(tmp_path):
    folder = folder_of(tmp_path / "m", "ModernBert", hidden_size=64, intermediate_size=64, **LAYERS)
    edit(folder, lambda tensors: {name: value + 0.3 for name, value in tensors.items()})
    plain, (model, lines) = state(made(folder)[0]), made(folder, reinit_layers=1)
    assert changed(plain, state(model)) == {
        name for name in plain if name.startswith(("model.layers.2.", "model.final_norm"))
    }
    assert lines == ["the last of 3 layers starts anew"]
    last = model.model.layers[2]
    # As its authors draw them: narrower where a layer's output is added (0.02 / sqrt(2 * 3 layers)).
    assert 0.017 < last.attn.Wqkv.weight.std() < 0.022
    assert 0.007 < last.attn.Wo.weight.std() < 0.009
    assert 0.007 < last.mlp.Wo.weight.std() < 0.009


FAMILIES = [
    "Roberta",
    "DebertaV2",
    "DistilBert",
    "Electra",
    "XLNet",
    "Albert",
    "MPNet",
    "GPT2",
    "OPT",
    "T5",
    "Llama",
    "Bart",
]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_a_layer_that_stays_and_one_that_starts_anew(tmp_path, family):
    folder = folder_of(tmp_path / "m", family)
    stayed, lines = made(folder, freeze_layers=1)
    assert "stay as they are; " in lines[-1]
    assert not stayed.get_input_embeddings().weight.requires_grad
    assert any(value.requires_grad for value in stayed.parameters())
    plain, anew = state(made(folder)[0]), state(made(folder, reinit_layers=1)[0])
    assert changed(plain, anew)
    assert not any("embed" in name and "layer" not in name for name in changed(plain, anew))
    assert all(torch.isfinite(value).all() for value in anew.values())


def test_the_built_in_model_is_changed_too():
    task = reviews_task()
    plain = Models(Recipe(), task).build(0)
    stayed = Models(Recipe(freeze_embeddings=True, head_dropout=0.4), task).build(0)
    assert_same_state(state(plain), state(stayed))
    assert [name for name, value in stayed.named_parameters() if not value.requires_grad] == [
        "model.embeddings.tok_embeddings.weight",
        "model.embeddings.norm.weight",
    ]
    assert stayed.drop.p == 0.4
    assert changed(state(plain), state(Models(Recipe(reinit_layers=1), task).build(0)))


@pytest.mark.parametrize("name", ["freeze_layers", "reinit_layers"])
@pytest.mark.parametrize("pooling", ["stock", "max"])
def test_more_layers_than_there_are_is_refused_before_training(bert, name, pooling):
    with pytest.raises(UserError, match=rf"^{name}=4: the model has 3 layers$"):
        Bench(reviews_task(), Recipe(model=str(bert), pooling=pooling, **{name: 4}))
    with pytest.raises(UserError, match=rf"^{name}=2: the model has 1 layer$"):
        Bench(reviews_task(), Recipe(**{name: 2}))


def test_a_layer_cannot_start_anew_and_stay(bert):
    with pytest.raises(UserError, match=r"^freeze_layers=2 and reinit_layers=2 overlap: the model has 3 layers, and"):
        made(bert, freeze_layers=2, reinit_layers=2)
    model, lines = made(bert, freeze_layers=2, reinit_layers=1)
    assert len(lines) == 2
    assert all(value.requires_grad for name, value in model.named_parameters() if "layer.2" in name)


def outer_dropouts(model):
    inner = set(model.base_model.modules())
    return [module.p for module in model.modules() if isinstance(module, nn.Dropout) and module not in inner]


@pytest.mark.parametrize("family", ["Bert", "DebertaV2", "DistilBert", "T5"])
def test_every_dropout_after_the_encoder_has_the_given_share(tmp_path, family):
    folder = folder_of(tmp_path / "m", family)
    plain, (model, lines) = built(folder)[0], made(folder, head_dropout=0.35)
    assert set(outer_dropouts(model)) == {0.35} != set(outer_dropouts(plain))
    inner = [[m.p for m in one.base_model.modules() if isinstance(m, nn.Dropout)] for one in (plain, model)]
    assert inner[0] == inner[1]
    assert lines == []
    assert_same_state(state(plain), state(model))


@pytest.mark.parametrize("family", ["GPT2", "OPT", "Llama"])
def test_a_head_without_dropout_is_refused(tmp_path, family):
    folder = folder_of(tmp_path / "m", family)
    with pytest.raises(UserError, match=rf"^head_dropout=0.2: {family}ForSequenceClassification has no dropout after its"):
        made(folder, head_dropout=0.2)
    assert made(folder, head_dropout=0.2, pooling="mean")[0].head.dropout.p == 0.2


def test_a_changed_model_leaves_the_generator_where_the_plain_one_does(bert):
    """So that nothing that is drawn afterwards depends on the option."""
    for options in ({}, {"reinit_layers": 2}, {"freeze_layers": 1}, {"head_dropout": 0.2}):
        made(bert, **options)
        state_ = torch.get_rng_state()
        if not options:
            expected = state_
        assert torch.equal(state_, expected)


def test_a_pooler_that_the_head_does_not_use_stays_as_it_is_beside_frozen_layers(bert):
    model = made(bert, pooling="mean", freeze_layers=1)[0]
    frozen = {name.split(".")[1] for name, value in model.named_parameters() if not value.requires_grad}
    assert frozen == {"embeddings", "encoder", "pooler"}
