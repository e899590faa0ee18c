"""Trials of another study that lie inside a new space."""

import math
import threading

import optuna
import pytest
from helpers.databases import sqlite_alone
from helpers.made_up_studies import EPOCHS, made, stored
from helpers.worker_processes import close_all, storage_of
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from finetune.config import Data, Recipe
from finetune.errors import UserError
from studies.planning.identity import KEY
from studies.planning.plan import Plan, describe_space
from studies.results.importance import matters
from studies.running.foreign import explores
from studies.running.sampling import PhasedSampler, design_point
from studies.running.takeover import find_source, look, take_over, without

WIDE = {"adv_eps": FloatDistribution(1e-4, 0.3, log=True), "adv_lr": FloatDistribution(1e-4, 1.0, log=True)}
NARROW = WIDE | {"adv_eps": FloatDistribution(1e-3, 0.1, log=True)}
RECIPE = Recipe(epochs=EPOCHS, seed=7)


def plan(space=NARROW, **fixed):
    return Plan("awp", Data(task="reviews"), RECIPE, space, fixed)


def identity(source, space=NARROW, **changed):
    """What the new study is about: as the other, in another space."""
    return source.user_attrs[KEY] | {"space": describe_space(space)} | changed


def source(points, space=WIDE, **about):
    """A study with a complete trial at each point, and what it says of itself."""
    study = made("", space, name="old")
    study.set_user_attr(KEY, study.user_attrs[KEY] | about)
    for number, point in enumerate(points):
        add(study, point, space, round(0.8 + number / 100, 2))
    return study


def add(study, point, space, value=None, state=TrialState.COMPLETE, **attrs):
    known = {"metrics": {"accuracy": 0.7}, "seconds": 3.0} | attrs
    reports = {0: 0.6, 1: 0.7}
    study.add_trial(
        create_trial(
            state=state,
            value=value,
            params=point,
            distributions={name: space[name] for name in point},
            user_attrs=known,
            intermediate_values=reports,
        )
    )


def point(eps=0.01, lr=0.1, **more):
    return {"adv_eps": eps, "adv_lr": lr} | more


def test_trials_inside_come_with_all_that_they_have():
    old = source([point(0.2), point(0.01), point(0.05, 0.5)])
    add(old, point(0.02), WIDE, 0.65, TrialState.PRUNED)
    add(old, point(0.03), WIDE, None, TrialState.FAIL, failure="diverged")
    taking = look(old, plan(), identity(old))
    assert [(t.number, t.state.name, t.params, t.value) for t in taking.trials] == [
        (0, "COMPLETE", point(0.01), 0.81),
        (1, "COMPLETE", point(0.05, 0.5), 0.82),
        (2, "PRUNED", point(0.02), 0.65),
        (3, "FAIL", point(0.03), None),
    ]
    assert taking.trials[0].user_attrs == {
        "metrics": {"accuracy": 0.7}, "seconds": 3.0, "taken over from": {"study": "old", "trial": 1},
    }  # fmt: skip
    assert taking.trials[0].intermediate_values == {0: 0.6, 1: 0.7}
    assert taking.trials[0].distributions == NARROW
    assert taking.trials[0].datetime_complete == old.trials[1].datetime_complete
    assert taking.trials[3].user_attrs["failure"] == "diverged"
    assert taking.lines == [
        "taken over from old: 4 of its 5 finished trials (not taken: 1 with adv_eps outside 0.001:0.1:log)"
    ]


K = {"K": IntDistribution(1, 5)}


