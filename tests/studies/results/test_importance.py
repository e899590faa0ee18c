from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from studies.results import importance
from studies.results.idle import idle_settings
from studies.results.importance import importances, valued
from studies.running.sampling import design_point

SPACE = {
    "epsilon": FloatDistribution(0.05, 5.0, log=True),
    "K": IntDistribution(2, 5),
    "alpha": FloatDistribution(0.02, 2.0, log=True),
}


def trials(seed: int, cliff: float, count: int = 32) -> list[Any]:
    rng = np.random.default_rng(seed)
    study = optuna.create_study(direction="maximize")
    for index in range(count):
        params = design_point(SPACE, seed, index)
        value = 80 - cliff * (params["epsilon"] > 1) + rng.normal()
        study.add_trial(create_trial(params=params, distributions=SPACE, value=float(value)))
    return study.get_trials()


@pytest.fixture
def _few_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    """For properties of the shares, which no permutation touches: the floor costs nine tenths of the time."""
    monkeypatch.setattr(importance, "PERMUTATIONS", 2)


@pytest.fixture
def _some_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for a floor that noise stays below and that a median would not be."""
    monkeypatch.setattr(importance, "PERMUTATIONS", 24)


@pytest.mark.usefixtures("_some_permutations")
@pytest.mark.parametrize("seed", range(3))
def test_a_cliff_is_found_and_the_rest_is_no_evidence(seed: int) -> None:
    rows = importances(trials(seed, cliff=8), SPACE, explore=32, maximize=True, folds=5)
    assert [row.name for row in rows if row.evidence] == ["epsilon"]
    assert rows[0].name == "epsilon"
    assert 0 <= rows[0].low <= rows[0].high <= 1
    assert rows[0].floor == rows[1].floor > 0
    assert sum(row.ped for row in rows) == pytest.approx(1)


@pytest.mark.usefixtures("_some_permutations")
def test_pure_noise_is_mostly_called_noise() -> None:
    found = [row.evidence for seed in range(6) for row in importances(trials(seed, cliff=0), SPACE, 32, True, folds=1)]
    assert sum(found) <= 1


@pytest.mark.usefixtures("_few_permutations")
def test_the_headline_comes_from_the_exploration_phase_alone() -> None:
    explored = trials(0, cliff=8)
    study = optuna.create_study(direction="maximize")
    study.add_trials(explored)
    for index in range(40):  # a sampler that stays below the cliff and follows another setting
        params = design_point(SPACE, 1, index) | {"epsilon": 0.1}
        study.add_trial(create_trial(params=params, distributions=SPACE, value=50.0 + 30 * params["alpha"]))
    alone = importances(explored, SPACE, 32, True, folds=5)
    both = importances(study.get_trials(), SPACE, 32, True, folds=5)
    assert [row.share for row in both] == [row.share for row in alone]
    assert next(row for row in both if row.name == "alpha").all_trials > 0.3


def test_pruned_trials_count_with_their_last_value() -> None:
    pruned = create_trial(
        params={"K": 2}, distributions={"K": SPACE["K"]}, state=TrialState.PRUNED, intermediate_values={0: 0.3, 2: 0.5}
    )
    failed = create_trial(params={"K": 3}, distributions={"K": SPACE["K"]}, state=TrialState.FAIL)
    assert valued([pruned, failed]) == [({"K": 2}, 0.5)]


@pytest.mark.usefixtures("_few_permutations")
def test_direction_changes_ped_anova_and_not_fanova() -> None:
    found = [importances(trials(0, cliff=8), SPACE, 32, maximize, folds=1) for maximize in (True, False)]
    assert [row.share for row in found[0]] == [row.share for row in found[1]]
    assert [row.ped for row in found[0]] != [row.ped for row in found[1]]


def test_few_trials_or_one_setting_say_nothing() -> None:
    assert importances(trials(0, cliff=8, count=5), SPACE, 32, True) == []
    assert importances(trials(0, cliff=8), {"epsilon": SPACE["epsilon"]}, 32, True) == []


def attacked(params: dict[str, float], **diagnostics: float) -> Any:
    dists = {name: FloatDistribution(0, 10) for name in params}
    attrs = {"diagnostics": {"attacked": 3.0} | diagnostics}
    return create_trial(params=params, distributions=dists, value=0.5, user_attrs=attrs)


def test_idle_settings_are_said_to_be_so() -> None:
    short = attacked({"epsilon": 1.0, "alpha": 0.3, "K": 3}, clipped=0.0)
    long = attacked({"epsilon": 0.5, "alpha": 0.3, "K": 3}, clipped=0.4)
    assert idle_settings([short, long], {}, "pgd")[0].startswith("epsilon was idle in 1 of 2 trials")
    assert idle_settings([long], {}, "pgd") == []
    fixed = attacked({"epsilon": 1.0, "alpha": 0.3}, clipped=0.0)
    assert "1 of 1" in idle_settings([fixed], {"K": 3}, "pgd")[0]
    free, full, between = (attacked({"adv_lr": 1.0, "adv_eps": 0.1}, clipped=share) for share in (0.0, 0.99, 0.5))
    assert [line.split(" trials")[0] for line in idle_settings([free, full, between], {}, "awp")] == [
        "adv_eps was idle in 1 of 3",
        "adv_lr was idle in 1 of 3",
    ]
