"""One search: ask, train and tell until the study has its trials. If it is stopped, the study stays consistent."""

import errno
import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from finetune.arguments import arg
from finetune.errors import UserError, first_line
from finetune.words import counted
from spaces import Space
from studies.planning.part import WHOLE, Part
from studies.running.claims import FINISHED, Claims, Lost
from studies.running.foreign import enqueued, left_out, strange, taken
from studies.running.objective import Failed
from studies.running.patience import patient, through_outages
from studies.running.pruning import make_pruner
from studies.running.sampling import PhasedSampler
from studies.running.storage import storage_errors
from studies.running.two_metrics import Value

# If the first five trials all fail, the next ones will too.
HOPELESS = 5
# Seconds between two looks at the trials of processes that give no sign of life.
LOOK_AGAIN = 1.0


@dataclass(frozen=True)
class Options:
    """How to search.

    Args:
        trials: The study's total of finished trials.
        explore: Trials of the first phase.
        seed: Seed of sampler and training.
        sampler: One of ``sampling.SAMPLERS``.
        pruner: One of ``pruning.PRUNERS``.
        timeout: Seconds after which no new trial is begun.
        whole: Whether to wait until all trials are finished, also those that other processes run.
        runs: Runs of a trial: with several, its steps are its runs.
        part: Which part of a search this is; ``explore`` is that of the whole search.
    """

    trials: int
    explore: int
    seed: int = 0
    sampler: str = "tpe"
    pruner: str = "median"
    timeout: float | None = None
    whole: bool = False
    runs: int = 1
    part: Part = WHOLE

    def since(self, began: float) -> "Options":
        """The options with the time that is left, for a search that began at this time of day."""
        left = None if self.timeout is None else max(0.0, self.timeout - (time.time() - began))
        return replace(self, timeout=left)


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that are complete, pruned or failed."""
    return study.get_trials(deepcopy=False, states=FINISHED)


def prepare(
    study: optuna.Study, options: Options, space: Space, starts: list[dict[str, Any]], start_epoch: float, per: int = 1
) -> None:
    """Give the study its sampler and pruner; ``per``: evaluations in an epoch."""
    declare(study, space)
    study.sampler = PhasedSampler(space, starts, options.explore, options.seed, options.sampler, options.part)
    study.pruner = make_pruner(options.pruner, options.part.below(options.explore), start_epoch, per, options.runs)


def declare(study: optuna.Study, space: Space) -> None:
    """Make the study use the declared space, whatever distributions trials were added with.

    Optuna refuses a distribution of another kind than the first trial had, and any program may have added that trial.
    """
    if isinstance(study._storage, _CachedStorage):
        study.get_trials(deepcopy=False)
        study._storage._studies[study._study_id].param_distribution.update(space)


def run_trials(
    study: optuna.Study,
    storage: RDBStorage,
    objective: Callable[[Trial], Value],
    options: Options,
    on_finished: Callable[[FrozenTrial], None] = lambda trial: None,
    say: Callable[[str], None] = print,
    callbacks: Sequence[Callable[[optuna.Study, FrozenTrial], None]] = (),
) -> None:
    """Run trials until the study has ``options.trials`` finished ones, or the time is up.

    Args:
        study: The study, with its sampler and pruner.
        storage: The study's storage.
        objective: Returns the trial's value, or one for each of two metrics; raises TrialPruned or Failed.
        options: How many trials, and how long.
        on_finished: Called with every finished trial.
        say: Called with a line about trials that other processes left or took.
        callbacks: Optuna callbacks, called after every trial of this process; they may call ``study.stop()``.

    Raises:
        KeyboardInterrupt: On Ctrl-C or SIGTERM; the next search continues the interrupted trial.
        UserError: The database or the disk failed, the study was deleted, or every trial fails.
    """
    end = float("inf") if options.timeout is None else time.monotonic() + options.timeout
    with storage_errors(str(storage.url)), terminable(), Claims(study, storage, say).held() as claims:

        def work() -> None:
            for trial in trials_of(claims, options.trials, end, options.whole, help_of(objective, study, say)):
                for words in strangeness(trial, getattr(study.sampler, "space", {})):
                    say(f"trial {trial.number} was enqueued: {words}")
                try:
                    run_trial(trial, objective, claims)
                except Lost as lost:
                    say(f"trial {trial.number} is left to others: {lost}")
                else:
                    forget(trial, objective)
                    on_finished(study._storage.get_trial(trial._trial_id))
                    if stopped_by(callbacks, study, trial._trial_id):
                        say("a callback stopped the search; the same command goes on from here")
                        break
                    refuse_hopeless(study)
            say_unused(study, options, end, say)
            for done in finished(study):  # also trials that were begun here and finished elsewhere
                forget(done, objective)

        with patient(claims.outages):
            through_outages(work, claims.put_back, say)


def say_unused(study: optuna.Study, options: Options, end: float, say: Callable[[str], None]) -> None:
    """Say it if there are trials that wait, and the total is reached without them."""
    left = len(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
    if left and time.monotonic() < end:
        needed, now = arg("trials", len(finished(study)) + left), arg("trials", options.trials)
        say(f"{counted(left, 'more trial')} will not run, because of {now}: give {needed} or more")


def stopped_by(callbacks: Sequence[Callable[[optuna.Study, FrozenTrial], None]], study: optuna.Study, trial_id: int) -> bool:
    """Call Optuna callbacks as ``study.optimize`` does; return whether one of them called ``study.stop()``."""
    study._stop_flag, study._thread_local.in_optimize_loop = False, True
    try:
        for callback in callbacks:
            callback(study, study._storage.get_trial(trial_id))
    finally:
        study._thread_local.in_optimize_loop = False
    return study._stop_flag


def forget(trial: Trial | FrozenTrial, objective: Callable[[Trial], Value]) -> None:
    """Let an objective delete the files of a finished trial, if it keeps any."""
    clean_up = getattr(objective, "clean_up", None)
    if clean_up is not None:
        clean_up(trial)


def strangeness(trial: Trial, space: Space) -> list[str]:
    """Sentences about the settings with which a trial was enqueued."""
    frozen = trial.storage.get_trial(trial._trial_id)
    given = enqueued(frozen) | frozen.params
    return [*strange(given, space), *left_out(frozen, space)] if enqueued(frozen) else []


def help_of(objective: Callable[[Trial], Value], study: optuna.Study, say: Callable[[str], None]) -> Callable[[], bool]:
    """What a process does that finds no trial to begin; returns False if there is nothing."""
    found = getattr(objective, "help", None)
    return (lambda: False) if found is None else lambda: bool(found(study, say))


def trials_of(
    claims: Claims, total: int, end: float, whole: bool = False, other: Callable[[], bool] = lambda: False
) -> Iterator[Trial]:
    """Yield trials to run until there are enough. Waits for trials of processes elsewhere that give no sign of life.

    Args:
        claims: Claims of this process.
        total: The study's total of trials.
        end: Begin no trial after this time.
        whole: Whether to wait for all trials of other processes.
        other: Called if no trial is left to begin: does a part of what other processes do, or returns False.
    """
    waiting = False
    while time.monotonic() < end:
        trial = claims.take(total)
        if trial is not None:
            yield trial
            waiting = False
            continue
        if other():
            continue
        left = max(0, total - len(finished(claims.study))) if whole else 0
        if not left and claims.settled():
            return
        if not waiting:
            longest = f"up to {claims.lease.total_seconds():.0f} s to see whether those elsewhere still run"
            what = f"for {counted(left, 'trial')} of other processes" if left else longest
            claims.say(f"no trial is left to begin; waiting {what}")
        waiting = True
        time.sleep(LOOK_AGAIN)


def run_trial(trial: Trial, objective: Callable[[Trial], Value], claims: Claims) -> None:
    """Run one trial and store how it ended.

    Raises:
        Lost: Another process has the trial, or has finished it.
        UserError: The disk is full or cannot be written, or the study was deleted.
    """
    value, state = None, None
    try:
        value = objective(trial)
        odd = [number for number in (value if isinstance(value, tuple) else (value,)) if not math.isfinite(number)]
        if odd:
            value, state = None, failed(trial, f"the metric is {odd[0]}")
    except optuna.TrialPruned:
        state = TrialState.PRUNED
    except Failed as error:
        state = failed(trial, str(error))
    except (Lost, UserError, optuna.exceptions.StorageInternalError, sqlalchemy.exc.SQLAlchemyError):
        raise
    except OSError as error:
        full = error.errno == errno.ENOSPC or "space" in str(error)
        hint = "free some space" if full else f"make {arg('out')} writable"
        reason = str(error).removeprefix("cannot write ")
        raise UserError(f"cannot write {reason}; {hint} and run the same command again") from None
    except Exception as error:  # any error of a trial is stored with it, and the search goes on
        state = failed(trial, f"{type(error).__name__}: {first_line(error)}")
    claims.finish(trial, value, state)


def failed(trial: Trial, reason: str) -> TrialState:
    """Store why a trial has no value."""
    trial.set_user_attr("failure", reason)
    return TrialState.FAIL


def refuse_hopeless(study: optuna.Study, before: int | None = None) -> None:
    """Stop a search whose first trials all failed.

    Args:
        study: The study.
        before: How many of its own trials had ended at the last look; by default one less than now.

    Raises:
        UserError: They all failed; the message gives the last reason.
    """
    trials = own_ended(study)
    before = len(trials) - 1 if before is None else before
    if before < HOPELESS <= len(trials) and all(trial.state is TrialState.FAIL for trial in trials):
        raise UserError(f"the first {len(trials)} trials all failed; the last: {trials[-1].user_attrs.get('failure')}")


def own_ended(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that the search drew itself and that have ended, as far as it is known how."""
    known = [trial for trial in finished(study) if not enqueued(trial) and not taken(trial)]
    return [trial for trial in known if trial.state is not TrialState.FAIL or "failure" in trial.user_attrs]


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end the search like Ctrl-C; a second one does not disturb the end, as a cluster may send several."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # only the main thread may set handlers
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