@pytest.mark.parametrize(
    ("old_space", "old_fixed", "had", "space", "fixed", "found"),
    [
        # both ends of a range belong to it
        (WIDE, {}, point(1e-3), NARROW, {}, point(1e-3)),
        (WIDE, {}, point(0.1), NARROW, {}, point(0.1)),
        (WIDE, {}, point(0.1000001), NARROW, {}, None),
        # a wider range, another scale
        (NARROW, {}, point(), WIDE, {}, point()),
        (WIDE, {}, point(), WIDE | {"adv_lr": FloatDistribution(0.0, 2.0)}, {}, point()),
        # fixed there, searched here, and the other way round
        ({"adv_lr": WIDE["adv_lr"]}, {"adv_eps": 0.01}, {"adv_lr": 0.1}, WIDE, {}, point()),
        (WIDE, {}, point(), {"adv_lr": WIDE["adv_lr"]}, {"adv_eps": 0.01}, {"adv_lr": 0.1}),
        (WIDE, {}, point(), {"adv_lr": WIDE["adv_lr"]}, {"adv_eps": 0.02}, None),
        # at its default there, searched or fixed here
        (WIDE, {}, point(), WIDE | {"adv_step": IntDistribution(1, 3)}, {}, point(adv_step=1)),
        (WIDE, {}, point(), WIDE | {"adv_step": IntDistribution(2, 3)}, {}, None),
        (WIDE, {}, point(), WIDE, {"adv_step": 1}, point()),
        (WIDE, {}, point(), WIDE, {"adv_step": 2}, None),
        (WIDE, {}, point(), WIDE, {"combine": "mean"}, None),
        (WIDE, {}, point(), WIDE | {"combine": CategoricalDistribution(("mean", "replace"))}, {}, point(combine="replace")),
        # what does nothing here makes no difference
        (WIDE, {"form": "gamma"}, point(), {"adv_lr": WIDE["adv_lr"]}, {"form": "gamma"}, {"adv_lr": 0.1}),
        (WIDE, {"K": 2}, point(), WIDE, {"K": 5}, point()),
        (WIDE, {"K": 2, "attack": "pgd"}, point(), WIDE, {"K": 5, "attack": "pgd"}, None),
        (WIDE | K, {"attack": "pgd"}, point(K=5), WIDE, {"K": 5, "attack": "pgd"}, point()),
        # a recipe parameter that is searched there or here
        (WIDE | {"weight_decay": FloatDistribution(0, 1)}, {}, point(weight_decay=0.01), WIDE, {}, point()),
        (WIDE | {"weight_decay": FloatDistribution(0, 1)}, {}, point(weight_decay=0.2), WIDE, {}, None),
        (WIDE, {}, point(), WIDE | {"weight_decay": FloatDistribution(0, 1)}, {}, point(weight_decay=0.01)),
    ],
)  # fmt: skip
def test_inside_or_outside(old_space, old_fixed, had, space, fixed, found):
    old = source([had], old_space, fixed=old_fixed)
    new = plan(space, **fixed)
    if found is None:
        with pytest.raises(UserError, match="none of its 1 finished trial can be taken over: 1 with"):
            look(old, new, identity(old, space))
    else:
        (trial,) = look(old, new, identity(old, space)).trials
        assert trial.params == found


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"method": "fgm"}, "method: there 'awp', here 'fgm'"),
        ({"metric": "mcc"}, "metric: there 'accuracy', here 'mcc'"),
        ({"data fingerprint": "other"}, "data fingerprint"),
        ({"model fingerprint": "other"}, "model fingerprint"),
        ({"recipe": RECIPE.model_copy(update={"seed": 8}).model_dump(mode="json")}, "recipe.seed: there 7, here 8"),
        ({"data": Data(task="reviews", max_train_rows=9).model_dump(mode="json")}, "data.max_train_rows"),
        ({"formula": 2}, "formula: there 1, here 2"),
        ({"versions": {"torch": "3.0"}}, "torch 2.0 then, 3.0 now"),
    ],
)
def test_what_would_not_compare_is_refused_with_the_difference(changed, words):
    old = source([point()])
    with pytest.raises(UserError, match=words):
        look(old, plan(), identity(old, **changed))


def test_searched_and_fixed_settings_and_how_to_search_may_differ():
    old = source([point()], search={"explore": 3, "sampler": "gp", "pruner": "none"}, fixed={"adv_step": 1})
    assert len(look(old, plan(), identity(old, fixed={}, search={"explore": 9})).trials) == 1


