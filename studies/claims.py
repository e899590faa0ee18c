"""Which process works on which trial, so that a killed one's trial is taken up and a living one's is left alone.

A process holds a lock file for as long as it lives (the system frees it when the process is killed) and writes its
name into the trials that it takes.
"""

import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

OWNER = "owner"
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class Claims:
    """The claims of this process in one study's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "locks"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._gate = FileLock(self.folder / "gate")
        self._mine = FileLock(self.folder / uuid.uuid4().hex)

    @contextmanager
    def held(self) -> Iterator["Claims"]:
        """Hold this process's lock."""
        try:
            with self._mine:
                yield self
        finally:
            Path(self._mine.lock_file).unlink(missing_ok=True)

    def take(self, study: optuna.Study, storage: BaseStorage, total: int) -> Trial | None:
        """The next trial, a waiting one first; None when ``total`` are finished or under way."""
        with self._gate:
            self._sweep(study, storage)
            trials = study.get_trials(deepcopy=False)
            busy = sum(t.state in FINISHED or t.state is TrialState.RUNNING for t in trials)
            if busy >= total:
                return None
            trial = study.ask()
            trial.set_user_attr(OWNER, [socket.gethostname(), str(self._mine.lock_file)])
            return trial

    def _sweep(self, study: optuna.Study, storage: BaseStorage) -> None:
        """Let the trials of dead processes wait to be taken up: same number, same settings, from their last epoch."""
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if self._dead(trial):
                wait(trial._trial_id, storage)

    def _dead(self, trial: FrozenTrial) -> bool:
        host, lock = trial.user_attrs.get(OWNER, (None, ""))
        if host is None:
            return True
        if host != socket.gethostname() or lock == str(self._mine.lock_file):
            return False
        if not Path(lock).exists():
            return True
        try:
            with FileLock(lock, timeout=0):
                pass
        except Timeout:
            return False
        Path(lock).unlink(missing_ok=True)
        return True


def wait(trial_id: int, storage: BaseStorage) -> None:
    """Put an unfinished trial back."""
    storage.set_trial_state_values(trial_id, TrialState.WAITING)
