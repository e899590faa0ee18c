"""A study searches the ranges that it measured once, or the declared ones, from its first trial to its last."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from helpers.plans import plan_of
from optuna.distributions import FloatDistribution

import search
import studies
from finetune.arguments import as_options
from finetune.errors import UserError
from spaces import space_of
from studies.planning.calibrated import CALIBRATED
from studies.planning.resolve import Job
from studies.running import calibrated
from studies.running.sampling import design_point

# 16 steps an epoch: after the first, the model is clearly better than before.
SMALL = {
    "max_train_rows": 64,
    "max_validation_rows": 64,
    "batch_size": 4,
    "epochs": 3,
    "sampler": "sobol",
    "progress": False,
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A folder with a study of three trials in measured ranges; the second is a starting point outside them."""
    folder = tmp_path_factory.mktemp("begun")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        studies.search("fgm", trials=3, start={"epsilon": 3.0}, **SMALL)
    return folder


@pytest.fixture
def here(begun, tmp_path, monkeypatch):
    """A copy of that folder."""
    shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def never(monkeypatch):
    """Nothing is measured."""

    def fail(*arguments):
        raise AssertionError("measured again")

    monkeypatch.setattr(calibrated, "measure", fail)


def study(name="reviews-fgm"):
    return optuna.load_study(study_name=name, storage="sqlite:///studies.db")


def values(name="reviews-fgm"):
    return [trial.params["epsilon"] for trial in study(name).trials]


def ends():
    return study().user_attrs[CALIBRATED]["ranges"]["epsilon"]


def measured():
    return space_of("fgm", 3) | {"epsilon": FloatDistribution(*ends(), log=True)}


def test_trials_are_drawn_from_the_measured_range_and_a_starting_point_outside_runs_as_it_is(here):
    low, high = ends()
    assert 0.05 <= low < high < 1.0
    # Trial 0 has the default, 1.0, moved to the nearest end.
    assert [trial.params for trial in study().trials] == [
        {"epsilon": high, "start_epoch": 0},
        {"epsilon": 3.0, "start_epoch": 0},
        design_point(measured(), 0, 0),
    ]
    assert study().user_attrs["identity"]["space"]["epsilon"]["attributes"]["high"] == 5.0
    found = studies.load(study="reviews-fgm").summary
    assert found.space == measured()
    assert [found.foreign(trial) for trial in found.trials] == [False, True, False]


@pytest.mark.usefixtures("never")
def test_a_study_goes_on_in_its_ranges(here, capsys):
    again = SMALL | {"progress": True, "start": {"epsilon": 3.0}}
    studies.search("fgm", trials=5, **again)
    said = capsys.readouterr().out
    assert said.count(f"searched: epsilon {ends()[0]:g} to {ends()[1]:g} (declared 0.05 to 5)") == 1
    assert values()[3:] == [design_point(measured(), 0, index)["epsilon"] for index in (1, 2)]


@pytest.mark.usefixtures("never")
def test_declared_ranges_give_the_trials_of_before(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = SMALL | {"batch_size": 32}
    studies.search("fgm", trials=2, calibrate=False, **small)
    assert values() == [1.0, design_point(space_of("fgm", 3), 0, 0)["epsilon"]]
    assert CALIBRATED not in study().user_attrs
    # What is not said again stays as it was; what is said again and differs is said.
    studies.search("fgm", trials=3, **small)
    assert values()[2] == design_point(space_of("fgm", 3), 0, 1)["epsilon"]
    capsys.readouterr()
    studies.search("fgm", trials=3, calibrate=True, **small | {"progress": True})
    assert "study reviews-fgm searches the declared ranges, and keeps them" in capsys.readouterr().out


@pytest.mark.usefixtures("never")
def test_a_study_in_measured_ranges_is_not_searched_in_others(here):
    before = values()
    with pytest.raises(UserError, match=r"study 'reviews-fgm' searches measured ranges \(epsilon 0\.05 to "):
        studies.search("fgm", trials=5, calibrate=False, **SMALL)
    assert values() == before


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"epochs": 5}, 3),
        ({"epochs": 3}, 1),
        ({"epochs": 2}, 1),
        ({"epochs": 1}, 1),
        ({"epochs": 5, "tune": ["learning_rate"]}, 1),
        ({"epochs": 2, "evals_per_epoch": 4, "sets": ["start_epoch=0"]}, 4),
        ({"epochs": 4, "evals_per_epoch": 2, "ranges": ["start_epoch=0.5:1.5"]}, 3),
    ],
)
def test_the_attack_is_tried_after_the_last_clean_evaluation_that_trials_share(options, expected):
    assert calibrated.clean_for(plan_of("fgm", **options)) == expected