@pytest.mark.parametrize(
    ("there", "here", "accept", "kept"),
    [("2.0", "2.0", False, None), ("2.0.0", "2.0.1", False, "2.0.0"), ("2.0", "3.0", True, "2.0")],
)
def test_trials_keep_the_versions_that_they_were_made_under(there, here, accept, kept):
    old = source([point()], versions={"torch": there})
    taking = look(old, plan(), identity(old, versions={"torch": here}), accept)
    assert taking.trials[0].user_attrs.get("versions") == (kept and {"torch": kept})
    assert len(taking.lines) == (2 if kept else 1)


def test_what_no_search_measured_stays():
    old = source([point()])
    add(old, point(), WIDE, 0.9, metrics={})
    add(old, point(), WIDE, math.inf)
    add(old, point(), WIDE, None, TrialState.FAIL)
    add(old, {"adv_eps": 0.01}, WIDE, 0.9)
    old.add_trial(create_trial(state=TrialState.WAITING))
    taking = look(old, plan(), identity(old))
    assert len(taking.trials) == 1
    assert taking.lines[0].endswith(
        "1 of its 5 finished trials (not taken: 3 not measured by a search, 1 without all settings)"
    )


@pytest.fixture
def base(url):
    yield storage_of(url)
    close_all()


def test_taken_once_whoever_takes_and_all_that_is_new_comes_after(base):
    old = source([point(0.01 + n / 1000) for n in range(5)])
    taking = look(old, plan(), identity(old))
    study = optuna.create_study(storage=base, study_name="new", direction="maximize")
    threads = [threading.Thread(target=take_over, args=(taking, study, base)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    take_over(taking, study, base)
    seen = optuna.load_study(study_name="new", storage=base).trials
    assert [(t.number, t.value, t.params) for t in seen] == [(t.number, t.value, t.params) for t in taking.trials]
    assert study.ask().number == 5


@sqlite_alone
def test_taken_trials_are_no_part_of_the_design(base):
    old = source([point(0.01), point(0.02)])
    taking = look(old, plan(), identity(old))
    study = optuna.create_study(storage=base, study_name="new", direction="maximize")
    take_over(taking, study, base)
    start = point(0.05)
    study.sampler = PhasedSampler(NARROW, without([point(0.02), start], study.trials), 5, 7, "tpe")
    drawn = []
    for _ in range(3):
        trial = study.ask(NARROW)
        drawn.append(trial.params)
        study.tell(trial, 0.5)
    assert drawn == [start, design_point(NARROW, 7, 0), design_point(NARROW, 7, 1)]
    assert [t.number for t in study.trials if explores(t, 5)] == [2, 3, 4]


def test_taken_trials_count_in_importances_like_trials_that_the_sampler_chose():
    study = made("C" * 24, WIDE, explore=12)
    even, chosen = study.trials[:12], study.trials[12:]
    before = matters([*even, *chosen], WIDE, 12, True, 0.8)
    for trial in chosen:
        trial.user_attrs["taken over from"] = {"study": "old", "trial": trial.number}
        trial.number -= 12
    for trial in even:
        trial.number += 12
    assert matters([*even, *chosen], WIDE, 24, True, 0.8).findings == before.findings


@sqlite_alone
@pytest.mark.parametrize(
    ("name", "words"),
    [("olld", "did you mean 'old'"), ("zzz", "choose from old")],
)
def test_the_other_study_must_be_there(base, name, words):
    stored(source([point()]), base)
    with pytest.raises(UserError, match=words):
        find_source(base, name)
    assert find_source(base, "old").study_name == "old"


def test_a_study_without_finished_trials():
    with pytest.raises(UserError, match="it has no finished trial that can be taken over"):
        look(source([]), plan(), identity(source([])))


def test_no_database_has_no_other_study():
    with pytest.raises(UserError, match="there is no such study in the database"):
        find_source(None, "old")
    theirs = optuna.create_study(study_name="theirs")
    with pytest.raises(UserError, match="was not made by this program"):
        look(theirs, plan(), {"versions": {}})
