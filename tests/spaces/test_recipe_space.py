import pytest
from helpers.points_of_spaces import ends, points
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, IntDistribution

from finetune.config import Recipe, checked
from spaces import RECIPE
from spaces.recipe import around

# Where a range depends on a value that is open by default, it has one.
OWN = Recipe(loss="cross_entropy", head_learning_rate=4e-3, head_dropout=0.1)


@given(point=points({name: around(name, getattr(OWN, name)) for name in RECIPE}))
def test_any_point_of_the_recipes_ranges_is_a_recipe(point):
    recipe = checked(Recipe, Recipe().model_dump() | point)
    assert {name: getattr(recipe, name) for name in point} == point


@pytest.mark.parametrize("name", RECIPE)
def test_both_ends_of_the_recipes_ranges_are_recipes_and_the_recipe_lies_inside(name):
    own = getattr(OWN, name)
    dist = around(name, own)
    for value in (*ends(dist), *ends(RECIPE[name])):
        assert getattr(checked(Recipe, {name: value}), name) == value
    assert own in dist.choices if isinstance(dist, CategoricalDistribution) else dist.low <= own <= dist.high


@given(centre=st.floats(1e-7, 1))
def test_the_learning_rate_is_searched_around_the_recipes(centre):
    dist = around("learning_rate", centre)
    assert dist.log
    assert dist.low < centre < dist.high
    assert dist.high / dist.low == pytest.approx(10)
    assert (dist.low * dist.high) ** 0.5 == pytest.approx(centre)


@pytest.mark.parametrize(("epochs", "low", "high"), [(6, 3, 12), (5, 2, 10), (1, 1, 2)])
def test_epochs_are_searched_from_half_as_many_to_twice_as_many(epochs, low, high):
    assert around("epochs", epochs) == IntDistribution(low, high)
