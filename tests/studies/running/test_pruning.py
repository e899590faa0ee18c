import math

import optuna
import pytest

from studies.running.loop import Options, prepare
from studies.running.pruning import AT_LEAST, make_pruner

EXPLORE = 20
EPOCHS = 6


def curve(final: float, start: int) -> list[float]:
    """Rises to ``final``; the attack costs a dip that heals, deeper the earlier it starts."""
    return [final - 0.3 * 0.5**epoch - (0.2 * 0.3 ** (epoch - start) if epoch >= start else 0) for epoch in range(EPOCHS)]


def run(study: optuna.Study, values: list[float], start: int | None) -> int | None:
    """The epoch of pruning, or None."""
    trial = study.ask()
    if start is not None:
        trial.suggest_int("start_epoch", start, start)
    for epoch, value in enumerate(values):
        trial.report(value, epoch)
        if epoch + 1 < EPOCHS and trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return epoch
    study.tell(trial, values[-1])
    return None


def explored(name: str = "median", sign: int = 1) -> optuna.Study:
    direction = "maximize" if sign > 0 else "minimize"
    study = optuna.create_study(direction=direction, pruner=make_pruner(name, EXPLORE))
    for number in range(EXPLORE):
        start = number % (EPOCHS - 1)
        values = [sign * value for value in curve(0.5 + 0.02 * (7 * number % EXPLORE), start)]
        assert run(study, values, start) is None
    return study


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("start", range(EPOCHS - 1))
def test_a_hopeless_trial_is_stopped_as_soon_as_enough_were_attacked_by_then(start: int, sign: int) -> None:
    # Four explored trials began at each epoch, and a forecast takes eight.
    stopped = run(explored(sign=sign), [sign * value for value in curve(0.2, start)], start)
    assert stopped == max(1, start)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("start", range(EPOCHS - 1))
def test_a_good_trial_survives_the_dip_of_its_start(start: int, sign: int) -> None:
    assert run(explored(sign=sign), [sign * value for value in curve(0.8, start)], start) is None


def test_a_stock_median_would_stop_it() -> None:
    study = explored()
    study.pruner = optuna.pruners.MedianPruner()
    assert run(study, curve(0.8, 0), 0) == 0


def test_a_fixed_start_counts_as_well() -> None:
    study = optuna.create_study(direction="maximize", pruner=make_pruner("median", EXPLORE, start_epoch=3))
    for number in range(EXPLORE):
        assert run(study, curve(0.5 + 0.02 * number, 3), None) is None
    assert run(study, curve(0.2, 3), None) == 3


def test_the_exploration_phase_is_never_pruned() -> None:
    study = optuna.create_study(direction="maximize", pruner=make_pruner("median", 60))
    finals = [0.9, 0.8, 0.7] * 10 + [0.0] * 20
    assert all(run(study, curve(final, 0), 0) is None for final in finals)


def test_few_finished_trials_prune_nothing() -> None:
    study = optuna.create_study(direction="maximize", pruner=make_pruner("median", 0))
    for number in range(AT_LEAST - 1):
        assert run(study, curve(0.5 + 0.02 * number, 0), 0) is None
    assert run(study, curve(0.0, 0), 0) is None


def test_none_prunes_nothing() -> None:
    assert run(explored("none"), curve(0.0, 0), 0) is None


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("value", "stopped"), [(0.39, False), (0.36, True)])
def test_the_spread_of_few_trials_is_that_of_their_residuals_over_what_the_line_leaves_free(
    value: float, stopped: bool, sign: int
) -> None:
    """Ends lie 0.1 above and below the line ``end = value``: over 8 trials less 3 coefficients sqrt(8 * 0.01 / 5) = 0.126.

    The median end is 0.5: a forecast of 0.39 may reach it, one of 0.36 may not. Over all 8 the spread would be 0.1.
    """
    study = optuna.create_study(direction="maximize" if sign > 0 else "minimize", pruner=make_pruner("median", 8))
    for seen in (0.2, 0.4, 0.6, 0.8):
        for end in (seen - 0.1, seen + 0.1):
            assert run(study, [sign * seen] + [sign * end] * (EPOCHS - 1), 0) is None
    trial = study.ask()
    trial.suggest_int("start_epoch", 0, 0)
    trial.report(sign * value, 0)
    assert trial.should_prune() is stopped


