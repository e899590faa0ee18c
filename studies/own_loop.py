"""``tune``: the same search for your own training loop."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from finetune.arguments import arg
from finetune.errors import UserError, near
from finetune.folds import Folds
from studies.described import describe
from studies.planning.request import Request, fields, request_of
from studies.report.screen import Screen

if TYPE_CHECKING:
    from studies.result import Result
    from studies.running.looped import Run

# Arguments of ``search`` that mean nothing for your own loop, which has its own recipe.
OTHERS = ("config", "method", "metric", "prefix_reuse")
TAKEN = [name for name, _ in fields("aim", "running", "output") if name not in (*OTHERS, "keep")] + ["seed"]
DIRECTIONS = {"maximize": "higher is better", "minimize": "lower is better"}


def tune(
    train: "Callable[[Run], float | None]",
    method: str = "awp",
    *,
    epochs: int,
    direction: str = "maximize",
    metric: str = "value",
    recipe: Mapping[str, Any] | None = None,
    data: str | None = None,
    callbacks: Sequence[Any] = (),
    progress: bool = True,
    **arguments: Any,
) -> "Result":
    """Search adversarial-training settings for your own training loop. The same call again goes on where it stopped.

    Args:
        train: Takes a ``Run``, trains ``run.epochs`` epochs with ``run.method.at(epoch)``, calls ``run.report(value,
            epoch)`` after each, and returns the validation value; ``run.seed`` must seed all randomness.
        method: A name of ``adv.METHODS``.
        epochs: Epochs of each run.
        direction: "maximize" or "minimize".
        metric: The name of the value; one, and no front as ``search`` has.
        recipe: Default values of whatever else the loop uses (``run.recipe``); ``space`` and ``tune`` can search them too.
        data: A description of your data and model, so that runs on other data are not mixed in.
        callbacks: Optuna callbacks.
        progress: Whether to print progress.
        **arguments: As for ``search``; ``help(tune)`` lists them.

    Raises:
        UserError: An argument is wrong.

    Example:
        >>> import torch
        >>> loss = lambda model, batch: torch.nn.functional.cross_entropy(model(batch["x"]), batch["y"])
        >>> def train(run):
        ...     torch.manual_seed(run.seed)
        ...     model, batch = torch.nn.Linear(3, 3), {"x": torch.eye(3), "y": torch.arange(3)}
        ...     optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        ...     for epoch in range(run.epochs):
        ...         optimizer.zero_grad()
        ...         run.method.at(epoch).backward(model, batch, forward=loss)  # instead of loss.backward()
        ...         optimizer.step()
        ...         run.report(loss(model, batch).item(), epoch)
        >>> round(tune(train, "sam", epochs=2, trials=2, direction="minimize", progress=False).clean, 2)
        0.78
    """
    request, loop = asked_for(method, epochs, refuse_others(arguments, direction, metric)), told_of(train, data)
    from studies.looping import search_loop

    return search_loop(request, train, loop, dict(recipe or {}), metric, direction, Screen.of(progress), callbacks)


def asked_for(method: str, epochs: int, arguments: dict[str, Any]) -> Request:
    """Make the request.

    Raises:
        UserError: An argument is wrong, or there are several methods.
    """
    request = request_of({"method": method, "epochs": epochs} | arguments)
    from studies.planning.early import refuse_names

    refuse_names(request)
    if len(request.aim.method) > 1 or request.aim.method == ("all",):
        raise UserError(f"{arg('method', method)}: tune takes one method")
    from studies.onward import refuse_nothing

    refuse_nothing(request)
    return request


def told_of(train: Any, data: str | None) -> dict[str, Any]:
    """A loop's name, and the user's description of its data."""
    return {"loop": name_of(train)} | ({} if data is None else {"data": data})


def refuse_two(metric: Any) -> None:
    """Refuse two metrics.

    Raises:
        UserError: It is not the name of one metric.
    """
    if not isinstance(metric, str) or "," in metric:
        why = "your own loop has one value, so there is no front"
        raise UserError(f"{arg('metric', metric)}: tune searches one metric ({why}); two are for search")


def refuse_others(arguments: dict[str, Any], direction: str, metric: Any) -> dict[str, Any]:
    """Refuse arguments that ``tune`` does not take, an unknown direction, and two metrics.

    Raises:
        UserError: An argument, the direction or the metric is refused.
    """
    refuse_two(metric)
    if direction not in DIRECTIONS:
        raise UserError(f"{arg('direction', direction)}: choose maximize or minimize")
    if "record" in arguments:
        raise UserError(
            f"{arg('record')} is for search: with your own loop, measure other views there and report their value"
        )
    if "keep" in arguments:
        what = "your own loop saves its models itself: write them to a folder of yours when a run ends"
        raise UserError(f"{arg('keep', arguments['keep'])} is for search; {what}")
    for name in arguments:
        if name in Folds.model_fields:
            what = "train each fold and seed there, and report what they are worth together"
            raise UserError(f"{arg(name, arguments[name])} is for search: with your own loop, {what}")
        if name not in TAKEN:
            raise UserError(f"there is no argument {name!r}{near(name, [*TAKEN, 'direction', 'metric', 'recipe', 'data'])}")
    return arguments


def name_of(train: Any) -> str:
    """Module and name of a loop.

    Raises:
        UserError: The loop cannot be called with one argument.
    """
    if not callable(train):
        raise UserError(f"{arg('train')} is {train!r}: a function that takes a run is needed")
    try:
        inspect.signature(train).bind(None)
    except (TypeError, ValueError):
        raise UserError(f"{arg('train')} must take one argument, the run") from None
    inner = getattr(train, "func", train)
    name = getattr(inner, "__qualname__", type(inner).__qualname__).replace("<locals>.", "")
    return f"{getattr(inner, '__module__', '__main__')}.{name}"


describe(tune, TAKEN)
