import re
from pathlib import Path
from typing import Any

import pytest
from helpers.plans import plan_of
from optuna.distributions import FloatDistribution, IntDistribution

from adv import AWP, METHODS, PGD
from finetune.config import Recipe
from finetune.errors import UserError
from spaces import space_of
from studies.planning.identity import differences
from studies.planning.plan import Plan, describe_space


def plan(method: str = "awp", **options: Any) -> Plan:
    return plan_of(method, **options)


def test_without_options_the_declared_space_is_searched() -> None:
    for method in METHODS:
        assert plan(method).space == space_of(method, 6)
        assert plan(method).fixed == {}


def test_set_fixes_and_range_redefines() -> None:
    made = plan("pgd", sets=["K=3", "combine=sum"], ranges=["alpha=0.1:0.4", "epsilon=1e-2:1:log"])
    assert made.fixed == {"K": 3, "combine": "sum"}
    assert made.space == {
        "alpha": FloatDistribution(0.1, 0.4),
        "epsilon": FloatDistribution(0.01, 1.0, log=True),
        "start_epoch": IntDistribution(0, 4),
    }
    method, recipe = made.build({"alpha": 0.2, "epsilon": 0.5, "start_epoch": 1})
    assert method == PGD(K=3, combine="sum", alpha=0.2, epsilon=0.5, start_epoch=1)
    assert recipe == made.recipe


def test_a_range_can_add_a_setting_that_is_not_searched_by_default() -> None:
    assert plan("awp", ranges=["adv_step=1:3"]).space["adv_step"] == IntDistribution(1, 3)


def test_a_space_file_does_both_and_the_command_line_has_the_last_word(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text("adv_lr: 1e-3\nadv_eps: 1e-3:0.1:log\nstart_epoch: 1:2\n")
    made = plan("awp", space_file=str(file), sets=["start_epoch=2"])
    assert made.fixed == {"adv_lr": 0.001, "start_epoch": 2}
    assert made.space == {"adv_eps": FloatDistribution(1e-3, 0.1, log=True)}


def test_tune_adds_recipe_parameters_around_the_recipe() -> None:
    made = plan("fgm", tune=["learning_rate", "batch_size"])
    rate = made.space["learning_rate"]
    assert isinstance(rate, FloatDistribution)
    assert rate.low * rate.high == pytest.approx(made.recipe.learning_rate**2)
    assert made.tuned
    assert not plan("fgm").tuned
    method, recipe = made.build({"epsilon": 0.5, "start_epoch": 0, "learning_rate": 1e-3, "batch_size": 8})
    assert (recipe.learning_rate, recipe.batch_size) == (1e-3, 8)
    assert method.start_epoch == 0


def test_epochs_are_tuned_where_every_trial_has_one_to_attack() -> None:
    assert plan("none", tune=["epochs"]).space["epochs"] == IntDistribution(3, 12)  # the recipe has 6
    assert plan("fgm", tune=["epochs"]).space["epochs"] == IntDistribution(5, 12)  # start_epoch is searched up to 4
    assert plan("fgm", tune=["epochs"], sets=["start_epoch=0"]).space["epochs"] == IntDistribution(3, 12)
    assert plan("fgm", tune=["epochs"], ranges=["epochs=5:7"]).space["epochs"] == IntDistribution(5, 7)
    assert plan("none", tune=["epochs"], ranges=["epochs=1:2"]).space["epochs"] == IntDistribution(1, 2)
    assert plan("none", tune=["epochs"]).build({"epochs": 9})[1].epochs == 9
    for asked in ({"ranges": ["epochs=4:9"]}, {"ranges": ["epochs=1:3"]}):
        with pytest.raises(UserError, match="start_epoch 4 leaves no epoch to attack where") as error:
            plan("fgm", tune=["epochs"], **asked)
        assert re.search(r"5:[679]", str(error.value))


def test_defaults_are_the_methods_own_moved_into_the_space() -> None:
    assert plan("awp").defaults() == {"adv_lr": 1.0, "adv_eps": 0.2, "start_epoch": 0}
    assert plan("awp", ranges=["adv_eps=0.3:0.4"]).defaults()["adv_eps"] == 0.3
    assert plan("fgm", tune=["learning_rate"]).defaults()["learning_rate"] == Recipe().learning_rate
    assert isinstance(plan("awp").build(plan("awp").defaults())[0], AWP)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sets": ["rho=1"]}, "awp has no setting 'rho'"),
        (
            {"sets": ["epsilon=1"]},
            "set=.*epsilon.*: epsilon of awp does nothing with attack=none; leave it out, or set attack",
        ),
        ({"ranges": ["adv_eps=0.1:1"], "sets": ["form=gamma"]}, "adv_eps of awp does nothing with form=gamma"),
        ({"sets": ["direction=momentum", "adv_step=2"]}, "awp: adv_step must be 1 with direction=momentum"),
        ({"sets": ["adv_lrr=1"]}, "did you mean 'adv_lr'"),
        ({"sets": ["adv_lr=-1"]}, "adv_lr must be a finite number >= 0, but is -1"),
        ({"sets": ["adv_step=1.5"]}, "adv_step must be a whole number >= 1"),
        ({"ranges": ["adv_lr=1:1"]}, "is empty"),
        ({"ranges": ["adv_lr=2:1"]}, "is empty"),
        ({"ranges": ["adv_lr=0:1:log"]}, "starts above 0"),
        ({"ranges": ["adv_lr=1"]}, "is not a range"),
        ({"ranges": ["adv_lr=a:b"]}, "is not a range"),
        ({"ranges": ["adv_lr=-2:-1"]}, "adv_lr must be"),
        ({"tune": ["lr"]}, "is not a recipe parameter"),
        ({"space_file": "nowhere.yaml"}, "cannot be read"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        plan("awp", **options)


def test_differences_name_the_leaf_and_both_values() -> None:
    there = {"recipe": {"epochs": 3, "seed": 0}, "space": describe_space(plan("fgm").space)}
    here = {"recipe": {"epochs": 4, "seed": 0}, "space": describe_space(plan("fgm", sets=["start_epoch=1"]).space)}
    found = differences(there, here)
    assert found[0] == "recipe.epochs: there 3, here 4"
    assert found[1].startswith("space.start_epoch: there {")
    assert len(found) == 2
    assert differences(there, there) == []


def test_what_a_fixed_setting_makes_idle_is_not_searched() -> None:
    assert plan("awp", sets=["form=gamma"]).space.keys() == {"adv_lr", "start_epoch"}
    assert plan("awp", sets=["attack=fgm"], ranges=["epsilon=0.1:1:log"]).space.keys() == {
        "adv_lr", "adv_eps", "epsilon", "start_epoch",
    }  # fmt: skip