@pytest.mark.parametrize("epochs", [4, 5, 6, 9, 12])
@pytest.mark.parametrize("sign", [1, -1])
def test_where_epochs_are_searched_long_and_short_trials_are_judged_alike(epochs: int, sign: int) -> None:
    def rising(study: optuna.Study, epochs: int, last: float) -> bool:
        """Whether a run is stopped that has won nearly all of its value at the same share of its epochs, however many."""
        trial = study.ask()
        trial.suggest_int("epochs", epochs, epochs)
        for epoch in range(epochs):
            value = sign * (last - 0.3 * math.exp(-4 * (epoch + 1) / epochs))
            trial.report(value, epoch)
            if epoch + 1 < epochs and trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                return True
        study.tell(trial, value)
        return False

    study = optuna.create_study(direction="maximize" if sign > 0 else "minimize", pruner=make_pruner("median", EXPLORE))
    for number in range(EXPLORE):
        assert not rising(study, 3 + number % 10, 0.6 + 0.01 * (7 * number % EXPLORE))
    assert rising(study, epochs, 0.65)
    assert not rising(study, epochs, 0.75)


PER, STEP = 3, 0.3333333333


def often(study: optuna.Study, final: float, start: float) -> int | None:
    """The evaluation of pruning, with three in an epoch: the curve of whole epochs, read between them."""

    def at(epochs: float) -> float:
        return final - 0.3 * 0.5 ** (epochs - 1) - (0.2 * 0.3 ** (epochs - 1 - start) if epochs > start else 0)

    trial = study.ask()
    trial.suggest_float("start_epoch", 0, 15 * STEP, step=STEP)
    for number in range(PER * EPOCHS):
        trial.report(at((number + 1) / PER), number)
        if number + 1 < PER * EPOCHS and trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return number
    study.tell(trial, at(EPOCHS))
    return None


@pytest.mark.parametrize("thirds", [0, 1, 3, 5, 8])
def test_with_several_evaluations_an_epoch_a_trial_is_stopped_after_one_attacked_epoch(thirds: int) -> None:
    study = optuna.create_study(direction="maximize", pruner=make_pruner("median", EXPLORE, per=PER))
    for number in range(EXPLORE):
        begins = (number * 2) % 10
        study.enqueue_trial({"start_epoch": begins * STEP})
        assert often(study, 0.5 + 0.02 * (7 * number % EXPLORE), begins / PER) is None
    study.enqueue_trial({"start_epoch": thirds * STEP})
    stopped = often(study, 0.2, thirds / PER)
    # Among those that were explored, eight had begun by then, each with an attacked epoch.
    begun = sorted((number * 2) % 10 for number in range(EXPLORE))
    assert stopped == max(thirds, begun[AT_LEAST - 1]) + PER - 1
    study.enqueue_trial({"start_epoch": thirds * STEP})
    assert often(study, 0.8, thirds / PER) is None


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("value", "stopped"), [(0.39, False), (0.38, True)])
def test_a_trial_of_several_runs_is_judged_by_what_its_runs_so_far_are_worth(value: float, stopped: bool, sign: int) -> None:
    """Each run has its whole attack, whenever that starts; over 8 trials less 2 coefficients sqrt(8 * 0.01 / 6) = 0.115."""
    study = optuna.create_study(direction="maximize" if sign > 0 else "minimize")
    prepare(study, Options(20, 8, pruner="median", runs=3), {}, [], 5)
    for seen in (0.2, 0.4, 0.6, 0.8):
        for end in (seen - 0.1, seen + 0.1):
            assert run(study, [sign * (1 - seen), sign * seen, sign * end], None) is None
    trial = study.ask()
    trial.report(sign * 0.5, 0)
    assert not trial.should_prune()  # the first run says nothing: the trials that were worst then are the best
    trial.report(sign * value, 1)
    assert trial.should_prune() is stopped
