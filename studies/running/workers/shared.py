"""The trials of a study, run by the workers of a crew: what one process does in ``run_trials``, said in one place."""

from collections.abc import Callable, Sequence

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from finetune.errors import UserError
from studies.running.loop import own_ended, refuse_hopeless, stopped_by, terminable
from studies.running.patience import Outages, patient
from studies.running.storage import storage_errors
from studies.running.workers.crew import Crew, Event
from studies.running.workers.worker import Task


def run_clean(crew: Crew, task: Task, on_event: Callable[[Event], None], say: Callable[[str], None]) -> None:
    """Have a crew train what comes before the trials; arguments as for ``run_shared``.

    Raises:
        UserError: Clean training fails, or no worker is left.
    """
    said = set[str]()
    try:
        for event in crew.run(task):
            match event:
                case ("say", str(text)):
                    if text not in said:
                        say(text)
                    said.add(text)
                case ("refused", str(text)):
                    raise UserError(text)
                case _:
                    on_event(event)
    except BaseException:
        crew.close()
        raise


def run_shared(
    crew: Crew,
    task: Task,
    study: optuna.Study,
    storage: RDBStorage,
    on_finished: Callable[[FrozenTrial], None],
    on_event: Callable[[Event], None],
    say: Callable[[str], None],
    callbacks: Sequence[Callable[[optuna.Study, FrozenTrial], None]] = (),
) -> None:
    """Have a crew run the trials of a study.

    Args:
        crew: The workers.
        task: What each of them does: ``run_trials`` with this study.
        study: The study.
        storage: Its database.
        on_finished: Called with every finished trial.
        on_event: Called with every evaluation.
        say: Called with lines of the workers; one that several of them say is said once.
        callbacks: Optuna callbacks, called here; if one calls ``study.stop()``, trials under way are finished.

    Raises:
        KeyboardInterrupt: On Ctrl-C or SIGTERM; all workers have ended then.
        UserError: The database or the disk failed, every trial fails, or no worker is left.
    """
    said, stopped, ended = set[str](), False, len(own_ended(study))
    try:
        with storage_errors(str(storage.url)), terminable(), patient(Outages(storage.engine, say)):
            for event in crew.run(task):
                match event:
                    case ("say", str(text)):
                        if text not in said:
                            say(text)
                        said.add(text)
                    case ("refused", str(text)):
                        raise UserError(text)
                    case ("finished", int(trial_id)):
                        on_finished(storage.get_trial(trial_id))
                        stops = stopped_by(callbacks, study, trial_id)
                        if stops and not stopped:
                            crew.finish()
                        stopped |= stops
                        refuse_hopeless(study, ended)
                        ended = len(own_ended(study))
                    case _:
                        on_event(event)
    except BaseException:
        crew.close()
        raise
