from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.stats.qmc import Sobol

from spaces import SPACES, Space, space_of
from studies.planning.part import WHOLE, Part
from studies.running.sampling import SAMPLERS, PhasedSampler, at, design_point, random_point

SPACE = {
    "epsilon": FloatDistribution(0.05, 5.0, log=True),
    "K": IntDistribution(2, 5),
    "combine": CategoricalDistribution(("mean", "sum")),
}
START = {"epsilon": 1.0, "K": 3, "combine": "mean"}
UNIT = st.floats(0, 1, exclude_max=True)


def ask(study: optuna.Study) -> optuna.Trial:
    trial = study.ask()
    trial.suggest_float("epsilon", 0.05, 5.0, log=True)
    trial.suggest_int("K", 2, 5)
    trial.suggest_categorical("combine", ("mean", "sum"))
    return trial


def value(params: dict[str, Any]) -> float:
    return params["epsilon"] * params["K"] + (params["combine"] == "sum")


def searched(name: str, trials: int, parts: tuple[int, ...] = (), part: Part = WHOLE) -> list[dict[str, Any]]:
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="x")
    for number in range(trials):
        if number in (0, *parts):  # a new process: nothing but the storage is kept
            study = optuna.load_study(study_name="x", storage=storage)
            study.sampler = PhasedSampler(SPACE, [START], 4, 7, name, part)
        trial = ask(study)
        study.tell(trial, value(trial.params))
    return [trial.params for trial in study.get_trials()]


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_interrupted_search_draws_the_same_settings(name: str) -> None:
    assert searched(name, 9) == searched(name, 9, parts=(1, 3, 4, 7, 8))


@pytest.mark.parametrize(("name", "trials"), [("sobol", 9), ("random", 9), ("tpe", 4), ("gp", 4)])
def test_the_parts_of_a_search_draw_its_settings_between_them(name: str, trials: int) -> None:
    parts = [searched(name, part.below(trials), part=part) for part in (Part(1, 3), Part(2, 3), Part(3, 3))]
    assert [parts[number % 3][number // 3] for number in range(trials)] == searched(name, trials)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_first_trial_has_the_defaults_and_no_two_are_alike(name: str) -> None:
    trials = searched(name, 9)
    assert trials[0] == START
    assert len({tuple(trial.values()) for trial in trials}) == 9


def test_another_seed_draws_other_settings() -> None:
    assert design_point(SPACE, 1, 0) != design_point(SPACE, 2, 0)
    assert random_point(SPACE, 1, 5) != random_point(SPACE, 2, 5)


def test_settings_of_a_random_trial_are_independent_of_each_other() -> None:
    space = {"a": FloatDistribution(0, 1), "b": FloatDistribution(0, 1)}
    points = [random_point(space, 0, number) for number in range(50)]
    assert all(point["a"] != point["b"] for point in points)


def test_the_design_fills_every_eighth_of_a_range() -> None:
    space = {"a": FloatDistribution(0, 8), "b": FloatDistribution(0, 8)}
    points = [design_point(space, 3, index) for index in range(32)]
    for name in space:
        cells = [int(point[name]) for point in points]
        assert sorted(set(cells)) == list(range(8))
        assert max(map(cells.count, range(8))) <= 5


@given(UNIT)
def test_every_position_gives_a_value_of_the_distribution(u: float) -> None:
    distributions = [dist for name in SPACES for dist in space_of(name, 6).values()]
    extra = [IntDistribution(1, 64, log=True), FloatDistribution(0, 1, step=0.25), IntDistribution(0, 10, step=5)]
    for distribution in [*distributions, *extra, SPACE["combine"]]:
        drawn = at(distribution, u)
        assert distribution._contains(distribution.to_internal_repr(drawn))


def test_whole_numbers_are_drawn_evenly() -> None:
    drawn = [at(IntDistribution(2, 5), i / 100) for i in range(100)]
    assert [drawn.count(k) for k in (2, 3, 4, 5)] == [25, 25, 25, 25]


def test_log_ranges_are_even_in_logarithms() -> None:
    assert at(FloatDistribution(1e-4, 1.0, log=True), 0.5) == pytest.approx(1e-2)


@pytest.mark.parametrize("name", ["tpe", "gp", "sobol"])
def test_the_design_begins_with_its_first_point_behind_the_starting_points(name: str) -> None:
    points = Sobol(3, rng=7).random(4)  # scrambled with the study's seed; settings in the order of their names
    expected = [
        {"K": 2 + int(4 * k), "combine": ("mean", "sum")[int(2 * c)], "epsilon": pytest.approx(0.05 * 100**e)}
        for k, c, e in points
    ]
    assert searched(name, 4)[1:] == expected[:3]


@pytest.mark.parametrize("name", ["tpe", "gp"])
def test_a_model_is_asked_as_soon_as_five_trials_are_finished(name: str) -> None:
    trials = searched(name, 7)
    assert trials[4] == random_point(SPACE, 7, 4)
    assert all(trials[number] != random_point(SPACE, 7, number) for number in (5, 6))


def beside_others(space: Space, name: str, many: int, trials: int) -> list[dict[str, Any]]:
    """A search of which so many trials run at once: the one that began first ends first."""
    study = optuna.create_study(sampler=PhasedSampler(space, [], 6, 7, name))
    running = list[optuna.Trial]()
    for _ in range(trials):
        trial = study.ask(space)
        running.append(trial)
        if len(running) == many:
            study.tell(done := running.pop(0), float(sum(done.params.values())))
    return [trial.params for trial in study.get_trials()]


@pytest.mark.parametrize(("name", "many"), [("tpe", 2), ("tpe", 8), ("gp", 2)])
def test_trials_that_run_at_once_never_get_settings_that_another_has(name: str, many: int) -> None:
    small = {"K": IntDistribution(1, 6), "n": IntDistribution(1, 5)}
    trials = 20 if name == "tpe" else 9
    drawn = [tuple(params.values()) for params in beside_others(small, name, many, trials)]
    design, model = drawn[:6], drawn[6:]
    assert len({*model} - {*design}) == len(model)
    # The design and what one process draws are as they always were.
    alone = [tuple(params.values()) for params in beside_others(small, name, 1, 7)]
    assert drawn[:6] == alone[:6]


def test_a_space_with_fewer_points_than_trials_is_searched_all_the_same() -> None:
    two = {"K": IntDistribution(1, 2)}
    assert {params["K"] for params in beside_others(two, "tpe", 3, 12)} == {1, 2}


def test_a_trial_waits_for_the_settings_of_those_before_it_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    space: Space = {"K": IntDistribution(1, 9)}
    study = optuna.create_study(sampler=PhasedSampler(space, [], 1, 7, "tpe"))
    study.tell(study.ask(space), 1.0)
    first, slept = study.ask(), list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:  # by then its process has stored them
            first.suggest_int("K", 1, 9)

    monkeypatch.setattr("studies.running.sampling.time.sleep", sleep)
    second = study.ask()
    drawn = {second.suggest_int("K", 1, 9), first.params["K"]}
    assert (len(drawn), len(slept)) == (2, 3)
    study.ask()  # its process is killed before it has any
    monkeypatch.setattr("studies.running.sampling.DRAWING", 0.05)
    assert study.ask().suggest_int("K", 1, 9) not in drawn
    assert len(slept) > 3
