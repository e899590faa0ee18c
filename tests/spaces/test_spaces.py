import dataclasses
import importlib

import numpy as np
import pytest
from helpers.points_of_spaces import ends, points
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from adv import METHODS
from spaces import RECIPE, SPACES, WHOLE, space_of
from studies.running.sampling import at

EPOCHS = range(1, 9)
every_method = pytest.mark.parametrize("name", METHODS)


def test_every_method_has_a_space_and_every_space_a_method():
    assert list(SPACES) == list(METHODS)
    for name in METHODS:
        assert SPACES[name] == importlib.import_module(f"spaces.{name}").SPACE


@every_method
def test_names_are_settings_of_the_method_with_their_types(name):
    fields = {field.name: field for field in dataclasses.fields(METHODS[name])}
    for setting, dist in space_of(name, 6).items():
        kind = {int: IntDistribution, float: FloatDistribution, str: CategoricalDistribution}[fields[setting].type]
        kind = IntDistribution if setting == "start_epoch" else kind  # with one evaluation an epoch
        assert isinstance(dist, kind)
        assert len(dist.choices) > 1 if kind is CategoricalDistribution else dist.low < dist.high


@every_method
def test_the_defaults_lie_inside(name):
    for epochs in EPOCHS:
        for setting, dist in space_of(name, epochs).items():
            value = getattr(METHODS[name](), setting)
            assert value in dist.choices if isinstance(dist, CategoricalDistribution) else dist.low <= value <= dist.high


@every_method
@given(data=st.data(), epochs=st.sampled_from(EPOCHS))
def test_any_point_constructs_the_method(name, data, epochs):
    point = data.draw(points(space_of(name, epochs)))
    method = METHODS[name](**point)
    assert {setting: getattr(method, setting) for setting in point} == point


@every_method
def test_both_ends_of_each_range_construct_the_method(name):
    for setting, dist in space_of(name, 6).items():
        for value in ends(dist):
            assert getattr(METHODS[name](**{setting: value}), setting) == value


@pytest.mark.parametrize("name", [name for name in METHODS if name != "none"])
@pytest.mark.parametrize("epochs", EPOCHS)
def test_a_late_start_leaves_two_epochs_of_attack(name, epochs):
    start = space_of(name, epochs)["start_epoch"]
    assert (start.low, start.high) == (0, max(0, epochs - 2))
    assert space_of(name, epochs).keys() - {"start_epoch"} == SPACES[name].keys()


def test_clean_training_has_nothing_to_search_and_the_controls_what_fgm_and_awp_have():
    assert space_of("none", 6) == {}
    assert space_of("random", 6) == space_of("fgm", 6)
    assert space_of("random_weights", 6) == space_of("awp", 6)


def test_a_space_may_be_changed_without_changing_the_declared_one():
    for name in METHODS:
        before = space_of(name, 6)
        space_of(name, 6)["epsilon"] = FloatDistribution(0, 1)
        assert space_of(name, 6) == before


@pytest.mark.parametrize("name", [*METHODS, "recipe"])
def test_every_bound_has_its_reason_in_words(name):
    module = importlib.import_module(f"spaces.{name}")
    for setting in getattr(module, "SPACE", RECIPE):
        assert setting in module.__doc__.replace(":", " ").replace(",", " ").replace(".", " ").split()
    assert "start_epoch" in space_of.__doc__


@pytest.mark.parametrize("per", [2, 3, 4, 6, 7])
@pytest.mark.parametrize("epochs", [1, 2, 3, 10])
def test_with_several_evaluations_an_epoch_a_start_follows_any_of_them(epochs, per):
    """And the attack has one epoch and one evaluation more; Optuna warns of ranges that its step does not divide."""
    start = space_of("awp", epochs, per)["start_epoch"]
    many = max(1, (epochs - 1) * per)
    starts = [start.low + number * start.step for number in range(many)]
    assert [round(value * per, 6) for value in starts] == list(range(many))
    assert all(start._contains(min(value, start.high)) for value in starts)
    assert start.high == pytest.approx((many - 1) / per)
    found = {at(start, u) for u in np.linspace(0, 1, 20 * many, endpoint=False)}
    assert len(found) == many
    assert all(start._contains(value) for value in found)
    whole = [METHODS["awp"](start_epoch=value).start_epoch for value in starts[::per]]
    assert [(type(value), value) for value in whole] == [(int, number) for number in range(len(whole))]


def test_methods_that_replay_their_batches_start_at_whole_epochs():
    assert {name for name, method in METHODS.items() if method().replays > 1} == set(WHOLE)
    assert space_of("freeat", 4, 3)["start_epoch"] == IntDistribution(0, 2)
