"""The Python door: each command makes one of these calls. Slow imports wait until they are needed."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, overload

from finetune.arguments import arg
from finetune.config import checked
from finetune.errors import UserError
from studies.described import describe
from studies.planning.confirm_request import ConfirmRequest
from studies.planning.request import STORAGE, fields, request_of
from studies.report.screen import Screen

if TYPE_CHECKING:
    from studies.checking.look import Checked
    from studies.cleaning import Cleaning
    from studies.comparison import Comparison
    from studies.result import Result, Results
    from studies.running.looped import Run


@overload
def search(
    method: str | None = ..., *, progress: bool = ..., callbacks: Sequence[Any] = ..., **arguments: Any
) -> "Result": ...
@overload
def search(
    method: Sequence[str], *, progress: bool = ..., callbacks: Sequence[Any] = ..., **arguments: Any
) -> "Results": ...
def search(
    method: str | Sequence[str] | None = None, *, progress: bool = True, callbacks: Sequence[Any] = (), **arguments: Any
) -> "Result | Results":
    """Search adversarial-training settings. The same call again goes on where it stopped.

    Args:
        method: A name of ``adv.METHODS``, or several, searched one after the other on the same data; awp, if neither this
            nor ``config`` names one.
        progress: Whether to print progress.
        callbacks: Optuna callbacks, run as ``callback(study, trial)`` after every trial; ``study.stop()`` ends the search.
        **arguments: The command's options, with underscores in their names; ``help(search)`` lists them.

    Returns:
        The result. For several methods: a dict of results by method, with ``to_frame()`` and ``report()`` for all.

    Raises:
        UserError: An argument is wrong; the message says which one, and what would be right.
        KeyboardInterrupt: The search was stopped; nothing is lost.

    Example:
        >>> result = search("fgm", trials=2, epochs=1, max_train_rows=40, set={"combine": "sum"}, progress=False)
        >>> result.best.settings["combine"], result.metric, len(result.to_frame())
        ('sum', 'accuracy', 2)
    """
    from studies.onward import say_next

    screen = Screen.of(progress)
    found = searched({"method": method} | arguments, screen, callbacks)
    for result in found.values():
        say_next(result, screen)
    one = len(found) == 1 if method is None else isinstance(method, str) and method != "all"
    return next(iter(found.values())) if one else found


def searched(
    arguments: dict[str, Any],
    screen: Screen,
    callbacks: Sequence[Any] = (),
    on_result: "Callable[[Result], None]" = lambda result: None,
    on_confirmed: "Callable[[Result], None]" = lambda result: None,
) -> "Results":
    """The work that ``search`` and the command share.

    Args:
        arguments: Arguments of ``search``, by name.
        screen: Where progress is printed.
        callbacks: Optuna callbacks.
        on_result: Called when the search of a method is done.
        on_confirmed: Called when a method is confirmed, if that was asked for.
    """
    request = request_of(arguments)
    for line in request.notes:
        screen.say(line)
    from studies.planning.early import read_early, refuse_names

    request = refuse_names(request)
    from studies.onward import go_on_with_all, refuse_nothing

    refuse_nothing(request)
    from studies.running.storage import is_new, refuse_storage

    refuse_storage(request.output.storage)
    # In an existing database a different study can be refused before the data are read.
    task = read_early(request) if is_new(request.output.storage) else None
    from studies.searching import search_all  # takes seconds to import: cheap checks come first

    found = search_all(request, task, screen, callbacks, on_result)
    if request.running.confirm:
        go_on_with_all(request, found, screen, on_confirmed)
    return found


def load(storage: str = STORAGE, study: str | None = None, out: str = "runs") -> "Result":
    """The result of an existing study.

    Args:
        storage: Optuna storage URL.
        study: Its name; optional if the database has only one study.
        out: Folder for results.

    Raises:
        UserError: There is no such study.
    """
    from studies.result import read_result

    # No name for the study here: a failed import inside an import keeps this frame, and the database would stay open.
    return read_result(storage, study, out)


def compare(*studies: str, storage: str = STORAGE, out: str = "runs") -> "Comparison":
    """Compare studies of the same data, metric, model, recipe and seed.

    Args:
        *studies: Their names; without names, all studies of one task.
        storage: Optuna storage URL.
        out: Folder for results.

    Returns:
        ``to_frame()``, ``report(path)`` (one HTML page, and the table as CSV beside it), and a table in notebooks.

    Raises:
        UserError: There is no such study, or they cannot be compared; the message says what differs.
    """
    from studies.comparison import read_comparison

    return read_comparison(storage, studies, out)


def clean(
    *studies: str, everything: bool = False, yes: bool = False, storage: str = STORAGE, out: str = "runs"
) -> "Cleaning":
    """What studies could do without on disk; with ``yes`` it is deleted.

    That is what nothing needs any more: states of finished trials, clean epochs that finished studies shared, files that a
    killed process left half-written, and what was kept of trials that are not among the best any more. With
    ``everything`` also states of unfinished trials (a search that goes on trains these again), clean epochs that unfinished
    studies share, kept models and out-of-fold predictions. Nothing that a process uses is touched, nor what is not a
    search's own.

    Args:
        *studies: Their names; without names, all studies of the database.
        everything: Whether what is still good for something may go too.
        yes: Whether to delete it.
        storage: Optuna storage URL.
        out: Folder for results.

    Returns:
        ``to_frame()``, ``bytes`` that could go, and ``freed`` bytes.

    Raises:
        UserError: There is no such study, or another program made it.
    """
    from studies.cleaning import cleaned

    return cleaned(storage, studies, out, everything, yes)


def confirm(
    study: str | None = None,
    *,
    train: "Callable[[Run], float | None] | None" = None,
    storage: str = STORAGE,
    out: str = "runs",
    seeds: int = 30,
    race: int = 12,
    smallest: float | None = None,
    parts: int = 8,
    against: str | Sequence[str] = ("clean",),
    workers: int = 1,
    launcher: str = "local",
    progress: bool = True,
) -> "Result":
    """Find out whether the best of a search is really better: the same call again goes on where it stopped.

    The best configurations race on fresh seeds. The winner is then compared with clean training, and with its control, on
    seeds of their own, until the verdict is decided. The test split is read once, at the end.

    Args:
        study: Name of the searched study; optional if the database has only one.
        train: Your own loop, for a study of ``tune``.
        storage: Optuna storage URL.
        out: Folder for results.
        seeds: The verdict takes at most this many seeds; 8 or more can give one.
        race: Configurations in the race; 0 takes the best trial.
        smallest: The smallest difference that matters to you.
        parts: Seeds of the verdict on which the winner is taken apart: what each of its settings adds; 0 leaves it out.
        against: Further rivals: "compute" (clean training for more epochs, with the winner's compute), "tuned" (clean
            training that is tuned with as many trials as the search had), or both; "clean" alone adds none.
        workers: Processes that share the runs, and the cores or GPUs.
        launcher: Where they run: "local", or "ray".
        progress: Whether to print progress.

    Returns:
        The result; its ``verdict`` is what was found.

    Raises:
        UserError: There is no such study, or it has nothing to confirm.
        KeyboardInterrupt: It was stopped; nothing is lost.

    Example:
        >>> found = search("fgm", trials=2, epochs=1, max_train_rows=40, study="small", progress=False)
        >>> confirm("small", seeds=2, race=0, progress=False).verdict.word
        'not separable'
    """
    wish: dict[str, Any] = {"seeds": seeds, "race": race, "parts": parts, "against": against, "workers": workers}
    wish |= {"launcher": launcher} | ({} if smallest is None else {"smallest": smallest})
    return confirmed(wish, storage, study, out, train, Screen.of(progress))


def confirmed(
    wish: dict[str, Any],
    storage: str,
    study: str | None,
    out: str,
    train: "Callable[[Run], float | None] | None",
    screen: Screen,
) -> "Result":
    """The work that ``confirm`` and the command share."""
    request = checked(ConfirmRequest, wish)
    from studies.confirming import confirm_study

    return confirm_study(request, storage, study, out, train, screen)


def check(method: str | None = None, *, progress: bool = True, **arguments: Any) -> "Checked":
    """Run one attacked step on your model and data, to see what matched, how far it moved and what it costs.

    Args:
        method: A name of ``adv.METHODS``; awp, if neither this nor ``config`` names one.
        progress: Whether to print what was read.
        **arguments: ``config``, ``set``, ``metric``, ``calibrate``, and arguments of data, folds and recipe, as ``search``
            takes them; with folds the step is one of the first fold.

    Returns:
        What the step did; ``good`` is true if the attack acts.

    Raises:
        UserError: An argument is wrong.

    Example:
        >>> check("fgm", max_train_rows=40, progress=False).good
        True
    """
    return checked_step({"method": method} | arguments, Screen.of(progress))


def checked_step(arguments: dict[str, Any], screen: Screen) -> "Checked":
    """The work that ``check`` and the command share."""
    request = request_of(arguments)
    for line in request.notes:
        screen.say(line)
    from studies.planning.early import read_early, refuse_names

    request = refuse_names(request)
    if len(request.aim.method) > 1:
        raise UserError(f"{arg('method', request.aim.method)}: check takes one method")
    task = read_early(request)
    from studies.checking.look import check_step

    return check_step(request, task, screen.say)


describe(search, [name for name, _ in fields() if name != "method"])
