"""From a search on to its confirmation, if that was asked for."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from finetune.arguments import arg
from finetune.errors import UserError
from studies.planning.confirm_request import ConfirmRequest
from studies.planning.request import Request
from studies.report.screen import Screen

if TYPE_CHECKING:
    from studies.result import Result, Results
    from studies.running.looped import Run


def refuse_nothing(request: Request) -> None:
    """Refuse to confirm clean training alone, before anything is read.

    Raises:
        UserError: Nothing is searched that could be better than clean training.
    """
    aim = request.aim
    if request.running.confirm and aim.method == ("none",) and not (aim.tune or aim.space):
        what = f"{arg('method', 'none')} is clean training itself, so there is nothing to confirm"
        raise UserError(f"{arg('confirm', True)}: {what}; choose another method, or search the recipe with {arg('tune')}")


def go_on(
    request: Request,
    result: "Result",
    screen: Screen,
    train: "Callable[[Run], float | None] | None" = None,
    several: bool = False,
) -> "Result":
    """Confirm the best of a search that has ended.

    Args:
        request: The search.
        result: What it found.
        screen: Where progress is printed.
        train: The user's own loop, if the search is one of ``tune``.
        several: Whether there are other studies: then one that has nothing to confirm gets a line instead of an error.

    Returns:
        The result with its verdict, or as it was.

    Raises:
        UserError: There is nothing to confirm.
    """
    from studies.confirming import confirm_study
    from studies.results.contenders import nothing_in

    if several and (why := nothing_in(result.summary)):
        screen.say(f"not confirmed: {why}")
        return result
    output = request.output
    screen.say(f"confirming {result.name}")
    running = request.running
    asked = ConfirmRequest(workers=running.workers, launcher=running.launcher)
    return confirm_study(asked, output.storage, result.name, output.out, train, screen)


def go_on_with_all(request: Request, found: "Results", screen: Screen, on_confirmed: "Callable[[Result], None]") -> None:
    """Confirm each study, one after the other, and keep the results with their verdicts."""
    for method, result in list(found.items()):
        found[method] = go_on(request, result, screen, several=len(found) > 1)
        if found[method] is not result:
            on_confirmed(found[method])


def say_next(result: "Result", screen: Screen) -> None:
    """Say at the end of a call what to do next; in a notebook the result itself says it."""
    if not screen.notebook and (line := result.following(python=True)):
        screen.say(line)
