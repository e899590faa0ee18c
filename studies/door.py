"""The Python door: every command is one of these calls first. What is heavy is imported when it is needed."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, overload

from finetune.arguments import arg
from finetune.errors import UserError
from studies.described import describe
from studies.planning.request import STORAGE, fields, request_of
from studies.report.screen import Screen

if TYPE_CHECKING:
    from studies.checking.look import Checked
    from studies.result import Result, Results


@overload
def search(method: str = ..., *, progress: bool = ..., callbacks: Sequence[Any] = ..., **arguments: Any) -> "Result": ...
@overload
def search(
    method: Sequence[str], *, progress: bool = ..., callbacks: Sequence[Any] = ..., **arguments: Any
) -> "Results": ...
def search(
    method: str | Sequence[str] = "awp", *, progress: bool = True, callbacks: Sequence[Any] = (), **arguments: Any
) -> "Result | Results":
    """Search adversarial-training settings; the same call again goes on where it stopped.

    Args:
        method: A name of ``adv.METHODS``, or several, searched one after the other on the same data.
        progress: Whether to print how it goes.
        callbacks: Optuna's, called as ``callback(study, trial)`` after every trial; ``study.stop()`` ends the search.
        **arguments: As the command's options, by their names with underscores; ``help(search)`` lists them.

    Returns:
        The result; of several methods a dict of them, by name, with ``to_frame()`` and ``report()`` for all.

    Raises:
        UserError: An argument cannot be carried out; says which, and what would be right.
        KeyboardInterrupt: The search was stopped; nothing is lost.

    Example:
        >>> result = search("fgm", trials=2, epochs=1, max_train_rows=40, set={"combine": "sum"}, progress=False)
        >>> result.best.settings["combine"], result.metric, len(result.to_frame())
        ('sum', 'accuracy', 2)
    """
    found = searched({"method": method} | arguments, Screen.of(progress), callbacks)
    return found[method] if isinstance(method, str) and method != "all" else found


def searched(
    arguments: dict[str, Any],
    screen: Screen,
    callbacks: Sequence[Any] = (),
    on_result: "Callable[[Result], None]" = lambda result: None,
) -> "Results":
    """What ``search`` and the command share.

    Args:
        arguments: By name.
        screen: Told how it goes.
        callbacks: Optuna's.
        on_result: Called when the search of a method is done.
    """
    request = request_of(arguments)
    from studies.planning.early import read_early, refuse_names

    request = refuse_names(request)
    from studies.running.storage import is_new, refuse_storage

    refuse_storage(request.output.storage)
    # Where studies are known, another study is refused before data are read.
    task = read_early(request) if is_new(request.output.storage) else None
    from studies.searching import search_all  # seconds of imports, for what stands the first look

    return search_all(request, task, screen, callbacks, on_result)


def load(storage: str = STORAGE, study: str | None = None, out: str = "runs") -> "Result":
    """A study that is there, as a result.

    Args:
        storage: Optuna storage URL.
        study: Its name; may be left out where the database has one study.
        out: Folder for results.

    Raises:
        UserError: There is no such study.
    """
    from studies.result import Result
    from studies.running.folder import folder_of
    from studies.running.storage import load_study

    found = load_study(storage, study)
    return Result(found, storage, folder_of(out, found.study_name))


def check(method: str = "awp", *, progress: bool = True, **arguments: Any) -> "Checked":
    """Make one attacked step on your model and data: what matched, how far it moved, what it costs.

    Args:
        method: A name of ``adv.METHODS``.
        progress: Whether to print what was read.
        **arguments: ``set``, ``metric``, and the arguments of data and recipe, as ``search`` takes them.

    Returns:
        What the step did; ``good`` where the attack acts.

    Raises:
        UserError: An argument cannot be carried out.

    Example:
        >>> check("fgm", max_train_rows=40, progress=False).good
        True
    """
    return checked_step({"method": method} | arguments, Screen.of(progress))


def checked_step(arguments: dict[str, Any], screen: Screen) -> "Checked":
    """What ``check`` and the command share."""
    request = request_of(arguments)
    from studies.planning.early import read_early, refuse_names

    request = refuse_names(request)
    if len(request.aim.method) > 1:
        raise UserError(f"{arg('method', request.aim.method)}: check takes one method")
    task = read_early(request)
    from studies.checking.look import check_step

    return check_step(request, task, screen.say)


describe(search, [name for name, _ in fields() if name != "method"])
