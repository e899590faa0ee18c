"""Which settings make an attack stronger, for every method, also those that were written elsewhere."""

from dataclasses import dataclass, fields

import pytest
from helpers.outside_methods import BothSides, HalfWay
from optuna.distributions import FloatDistribution, IntDistribution

from adv import METHODS
from adv.core.settings import setting
from spaces import SPACES, space_of
from studies.calibrating.strength import strength_of
from studies.planning.calibrated import narrowed, whence

WEIGHTS = {"creat", "smart", "vat", "r3f", "sift", "gradient_penalty"}
# The radius of each method, as its paper or its page has it; of the weight of a term there is none.
RADII = {
    **dict.fromkeys(("random", "fgsm", "fgm", "pgd", "mifgm", "freeat", "yopo", "freelb", "tavat", "creat"), ("epsilon",)),
    **dict.fromkeys(("awp", "random_weights"), ("adv_lr", "adv_eps")),
    **dict.fromkeys(("sam", "asam"), ("rho",)),
    **dict.fromkeys(("vat", "r3f", "sift", "gradient_penalty"), ("reg_weight",)),
    "smart": ("reg_weight", "teacher_weight"),
    "neftune": ("sigma",),
}


def log(low, high):
    return FloatDistribution(low, high, log=True)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_its_strength(name):
    found = strength_of(name, space_of(name, 3), {})
    assert (None if found is None else found.names) == RADII.get(name)
    if found is None:
        assert name == "none"
        return
    assert found.low == min(SPACES[name][each].low for each in found.names)
    assert found.high == max(SPACES[name][each].high for each in found.names)
    weak, zero = found.at(found.low), found.at(0.0)
    assert all((getattr(weak, each), getattr(zero, each)) == (found.low, 0) for each in found.names)
    assert {field.name for field in fields(weak)} >= found.others.keys()
    assert found.at(found.high).start_epoch == 0


@pytest.mark.parametrize("kind", [HalfWay, BothSides])
def test_a_method_from_elsewhere_has_one_too(kind, monkeypatch):
    monkeypatch.setitem(METHODS, "mine", kind)
    found = strength_of("mine", {"epsilon": log(0.1, 10.0), "rounds": IntDistribution(1, 4)} if kind is HalfWay else
                        {"epsilon": log(0.1, 10.0)}, {})  # fmt: skip
    assert found is not None
    assert (found.names, found.low, found.high, found.caps) == (("epsilon",), 0.1, 10.0, True)


def test_steps_that_lead_up_to_a_ball_are_as_long_as_can_be():
    found = strength_of("pgd", space_of("pgd", 3), {})
    assert found is not None
    assert (found.others["alpha"], found.others["K"]) == (2.0, 3)
    assert found.caps


def test_every_batch_is_attacked_to_measure_one_of_three():
    found = strength_of("fgm", space_of("fgm", 3), {"every": 3})
    assert found is not None
    assert (found.every, found.at(0.5).every, found.at(0.5).epsilon) == (3, 1, 0.5)


def test_a_setting_of_that_name_of_a_method_from_elsewhere_is_its_own(monkeypatch):
    @dataclass(kw_only=True)
    class Mine(BothSides):
        every: int = setting(2, "another thing", low=1)

    monkeypatch.setitem(METHODS, "mine", Mine)
    found = strength_of("mine", {"epsilon": log(0.1, 10.0)}, {"every": 5})
    assert found is not None
    assert (found.every, found.at(1.0).every) == (1, 5)


def test_what_is_not_part_of_the_ball_has_its_default():
    found = strength_of("vat", space_of("vat", 3), {})
    assert found is not None
    assert {name: found.others[name] for name in ("epsilon", "xi", "K")} == {"epsilon": 1.0, "xi": 0.01, "K": 1}
    assert not found.caps


def test_a_default_outside_its_range_is_moved_into_it():
    space = {"reg_weight": log(0.1, 10.0), "xi": log(0.1, 1.0), "epsilon": log(1e-3, 0.5)}
    found = strength_of("vat", space, {})
    assert found is not None
    assert (found.others["xi"], found.others["epsilon"]) == (0.1, 0.5)  # by default 0.01 and 1


@pytest.mark.parametrize(
    ("space", "fixed", "given", "names"),
    [
        ({"adv_eps": log(1e-4, 0.3)}, {"adv_lr": 1.0}, (), ("adv_eps",)),
        ({"adv_lr": log(1e-4, 1.0)}, {"form": "gamma"}, (), ("adv_lr",)),
        ({"adv_lr": log(1e-4, 1.0), "adv_eps": log(1e-4, 0.3)}, {}, ("adv_lr",), ("adv_eps",)),
        ({"adv_lr": log(1e-4, 1.0), "adv_eps": log(1e-4, 0.3)}, {}, ("adv_lr", "adv_eps"), None),
        ({"adv_lr": FloatDistribution(0.0, 1.0), "adv_eps": log(1e-4, 0.3)}, {}, (), ("adv_eps",)),
        ({"learning_rate": log(1e-5, 1e-3)}, {"adv_lr": 1.0, "adv_eps": 0.1}, (), None),
        ({}, {}, (), None),
    ],
)
def test_what_is_fixed_or_given_is_left_alone(space, fixed, given, names):
    found = strength_of("awp", space, fixed, given)
    assert (None if found is None else found.names) == names
    for name in set(given) & set(space) if found is not None else ():
        assert found.others[name] == space[name].high


def test_a_measured_range_lies_in_the_declared_one():
    declared = {"epsilon": log(0.05, 5.0), "K": IntDistribution(1, 4), "alpha": log(0.1, 1.0)}
    found = narrowed(declared, {"ranges": {"epsilon": [0.01, 0.4], "alpha": [2.0, 3.0], "beta": [1, 2]}})
    assert found == {"epsilon": log(0.05, 0.4), "K": IntDistribution(1, 4), "alpha": log(0.1, 1.0)}
    assert narrowed(declared, None) == narrowed(declared, {}) == narrowed(declared, {"ranges": {}}) == declared
    assert whence({"ranges": {"epsilon": [0.05, 0.4]}}, "epsilon") == ", measured before the search"
    assert whence({"ranges": {}}, "epsilon") == whence(None, "epsilon") == ""
