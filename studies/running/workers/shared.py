"""The trials of a study, run by the workers of a crew: what one process does in ``run_trials``, said in one place."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from finetune.errors import UserError
from studies.running.loop import own_ended, refuse_hopeless, stopped_by, terminable
from studies.running.patience import Outages, patient, through_outages
from studies.running.storage import storage_errors
from studies.running.workers.crew import Crew, Event
from studies.running.workers.worker import Task, Worker

Say = Callable[[str], None]


def run_clean(crew: Crew, task: Task, on_event: Callable[[Event], None], say: Say) -> None:
    """Have a crew train what comes before the trials; arguments as for ``run_shared``.

    Raises:
        UserError: Clean training fails, or no worker is left.
    """
    with ended_with(crew):
        for event in heard(crew, task, say):
            on_event(event)


def wait_for_one(crew: Crew, say: Say) -> None:
    """Wait until a worker is ready.

    Raises:
        UserError: No worker is left.
    """
    run_clean(crew, nothing, lambda event: None, say)


def nothing(worker: Worker) -> None:
    """A task that is done when a worker is ready."""


class Reading:
    """What the process that has the workers reads of the study; a read whose connection breaks is done again.

    Args:
        study: The study.
        storage: Its database.
        say: Called with a line when a connection broke.
    """

    def __init__(self, study: optuna.Study, storage: RDBStorage, say: Callable[[str], None]) -> None:
        self.study, self.storage, self.say = study, storage, say
        self._ended = len(own_ended(study))

    def trial(self, trial_id: int) -> FrozenTrial:
        """A trial as it is stored."""
        found = list[FrozenTrial]()
        self._through(lambda: found.append(self.storage.get_trial(trial_id)))
        return found[0]

    def refuse_hopeless(self) -> None:
        """Stop a search whose first trials all failed.

        Raises:
            UserError: They all failed.
        """
        self._through(self._look)

    def _look(self) -> None:
        refuse_hopeless(self.study, self._ended)
        self._ended = len(own_ended(self.study))

    def _through(self, read: Callable[[], None]) -> None:
        through_outages(read, lambda: None, self.say)


def run_shared(
    crew: Crew,
    task: Task,
    study: optuna.Study,
    storage: RDBStorage,
    on_finished: Callable[[FrozenTrial], None],
    on_event: Callable[[Event], None],
    say: Say,
    callbacks: Sequence[Callable[[optuna.Study, FrozenTrial], None]] = (),
) -> bool:
    """Have a crew run the trials of a study.

    Args:
        crew: The workers.
        task: What each of them does: ``run_trials`` with this study.
        study: The study.
        storage: Its database.
        on_finished: Called with every finished trial.
        on_event: Called with every evaluation.
        say: Called with lines of the workers.
        callbacks: Optuna callbacks, called here; if one calls ``study.stop()``, trials under way are finished.

    Returns:
        Whether a callback stopped it.

    Raises:
        KeyboardInterrupt: On Ctrl-C or SIGTERM; all workers have ended then.
        UserError: The database or the disk failed, every trial fails, or no worker is left.
    """
    stopped, reading = False, Reading(study, storage, say)
    with storage_errors(str(storage.url)), terminable(), patient(Outages(storage.engine, say)), ended_with(crew):
        for event in heard(crew, task, say):
            match event:
                case ("finished", int(trial_id)):
                    on_finished(reading.trial(trial_id))
                    stops = stopped_by(callbacks, study, trial_id)
                    if stops and not stopped:
                        crew.finish()
                    stopped |= stops
                    reading.refuse_hopeless()
                case _:
                    on_event(event)
    return stopped


def heard(crew: Crew, task: Task, say: Say) -> Iterator[Event]:
    """What workers report besides lines; what several of them say is said once, what they print is always shown.

    Raises:
        UserError: A worker refuses to go on.
    """
    said = set[str]()
    for event in crew.run(task):
        match event:
            case ("say", str(text)):
                if text not in said:
                    say(text)
                said.add(text)
            case ("output", str(text)):
                say(text)
            case ("refused", str(text)):
                raise UserError(text)
            case _:
                yield event


@contextmanager
def ended_with(crew: Crew) -> Iterator[None]:
    """If this ends early, so do the workers."""
    try:
        yield
    except BaseException:
        crew.close()
        raise