def test_without_shared_epochs_the_ranges_are_the_same(here):
    found = []
    for name, reuse in (("apart", False), ("shared", True)):
        studies.search("fgm", trials=1, study=name, prefix_reuse=reuse, **SMALL | {"epochs": 4, "batch_size": 12})
        found.append(study(name).user_attrs[CALIBRATED])
    assert found[0] == found[1]
    assert "after 2 clean epochs" in found[0]["why"]


def test_with_folds_the_first_run_tells(here):
    few = {name: value for name, value in SMALL.items() if name != "max_validation_rows"}
    studies.search("fgm", trials=2, study="folds", folds=2, **few)
    low, high = study("folds").user_attrs[CALIBRATED]["ranges"]["epsilon"]
    assert 0.05 <= low < high < 5.0
    assert all(low <= value <= high for value in values("folds"))


@pytest.mark.usefixtures("never")
def test_trials_are_taken_over_with_their_ranges(here):
    studies.search("fgm", trials=4, study="taken", from_study="reviews-fgm", **SMALL)
    assert study("taken").user_attrs[CALIBRATED]["ranges"] == {"epsilon": ends()}
    wider = {"epsilon": (0.05, 2.0, "log")}
    studies.search("fgm", trials=3, study="wider", from_study="reviews-fgm", space=wider, **SMALL)
    assert study("wider").user_attrs[CALIBRATED]["ranges"] == {}


def test_what_was_given_is_not_said_to_be_measured():
    two = {"names": ["adv_lr", "adv_eps"], "ranges": {"adv_lr": [0.01, 0.1], "adv_eps": [0.01, 0.2]}, "why": "measured"}
    assert calibrated.without(two, frozenset({"K", "start_epoch"})) == two
    one = calibrated.without(two, frozenset({"adv_eps", "K"}))
    assert one["ranges"] == {"adv_lr": [0.01, 0.1]}
    assert one["why"] == "adv_lr 0.01 to 0.1, as in the study whose trials are taken over; adv_eps as you gave it"
    none = calibrated.without(two, frozenset({"adv_lr", "adv_eps"}))
    assert (none["names"], none["ranges"], none["why"]) == ([], {}, "adv_eps and adv_lr as you gave them")
    plain = calibrated.as_declared(plan_of("awp", sets=["adv_eps=0.1"]))
    assert (plain["names"], plain["ranges"]) == (["adv_lr"], {})
    assert plain["why"] == "adv_lr in the declared range, as in the study whose trials are taken over"
    assert calibrated.as_declared(plan_of("none")) == {}


def test_what_trains_trials_draws_from_the_measured_range():
    plan, found = plan_of("fgm", epochs=3), {"ranges": {"epsilon": [0.1, 0.4]}, "why": "because"}
    objective = SimpleNamespace(plan=plan)
    job, told = calibrated.narrow(Job(None, plan, [], "mine"), objective, found)
    narrower = space_of("fgm", 3) | {"epsilon": FloatDistribution(0.1, 0.4, log=True)}
    assert job.plan.space == objective.plan.space == narrower
    assert [as_options(line) for line in told] == ["searched: because; --no-calibrate takes the declared ranges"]
    assert calibrated.narrow(job, objective, None) == (job, [])


def test_reports_say_where_a_range_comes_from(here):
    page = Path("runs/reviews-fgm/report.html").read_text("utf-8")
    assert f"{ends()[0]:g} to {ends()[1]:g}, log, measured before the search" in page
    assert search.run(["export", "--study", "reviews-fgm"]) == 0


@pytest.mark.usefixtures("never")
def test_nothing_is_measured_for_a_loop_of_the_users_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = studies.tune(lambda run: 0.5, method="fgm", trials=2, epochs=2, progress=False)
    assert CALIBRATED not in found.study.user_attrs
