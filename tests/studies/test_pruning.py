import optuna
import pytest

from studies.pruning import AT_LEAST, PRUNERS, make_pruner

EXPLORE = 6
EPOCHS = 6


def study_with_good_trials(name: str) -> optuna.Study:
    study = optuna.create_study(direction="maximize", pruner=make_pruner(name, EXPLORE))
    for _ in range(max(EXPLORE, AT_LEAST)):
        trial = study.ask()
        trial.suggest_int("start_epoch", 0, EPOCHS - 2)
        for epoch in range(EPOCHS):
            trial.report(0.9, epoch)
            assert not trial.should_prune()
        study.tell(trial, 0.9)
    return study


def epoch_of_pruning(study: optuna.Study, start: int | None) -> int | None:
    trial = study.ask()
    if start is not None:
        trial.suggest_int("start_epoch", start, start)
    for epoch in range(EPOCHS):
        trial.report(0.1, epoch)
        if trial.should_prune():
            return epoch
    return None


@pytest.mark.parametrize("start", range(EPOCHS - 1))
def test_a_hopeless_trial_is_stopped_after_its_attacks_first_epoch_and_not_before(start: int) -> None:
    assert epoch_of_pruning(study_with_good_trials("median"), start) == start


def test_a_fixed_start_counts_as_well() -> None:
    study = study_with_good_trials("median")
    study.pruner = make_pruner("median", EXPLORE, start_epoch=3)
    assert epoch_of_pruning(study, None) == 3


def test_the_exploration_phase_is_never_pruned() -> None:
    study = optuna.create_study(direction="maximize", pruner=make_pruner("median", 50))
    values = [0.9] * 20 + [0.0] * 20
    for value in values:
        trial = study.ask()
        trial.report(value, 0)
        assert not trial.should_prune()
        study.tell(trial, value)


def test_none_prunes_nothing() -> None:
    assert epoch_of_pruning(study_with_good_trials("none"), 0) is None


@pytest.mark.parametrize("name", PRUNERS)
def test_a_good_trial_goes_on(name: str) -> None:
    study = study_with_good_trials(name)
    trial = study.ask()
    for epoch in range(EPOCHS):
        trial.report(0.95, epoch)
        assert not trial.should_prune()
