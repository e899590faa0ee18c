"""What is searched around a loop of one's own, and what is refused before anything is read."""

import pytest
from helpers.refusals import rows
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from adv import FGM
from finetune.errors import UserError
from studies.planning.early import read_early, refuse_names
from studies.planning.loop_plan import loop_plan, range_of
from studies.planning.request import request_of

RECIPE = {"learning_rate": 1e-3, "size": 8, "name": "a"}


def plan(**options):
    given = {"recipe": RECIPE, "fixes": {}, "spaces": (), "tune": ()} | options
    return loop_plan("fgm", {"loop": "here.train"}, 4, 7, **given)


def test_without_ranges_the_method_s_own_space_is_searched():
    made = plan()
    assert set(made.space) == {"epsilon", "start_epoch"}
    assert not made.tuned
    assert made.defaults() == {"epsilon": 1.0, "start_epoch": 0}
    assert made.inputs() == {"data": {"loop": "here.train"}, "recipe": {"epochs": 4, "seed": 7} | RECIPE}


def test_ranges_go_to_the_loop_or_to_the_method_by_their_names():
    made = plan(spaces=({"size": (4, 16), "epsilon": (0.1, 1.0)},), tune=("learning_rate",), fixes={"start_epoch": 1})
    assert made.space["size"] == IntDistribution(4, 16)
    assert made.space["epsilon"] == FloatDistribution(0.1, 1.0)
    assert made.space["learning_rate"].low * made.space["learning_rate"].high == pytest.approx(1e-6)
    assert made.tuned
    assert made.defaults() == {"size": 8, "epsilon": 1.0, "learning_rate": 1e-3}
    method, recipe = made.build({"size": 5, "epsilon": 0.3, "learning_rate": 0.1})
    assert method == FGM(epsilon=0.3, start_epoch=1)
    assert recipe == {"learning_rate": 0.1, "size": 5, "name": "a"}
    assert made.epochs_of(recipe) == 4


@pytest.mark.parametrize(
    ("value", "usual", "expected"),
    [
        ((1, 9), 3, IntDistribution(1, 9)),
        ("1:9:log", 3, IntDistribution(1, 9, log=True)),
        ((1, 9), 3.0, FloatDistribution(1, 9)),
        ([1e-4, 1e-2, "log"], 1e-3, FloatDistribution(1e-4, 1e-2, log=True)),
    ],
)
def test_a_range_has_the_kind_of_the_usual_value(value, usual, expected):
    assert range_of("a", value, usual) == expected


@pytest.mark.parametrize("usual", ["b", True, None, [1]])
def test_only_numbers_have_ranges(usual):
    with pytest.raises(UserError, match="only numbers have ranges"):
        range_of("a", (1, 2), usual)


def test_epochs_of_a_loop_are_the_same_in_all_trials():
    with pytest.raises(UserError, match="your own loop has the same epochs in all trials"):
        plan(tune=("epochs",))


def test_a_loss_of_the_loop_is_tuned_among_those_that_can_replace_it():
    made = plan(recipe={"loss": "mse"}, tune=("loss",))
    assert made.space["loss"] == CategoricalDistribution(("mse", "smooth_l1"))
    for own in ("contrastive", None, ["mse"], 3, ""):
        with pytest.raises(UserError, match="a loss of your own, is not known"):
            plan(recipe={"loss": own}, tune=("loss",))


def test_names_are_refused_and_files_read_before_anything_heavy(tmp_path):
    with pytest.raises(UserError, match="unknown method 'fgmm'"):
        refuse_names(request_of({"method": "fgmm"}))
    with pytest.raises(UserError, match="unknown metric 'f2'"):
        refuse_names(request_of({"metric": "f2"}))
    assert "none" not in refuse_names(request_of({"method": "all"})).aim.method
    assert read_early(request_of({})) is None
    (tmp_path / "rows.csv").write_text(rows())
    assert len(read_early(request_of({"train_file": tmp_path / "rows.csv"})).train) == 28
    with pytest.raises(UserError, match="label_column='y': no such column"):
        read_early(request_of({"train_file": tmp_path / "rows.csv", "label_column": "y"}))
