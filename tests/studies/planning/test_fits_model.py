"""Heads and layers in a search: their ranges, trial 0, what would do nothing, what the model does not have."""

import pytest
from helpers.plans import plan_of
from helpers.saved_families import folder_of
from helpers.small_tasks import reviews_task
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from finetune.arguments import as_options
from finetune.config import Recipe
from finetune.errors import UserError
from finetune.training.bench import Bench
from finetune.training.loop import Training
from studies.planning.fits_model import refuse_beyond
from studies.planning.idle import refuse_idle
from studies.planning.tuned import refuse_unfit

HEAD = ("pooling", "head_dropout", "multi_sample", "freeze_layers", "reinit_layers")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = folder_of(tmp_path_factory.mktemp("fits") / "m", num_hidden_layers=6)
    return Bench(reviews_task(), Recipe(model=str(folder)))


def test_what_is_tuned_is_searched_built_and_trained(bench):
    made = plan_of("fgm", tune=HEAD, model=bench.models.source, epochs=1)
    assert made.space["pooling"] == CategoricalDistribution(("stock", "cls", "mean", "max", "attention", "last-layers"))
    assert made.space["head_dropout"] == FloatDistribution(0.0, 0.5)
    first = {"pooling": "stock", "head_dropout": 0.1, "multi_sample": 1, "freeze_layers": 0, "reinit_layers": 0}
    assert {name: made.defaults()[name] for name in HEAD} == first
    said = bench.notes
    refuse_unfit([made], bench)
    assert bench.notes == said
    tuned = {"pooling": "max", "head_dropout": 0.3, "multi_sample": 4, "freeze_layers": 4, "reinit_layers": 2}
    method, recipe = made.build({"epsilon": 0.5, "start_epoch": 0} | tuned)
    assert {name: getattr(recipe, name) for name in HEAD} == tuned
    model = Training(bench, recipe, method).model
    assert (model.head.pooling, model.head.dropout.p, model.head.samples) == ("max", 0.3, 4)
    assert sum(value.requires_grad for value in model.encoder.encoder.layer.parameters()) == 2 * 16
    assert not hasattr(Training(bench, made.build(made.defaults())[1], method).model, "head")


def test_the_recipes_own_values_begin_the_search():
    made = plan_of("fgm", tune=HEAD, pooling="mean", head_dropout=0.2, multi_sample=2, freeze_layers=1, reinit_layers=1)
    assert {name: made.defaults()[name] for name in HEAD} == {
        "pooling": "mean", "head_dropout": 0.2, "multi_sample": 2, "freeze_layers": 1, "reinit_layers": 1,
    }  # fmt: skip


def test_a_range_can_be_given():
    made = plan_of("fgm", tune=HEAD, ranges=["head_dropout=0.1:0.3", "freeze_layers=1:3", "multi_sample=2:5"])
    assert made.space["head_dropout"] == FloatDistribution(0.1, 0.3)
    assert made.space["freeze_layers"] == IntDistribution(1, 3)
    assert made.space["multi_sample"] == IntDistribution(2, 5)


BEYOND = [
    (["freeze_layers"], ["freeze_layers=0:7"], {}, "freeze_layers ends at 7, and the model has 6 layers: give --range "
     "freeze_layers=0:6"),
    (["reinit_layers"], ["reinit_layers=3:12"], {}, "reinit_layers ends at 12, and the model has 6 layers"),
    (["freeze_layers", "reinit_layers"], ["reinit_layers=0:3"], {}, "freeze_layers up to 4 and reinit_layers up to 3 "
     "overlap in a model of 6 layers, and what starts anew must train: narrow a range, such as --range "
     "freeze_layers=0:3 --range reinit_layers=0:3"),
    (["freeze_layers"], [], {"reinit_layers": 3}, "such as --range freeze_layers=0:3"),
    (["reinit_layers"], ["reinit_layers=1:2"], {"freeze_layers": 5}, "freeze_layers up to 5 and reinit_layers up to 2"),
]  # fmt: skip


@pytest.mark.parametrize(("tune", "ranges", "recipe", "words"), BEYOND)
def test_ranges_beyond_the_models_layers_are_refused(bench, tune, ranges, recipe, words):
    made = plan_of("fgm", tune=tune, ranges=ranges, **recipe)
    with pytest.raises(UserError) as caught:
        refuse_beyond(made, bench)
    assert words in as_options(caught.value.text)


@pytest.mark.parametrize(
    ("tune", "ranges"), [(["freeze_layers", "reinit_layers"], []), (["freeze_layers"], ["freeze_layers=5:6"])]
)
def test_ranges_that_the_model_has_are_taken(bench, tune, ranges):
    refuse_beyond(plan_of("fgm", tune=tune, ranges=ranges), bench)


def test_the_built_in_model_has_one_layer():
    small = Bench(reviews_task(), Recipe())
    with pytest.raises(UserError, match="ends at 4, and the model has 1 layer: give"):
        refuse_beyond(plan_of("fgm", tune=["freeze_layers"]), small)
    both = plan_of("fgm", tune=["freeze_layers", "reinit_layers"], ranges=["freeze_layers=0:1", "reinit_layers=0:1"])
    with pytest.raises(UserError, match="in a model of 1 layer, and what starts anew must train: leave one out of tune"):
        refuse_beyond(both, small)
    refuse_beyond(plan_of("fgm", tune=["freeze_layers"], ranges=["freeze_layers=0:1"]), small)


@pytest.mark.parametrize(
    ("tune", "words"),
    [("pooling", "pooling='cls': in GPT2Model the first token does not see"), ("head_dropout", "has no dropout after its")],
)
def test_heads_that_the_model_cannot_have_are_refused(tmp_path, tune, words):
    bench = Bench(reviews_task(), Recipe(model=str(folder_of(tmp_path / "m", "GPT2"))))
    with pytest.raises(UserError, match=words):
        refuse_beyond(plan_of("fgm", tune=[tune], model=bench.models.source), bench)


IDLE = [
    ({"multi_sample": 4}, (), "--multi-sample only has an effect with --pooling cls, mean, max, attention or last-layers: "
     "--pooling is stock"),
    ({}, ("multi_sample",), "--tune multi_sample needs --pooling cls, mean, max, attention or last-layers, or pooling"),
    ({"pooling": "mean", "multi_sample": 4, "head_dropout": 0.0}, (), "--multi-sample 4 does nothing with --head-dropout 0"),
    ({"pooling": "mean", "head_dropout": 0.0}, ("multi_sample",), "--tune multi_sample does nothing with --head-dropout 0"),
    ({"freeze_embeddings": True, "freeze_layers": 2}, (), "--freeze-embeddings does nothing beside --freeze-layers 2"),
]  # fmt: skip


@pytest.mark.parametrize(("recipe", "tune", "words"), IDLE)
def test_what_would_do_nothing_is_refused(recipe, tune, words):
    with pytest.raises(UserError) as caught:
        refuse_idle(Recipe(**recipe), tune)
    assert words in as_options(caught.value.text)


@pytest.mark.parametrize(
    ("recipe", "tune"),
    [
        ({"multi_sample": 1}, ()),
        ({"pooling": "cls", "multi_sample": 3}, ()),
        ({"pooling": "cls", "multi_sample": 3, "head_dropout": 0.0}, ("head_dropout",)),
        ({"multi_sample": 3}, ("pooling",)),
        ({"freeze_embeddings": True}, ("freeze_layers",)),
    ],
)
def test_what_may_do_something_is_taken(recipe, tune):
    refuse_idle(Recipe(**recipe), tune)
