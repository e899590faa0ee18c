"""States of clean training that runs share: each goes on from the last one before its attack, bit for bit.

A state lies after so many evaluations, and so many optimiser steps of the part that follows.
"""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from optuna.distributions import FloatDistribution, IntDistribution

from adv import Clean
from finetune.data.encode import Encoded
from finetune.training.epoch import clean_until
from finetune.training.loop import Training
from finetune.training.steps import clean_steps, total_steps
from studies.planning.plan import Plan
from studies.running.prefix import shared_counts

# Evaluations, and steps after the last of them.
State = tuple[int, int]
# A start this near to an evaluation lies there: a third has six decimals.
NEAR = 1e-4
FileOf = Callable[[int, int], Path]


def file_name(name: str, count: int, steps: int) -> str:
    """The name of the file with a state.

    Example:
        >>> file_name("clean", 2, 0), file_name("clean", 1, 7)
        ('clean-2.safetensors', 'clean-1-7.safetensors')
    """
    return f"{name}-{count}-{steps}.safetensors" if steps else f"{name}-{count}.safetensors"


def states_of(plan: Plan, train: Callable[[], Encoded]) -> list[State]:
    """The states that trials of a plan may go on from: after evaluations, and where an attack begins within a part.

    Args:
        plan: What is searched.
        train: Gives the train rows; those of a fold, if there are folds. Only starts within a part need them.
    """
    found, per = {(count, 0) for count in shared_counts(plan)}, plan.recipe.evals_per_epoch
    for start in starts_of(plan):
        after = abs(start * per - round(start * per)) < NEAR
        found.add((clean_until(start, plan.recipe), 0) if after else clean_steps(start, train(), plan.recipe))
    return sorted(found - {(0, 0)})


def starts_of(plan: Plan) -> list[float]:
    """All values of ``start_epoch`` that are searched, if they lie apart; the fixed one, if there is one."""
    match plan.space.get("start_epoch"):
        case FloatDistribution(low=low, high=high, step=step) if step is not None:
            return [low + step * number for number in range(round((high - low) / step) + 1)]
        case IntDistribution(low=low, high=high):
            return [float(start) for start in range(low, high + 1)]
    return [plan.fixed["start_epoch"]] if "start_epoch" in plan.fixed else []


def clean_in(training: Training) -> State:
    """Where the attack of a run begins; for a run without one, a place behind all that is kept."""
    data, recipe = training.bench.train, training.recipe
    if isinstance(training.method, Clean):
        return recipe.epochs * recipe.evals_per_epoch - 1, total_steps(data, recipe)
    return clean_steps(training.method.start_epoch, data, recipe)


def begin(training: Training, file: FileOf, states: Iterable[State] = ()) -> None:
    """Let a run go on from the last shared state before its attack.

    Args:
        training: The run.
        file: The file with a state, by its evaluations and steps.
        states: States within parts that may be there, besides that at which its own attack begins.
    """
    last = clean_in(training)
    counts = [(count, 0) for count in range(1, last[0] + 1)]
    for state in sorted({*counts, *states, last}, reverse=True):
        if (0, 0) < state <= last and training.load(file(*state)):
            return


def share(training: Training, file: FileOf, states: Collection[State]) -> None:
    """Let a run keep the states within parts that it passes before its attack.

    Args:
        training: The run, not yet going on.
        file: The file with a state, by its evaluations and steps.
        states: Which to keep.
    """
    wanted, last = {state for state in states if state[1]}, clean_in(training)

    # It gets the run: a function that knew it would keep it, with its model, until Python looks for garbage.
    def after_step(training: Training) -> None:
        assert training.within is not None
        state = len(training.history), training.within.steps
        if state in wanted and state <= last:
            _write(training, file(*state))

    training.after_step = after_step


def share_evaluation(training: Training, file: FileOf, states: Collection[State]) -> None:
    """Keep the state after the last evaluation of a run, if it is one of these and lies before its attack."""
    state = len(training.history), 0
    if state in states and state <= clean_in(training):
        _write(training, file(*state))


def _write(training: Training, path: Path) -> None:
    if not training.method.state_dict():  # what has a state has moved on from clean training
        training.save(path)
