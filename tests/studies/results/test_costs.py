"""What decides the cost of a run: settings whose passes are written out by hand."""

import pytest
from helpers.made_up_studies import made, summary
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from studies.planning.identity import KEY
from studies.planning.plan import describe_space
from studies.report.ran import cost
from studies.result import Result
from studies.results.costs import costs_of, decided, measured, reckoned
from studies.results.summary import summarise

# A step of pgd: K + 1 forward passes, K - 1 inner and two whole backward passes, where a clean step is a forward and a whole
# backward pass, which counts two.
STEP = {K: (K + 1 + K - 1 + 2 * 2) / 3 for K in (1, 2, 3, 5)}
K_AND_START = {"K": IntDistribution(1, 5), "start_epoch": IntDistribution(0, 2)}


def found(method, space, fixed=None, **about):
    """The summary of an empty study of this method, with four epochs."""
    study = made("")
    here = {"method": method, "space": describe_space(space), "fixed": fixed or {}} | about
    study.set_user_attr(KEY, study.user_attrs[KEY] | here)
    return summarise(study)


def test_the_cost_of_a_run_is_that_of_its_attacked_and_its_clean_epochs():
    passes = reckoned(found("pgd", K_AND_START))
    assert passes({"K": 3, "start_epoch": 0}) == pytest.approx(STEP[3])
    assert passes({"K": 5, "start_epoch": 1}) == pytest.approx((3 * STEP[5] + 1) / 4)


def test_each_setting_has_its_share_and_its_ends():
    rows = costs_of(found("pgd", K_AND_START | {"epsilon": FloatDistribution(0.1, 2.0, log=True)}))
    assert [row.name for row in rows] == ["K", "start_epoch"]  # epsilon costs nothing
    k, start = rows
    assert (k.cheap, k.dear) == (1, 5)
    assert (k.low, k.high) == pytest.approx((STEP[1], STEP[5]))  # start_epoch is 0 by default
    assert (start.cheap, start.dear) == (2, 0)
    assert (start.low, start.high) == pytest.approx(((2 * STEP[3] + 2) / 4, STEP[3]))
    assert k.share > start.share > 0.05


def test_a_share_is_what_is_gone_if_the_setting_is_fixed():
    """Over the 5 x 3 points of the space, by the definition: the mean variance along one setting over the whole variance."""
    import numpy as np

    table = np.array([[((4 - s) * (2 * K + 4) / 3 + s) / 4 for s in (0, 1, 2)] for K in (1, 2, 3, 4, 5)])
    total = {"K": table.var(axis=0).mean() / table.var(), "start_epoch": table.var(axis=1).mean() / table.var()}
    assert {row.name: row.share for row in costs_of(found("pgd", K_AND_START))} == pytest.approx(total, abs=0.05)


def test_it_is_a_sentence():
    assert decided(found("pgd", K_AND_START)) == (
        "K decides what a trial costs (2.00x at 1, 4.67x at 5), then start_epoch (2.17x at 2, 3.33x at 0), "
        "where clean training is 1x, by passes"
    )
    assert decided(found("fgm", {"epsilon": FloatDistribution(0.1, 2.0)})) == (
        "no searched setting changes what a trial costs (2.00x clean training, by its passes)"
    )
    assert decided(found("fgm", {"start_epoch": IntDistribution(0, 2)})) == (
        "start_epoch decides what a trial costs (1.50x at 2, 2.00x at 0), where clean training is 1x, by passes"
    )


@pytest.mark.parametrize(
    ("method", "space"),
    [("none", {}), ("none", {"learning_rate": FloatDistribution(1e-3, 1e-2, log=True)}), ("fgm", {})],
)
def test_without_an_attack_to_search_nothing_is_said(method, space):
    assert decided(found(method, space)) is None


def test_a_single_value_and_a_choice_decide_nothing_they_do_not_change():
    space = {
        "K": IntDistribution(3, 3),
        "combine": CategoricalDistribution(("mean", "sum")),
        "start_epoch": IntDistribution(0, 2),
    }
    assert [row.name for row in costs_of(found("pgd", space))] == ["start_epoch"]


def test_settings_that_exclude_each_other_are_left_out():
    space = {"alpha": FloatDistribution(-1.0, -0.5), "K": IntDistribution(1, 5)}
    assert costs_of(found("pgd", space)) == []


def test_settings_that_the_method_does_not_know_have_no_cost():
    shown = found("pgd", K_AND_START | {"speed": FloatDistribution(0.1, 2.0)})
    assert (costs_of(shown), decided(shown)) == ([], None)
    shown = found("pgd", K_AND_START, {"speed": 3})
    assert (costs_of(shown), decided(shown), measured(shown)) == ([], None, None)


def test_a_loop_of_ones_own_has_its_cost_too():
    loop = {"data": {"loop": "my.train"}, "recipe": {"epochs": 4, "seed": 0, "lr": 0.1}}
    rows = costs_of(found("pgd", K_AND_START | {"lr": FloatDistribution(0.01, 1.0)}, **loop))
    assert [row.name for row in rows] == ["K", "start_epoch"]


def test_seconds_are_compared_with_passes():
    """Clean training took 4 x 1.5 s; trials of fgm that attack all epochs cost twice as much, and take 9 s."""
    study = made("C" * 6, {"epsilon": FloatDistribution(0.1, 2.0)})
    study.set_user_attr(KEY, study.user_attrs[KEY] | {"method": "fgm"})
    before = summarise(study)
    for trial in before.trials:
        trial.user_attrs["seconds"] = 9.0
    assert measured(before).startswith("a trial took 0.75 of the seconds that its passes say (80 % of them 0.75 to 0.75)")
    del before.trials[2:]
    assert measured(before) is None


def test_the_report_and_python_have_it():
    shown = summary("C" * 12)
    rows = cost(shown)
    assert rows["What decides it"].startswith("start_epoch decides what a trial costs (1.50x at 2, 2.00x at 0)")
    assert rows["Seconds and passes"].startswith("a trial took ")
    [row] = Result(made("C" * 12), "", None).cost_importances
    assert (row.name, row.low, row.high) == ("start_epoch", 1.5, 2.0)
