"""Recipe parameters that are searched: ranges around the recipe, trial 0, what would do nothing, what does not fit."""

import pytest
from helpers.plans import plan_of
from helpers.small_tasks import reviews_task, shares_task
from optuna.distributions import CategoricalDistribution, FloatDistribution
from torch import nn

from finetune.config import Recipe
from finetune.errors import UserError
from finetune.training.bench import Bench
from spaces import RECIPE
from studies.planning.idle import refuse_idle
from studies.planning.tuned import range_of, refuse_unfit

OF_THE_OPTIMISER = ("layer_decay", "head_learning_rate", "schedule", "label_smoothing", "class_weights")


def test_what_is_tuned_is_searched_and_built() -> None:
    made = plan_of("fgm", tune=[*OF_THE_OPTIMISER, "loss", "focal_gamma"], loss="cross_entropy")
    assert made.space["loss"] == CategoricalDistribution(("cross_entropy", "focal"))
    assert made.space["head_learning_rate"] == FloatDistribution(4e-3 * 0.3, 4e-3 * 30, log=True)
    first = made.defaults()
    assert {name: first[name] for name in (*OF_THE_OPTIMISER, "loss", "focal_gamma")} == {
        "layer_decay": 1.0,
        "head_learning_rate": 4e-3,
        "schedule": "linear",
        "label_smoothing": 0.0,
        "class_weights": "none",
        "loss": "cross_entropy",
        "focal_gamma": 2.0,
    }
    tuned = {"layer_decay": 0.8, "head_learning_rate": 0.01, "schedule": "cosine", "loss": "focal", "focal_gamma": 0.5}
    recipe = made.build({"epsilon": 0.5, "start_epoch": 0} | tuned)[1]
    assert {name: getattr(recipe, name) for name in tuned} == tuned


@pytest.mark.parametrize(
    ("loss", "fitting"),
    [
        ("cross_entropy", ("cross_entropy", "focal")),
        ("bce", ("bce", "focal")),
        ("mse", ("mse", "smooth_l1")),
        ("smooth_l1", ("mse", "smooth_l1")),
    ],
)
def test_losses_that_can_replace_each_other_are_searched(loss, fitting) -> None:
    assert range_of("loss", Recipe(loss=loss)) == CategoricalDistribution(fitting)


@pytest.mark.parametrize("loss", [None, "focal"])
def test_a_search_for_the_loss_begins_with_the_usual_one(loss) -> None:
    with pytest.raises(UserError, match="tune='loss' needs the usual loss of the task"):
        range_of("loss", Recipe(loss=loss))


@pytest.mark.parametrize(
    ("given", "tune", "words"),
    [
        ({"focal_gamma": 1.0}, (), "focal_gamma only has an effect with loss='focal': there is no loss"),
        ({"focal_gamma": 2.0}, (), "focal_gamma only has an effect with loss='focal'"),
        ({"focal_gamma": 1.0, "loss": "bce"}, (), "loss is bce"),
        (
            {"label_smoothing": 0.1, "loss": "mse"},
            (),
            "label_smoothing only has an effect with loss='cross_entropy': loss is mse",
        ),
        ({"label_smoothing": 0.1, "loss": "focal"}, (), "loss is focal"),
        ({"class_weights": "balanced", "loss": "smooth_l1"}, (), "loss='cross_entropy', focal or bce: loss is smooth_l1"),
        ({}, ("focal_gamma",), "tune='focal_gamma' needs loss='focal', or loss among tune: there is no loss"),
        ({"loss": "mse"}, ("label_smoothing",), "tune='label_smoothing' needs loss='cross_entropy', or loss among tune"),
        ({"loss": "mse"}, ("class_weights",), "tune='class_weights' needs loss='cross_entropy', focal or bce"),
        ({"half_life": 0.1}, (), "half_life only has an effect with average='ema': average is none"),
        ({"swa_start": 0.5, "average": "ema"}, (), "swa_start only has an effect with average='swa': average is ema"),
        ({"score": "best", "epochs": 1}, (), "score='best' chooses among evaluations, and a run of epochs=1 has one"),
        ({}, ("swa_lr",), "tune='swa_lr' needs average='swa', or average among tune: average is none"),
    ],
)
def test_what_would_do_nothing_is_refused(given, tune, words) -> None:
    with pytest.raises(UserError) as error:
        refuse_idle(Recipe(**given), tune)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("given", "tune"),
    [
        ({"label_smoothing": 0.0, "loss": "mse"}, ()),
        ({"class_weights": "none", "loss": "mse"}, ()),
        ({"label_smoothing": 0.1}, ()),
        ({"score": "best", "epochs": 1, "evals_per_epoch": 2}, ()),
        ({"score": "soup", "epochs": 1}, ("epochs",)),
        ({"freeze_embeddings": True, "freeze_layers": 1}, ("freeze_layers",)),
        ({"class_weights": "balanced"}, ("label_smoothing",)),
        ({"loss": "cross_entropy", "focal_gamma": 1.0}, ("loss",)),
        ({"loss": "cross_entropy"}, ("loss", "focal_gamma", "label_smoothing")),
    ],
)
def test_what_may_do_something_is_taken(given, tune) -> None:
    refuse_idle(Recipe(**given), tune)


@pytest.mark.parametrize(
    ("given", "tune", "words"),
    [
        ({"loss": "bce"}, ["loss"], "loss='focal' does not fit regression"),
        ({}, ["label_smoothing"], "label_smoothing=0.2 belongs to the loss cross_entropy"),
        ({}, ["class_weights"], "class_weights='balanced': the loss of regression takes numbers here"),
    ],
)
def test_a_searched_value_that_does_not_fit_the_labels_is_refused_before_a_trial_has_it(given, tune, words) -> None:
    bench = Bench(shares_task(), Recipe(**given))
    made = plan_of("fgm", tune=tune, **given)
    with pytest.raises(UserError) as error:
        refuse_unfit([made], bench)
    assert words in str(error.value)


def test_searched_values_that_fit_are_taken() -> None:
    names = ["loss", "label_smoothing", "class_weights", "focal_gamma", "learning_rate"]
    made = plan_of("fgm", tune=names, loss="cross_entropy")
    refuse_unfit([made], Bench(reviews_task(), Recipe()))
    assert set(names) <= RECIPE.keys()


@pytest.mark.parametrize("name", ["layer_decay", "head_learning_rate"])
def test_searched_rates_by_layer_need_a_model_with_layers(name, monkeypatch) -> None:
    bench = Bench(reviews_task(), Recipe())
    monkeypatch.setattr(bench.models, "look_at", lambda *_: nn.Embedding(9, 4))
    with pytest.raises(UserError, match="no list of alike blocks"):
        refuse_unfit([plan_of("fgm", tune=[name])], bench)
