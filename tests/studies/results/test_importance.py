from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from studies.results.idle import idle_settings
from studies.results.importance import Matters, matters
from studies.running.sampling import design_point
from studies.running.takeover import TAKEN

SPACE = {
    "epsilon": FloatDistribution(0.05, 5.0, log=True),
    "K": IntDistribution(2, 5),
    "alpha": FloatDistribution(0.02, 2.0, log=True),
}
CLEAN = 80.0


def value_of(params: dict[str, Any], truth: str) -> float:
    """Points of accuracy without noise."""
    large, small = params["epsilon"] > 1, params["alpha"] < 0.2
    return CLEAN + {"cliff": -8 * large, "both": -8 * (large and not small), "better": 4 * small, "nothing": 0}[truth]


def trials(truth: str, seed: int = 0, count: int = 32, sign: float = 1.0, space: Any = SPACE) -> list[FrozenTrial]:
    rng = np.random.default_rng(seed)
    study = optuna.create_study()
    for index in range(count):
        params = design_point(space, seed, index)
        value = sign * (value_of(params, truth) + rng.normal())
        study.add_trial(create_trial(params=params, distributions=space, value=value))
    return study.get_trials()


def evident(found: Matters) -> set[tuple[str, ...]]:
    return {(row.question, *row.settings) for row in found.findings if row.evidence}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        ("cliff", {("breaks", "epsilon")}),
        ("both", {("breaks", "alpha", "epsilon")}),
        ("better", {("improves", "alpha")}),
        ("nothing", set()),
    ],
)
def test_what_breaks_and_what_improves_are_told_apart(truth: str, expected: set[tuple[str, ...]], seed: int) -> None:
    found = matters(trials(truth, seed), SPACE, 32, True, CLEAN)
    assert evident(found) == expected
    assert found.points == 32
    lost = {t.number for t in trials(truth, seed) if value_of(t.params, truth) < CLEAN}
    assert len(lost ^ set(found.broken)) <= 1
    for row in found.findings:
        assert 0 <= row.low <= row.share <= row.high <= 1
        assert row.evidence == (row.share > row.floor)
        assert row.name == " and ".join(row.settings)


def test_every_setting_has_a_row_for_each_question_that_could_be_asked() -> None:
    found = matters(trials("cliff"), SPACE, 32, True, CLEAN).findings
    for question in ("breaks", "improves"):
        assert {row.settings for row in found if row.question == question} > {("K",), ("alpha",), ("epsilon",)}
    assert {row.question for row in matters(trials("nothing"), SPACE, 32, True, CLEAN).findings} == {"improves"}


def test_the_direction_turns_everything_over() -> None:
    higher = matters(trials("cliff"), SPACE, 32, True, CLEAN)
    lower = matters(trials("cliff", sign=-1.0), SPACE, 32, False, -CLEAN)
    assert lower.findings == higher.findings
    assert lower.broken == higher.broken
    assert lower.noise == higher.noise


def test_trials_that_a_sampler_chose_do_not_make_a_setting_important() -> None:
    study = optuna.create_study()
    study.add_trials(trials("cliff"))
    for index in range(40):  # a sampler that stays below the cliff, where it follows another setting by chance
        params = design_point(SPACE, 1, index) | {"epsilon": 0.1}
        value = CLEAN + 0.5 * (params["alpha"] > 0.2) + np.random.default_rng(index).normal()
        study.add_trial(create_trial(params=params, distributions=SPACE, value=value))
    assert evident(matters(study.get_trials(), SPACE, 32, True, CLEAN)) == {("breaks", "epsilon")}


def test_taken_trials_are_not_of_the_even_design() -> None:
    mine = trials("better")
    whole = matters(mine, SPACE, 32, True, CLEAN)
    for trial in mine[:16]:
        trial.user_attrs[TAKEN] = {"study": "old", "trial": 1}
    assert matters(mine, SPACE, 32, True, CLEAN).findings != whole.findings


def test_the_strength_of_the_attack_is_a_setting_of_its_own() -> None:
    mine = trials("nothing")
    for number, trial in enumerate(mine):
        strength = 0.001 * (1 + number * 7 % 32)
        trial.user_attrs["diagnostics"] = {"relative": strength}
        trial.value = CLEAN + (6 if strength > 0.02 else 0) + 0.3 * (trial.value - CLEAN)
    found = matters(mine, SPACE, 32, True, CLEAN)
    assert evident(found) == {("improves", "strength")}
    mine[3].user_attrs["diagnostics"] = {}
    del mine[4].user_attrs["diagnostics"]
    mine[5].user_attrs["diagnostics"]["relative"] = float("nan")
    assert ("improves", "strength") in evident(matters(mine, SPACE, 32, True, CLEAN))


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param([], id="no trial"),
        pytest.param(trials("cliff", count=7), id="few trials"),
        pytest.param(
            [create_trial(params=t.params, distributions=SPACE, value=0.5) for t in trials("cliff")], id="equal values"
        ),
        pytest.param(
            [create_trial(params=t.params, distributions=SPACE, state=TrialState.FAIL) for t in trials("cliff")], id="failed"
        ),
        pytest.param(
            [create_trial(params=t.params, distributions=SPACE, value=-1e6) for t in trials("cliff")], id="all broken"
        ),
    ],
)
def test_where_nothing_can_be_asked_nothing_is_said(odd: list[FrozenTrial]) -> None:
    assert matters(odd, SPACE, 32, True, CLEAN).findings == []


def test_one_setting_says_nothing() -> None:
    assert (
        matters(trials("cliff"), {"epsilon": SPACE["epsilon"], "K": IntDistribution(3, 3)}, 32, True, CLEAN).findings == []
    )


def test_diverged_trials_are_broken_and_choices_are_settings() -> None:
    space: Any = {"norm": CategoricalDistribution(["matrix", "token", None]), "rate": FloatDistribution(0, 1)}
    study = optuna.create_study()
    for index in range(32):
        params = design_point(space, 0, index)
        kept = {"value": 0.8 + 0.001 * np.random.default_rng(index).normal()}
        lost = {"state": TrialState.FAIL, "user_attrs": {"failure": "diverged: the training loss is nan in epoch 0"}}
        study.add_trial(create_trial(params=params, distributions=space, **(lost if params["norm"] == "token" else kept)))
    found = matters(study.get_trials(), space, 32, True, 0.8)
    assert evident(found) == {("breaks", "norm")}
    assert found.broken == [t.number for t in study.get_trials() if t.params["norm"] == "token"]


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
