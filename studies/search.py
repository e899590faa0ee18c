"""One search: the loop that asks, trains and tells until the study has its trials, and leaves it whole when stopped."""

import errno
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from finetune.errors import UserError, first_line
from studies.claims import FINISHED, Claims, wait
from studies.objective import Failed
from studies.pruning import make_pruner
from studies.sampling import PhasedSampler
from studies.storage import storage_errors

# When the first so many trials all fail, the next will too.
HOPELESS = 5


@dataclass(frozen=True)
class Options:
    """How to search.

    Args:
        trials: The study's total of finished trials.
        explore: Trials of the first phase.
        seed: Of sampler and training.
        sampler: One of ``sampling.SAMPLERS``.
        pruner: One of ``pruning.PRUNERS``.
        timeout: Seconds after which no new trial is begun.
    """

    trials: int
    explore: int
    seed: int = 0
    sampler: str = "tpe"
    pruner: str = "median"
    timeout: float | None = None


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that are complete, pruned or failed."""
    return study.get_trials(deepcopy=False, states=FINISHED)


def prepare(study: optuna.Study, options: Options, space: Any, starts: list[dict[str, Any]], start_epoch: int) -> None:
    """Give the study its sampler and pruner."""
    study.sampler = PhasedSampler(space, starts, options.explore, options.seed, options.sampler)
    study.pruner = make_pruner(options.pruner, options.explore, start_epoch)


def run_trials(
    study: optuna.Study,
    storage: RDBStorage,
    folder: Path,
    objective: Callable[[Trial], float],
    options: Options,
    on_finished: Callable[[FrozenTrial], None] = lambda trial: None,
) -> None:
    """Run trials until the study has ``options.trials`` finished ones, or the time is up.

    Args:
        study: With its sampler and pruner.
        storage: That of the study.
        folder: For locks.
        objective: Returns the trial's value; raises TrialPruned or Failed.
        options: How many, how long.
        on_finished: Told of every finished trial.

    Raises:
        KeyboardInterrupt: On Ctrl-C or SIGTERM; the trial under way waits to be taken up.
        UserError: The database or the disk failed, or every trial does.
    """
    end = float("inf") if options.timeout is None else time.monotonic() + options.timeout
    with storage_errors(str(storage.url)), terminable(), Claims(folder).held() as claims:
        while time.monotonic() < end:
            trial = claims.take(study, storage, options.trials)
            if trial is None:
                return
            run_trial(study, storage, trial, objective)
            on_finished(storage.get_trial(trial._trial_id))
            refuse_hopeless(study)


def run_trial(study: optuna.Study, storage: RDBStorage, trial: Trial, objective: Callable[[Trial], float]) -> None:
    """Run one trial and tell how it ended.

    Raises:
        UserError: The disk is full or cannot be written; the trial waits.
    """
    try:
        value = objective(trial)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except Failed as error:
        fail(study, trial, str(error))
    except (KeyboardInterrupt, UserError, optuna.exceptions.StorageInternalError, sqlalchemy.exc.SQLAlchemyError):
        wait(trial._trial_id, storage)
        raise
    except OSError as error:
        wait(trial._trial_id, storage)
        hint = "free some space" if error.errno == errno.ENOSPC or "space" in str(error) else "look at --out"
        reason = str(error).removeprefix("cannot write ")
        raise UserError(f"cannot write {reason}; {hint} and run the same command again") from None
    except Exception as error:  # whatever a trial raises is stored with its settings, and the search goes on
        fail(study, trial, f"{type(error).__name__}: {first_line(error)}")
    else:
        study.tell(trial, value)
    clean_up = getattr(objective, "clean_up", None)
    if clean_up is not None:
        clean_up(trial)


def fail(study: optuna.Study, trial: Trial, reason: str) -> None:
    """Store why a trial has no value."""
    trial.set_user_attr("failure", reason)
    study.tell(trial, state=TrialState.FAIL)


def refuse_hopeless(study: optuna.Study) -> None:
    """Stop a search whose first trials all failed.

    Raises:
        UserError: They did; says why.
    """
    trials = finished(study)
    if len(trials) == HOPELESS and all(trial.state is TrialState.FAIL for trial in trials):
        raise UserError(f"the first {HOPELESS} trials all failed; the last: {trials[-1].user_attrs.get('failure')}")


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end the search as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # only the main thread may set handlers; elsewhere the caller ends us
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
