"""What it means for a study that the value of a run is that of chosen evaluations (``--score best`` or ``soup``)."""

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from finetune.arguments import Line, arg
from finetune.config import Recipe
from finetune.training.chosen import KEPT
from finetune.training.epoch import Epoch, gone, words
from finetune.words import counted, listed
from studies.planning.identity import VALIDATION
from studies.planning.judged import score_in
from studies.results.summary import Summary, settings_of
from studies.results.trials import complete
from studies.running.foreign import CHOSEN

# So many trials are named.
NAMED = 6


def optimistic(summary: Summary) -> str | None:
    """How much better values look than they are, as far as it is known; None if the last evaluation counts."""
    chosen, last = summary.baseline[-1].chosen, summary.baseline[-1]
    if chosen is None:
        return None
    score = score_in(summary.about)
    tuned = "epochs" in summary.about["space"]  # then trials have other numbers of evaluations
    many = "its run's evaluations" if tuned else counted(len(summary.baseline), "evaluation")
    what = f"the best of {many}" if score == "best" else f"that of the mean weights of the best {KEPT[score]} of {many}"
    luck = summary.study.user_attrs.get(VALIDATION, {}).get("luck", {}).get(summary.metric)
    size = (
        None if luck is None else f"about {summary.shown(luck)}" if luck > 0.5 * 10**-summary.places else "hardly anything"
    )
    by = "" if size is None else f", by {size} for clean training (over draws of the validation rows)"
    where = f" after {words(chosen[0], summary.per)}" if score == "best" and len(chosen) == 1 else ""
    clean = (
        f"clean training has {summary.shown(summary.clean)}{where}, {summary.shown(last.metrics[summary.metric])} at the end"
    )
    cure = "the test split, which search.py confirm reads once, shows what is left"
    return f"every value is {what} ({arg('score', score)}) and looks better than it is{by}: {clean}; {cure}"


def kept_weights(history: Sequence[Epoch], recipe: Recipe) -> Line | None:
    """Which weights a finished run leaves; None if they are its last ones."""
    chosen = history[-1].chosen
    if chosen is None:
        return None
    where = listed([words(number, recipe.evals_per_epoch) for number in chosen], "and")
    those, best = ("those", "the best") if len(chosen) == 1 else ("the mean of those", f"the best {len(chosen)}")
    what = f"{those} after {where}, {best} of {counted(len(history), 'evaluation')}"
    return Line(f"{arg('score', recipe.score)}: the saved weights, whose value this is, are {what}")


def before_attack(trial: FrozenTrial, summary: Summary) -> bool:
    """Whether all evaluations that a trial is scored by lie before its attack: its value says nothing about the attack."""
    return early(trial, settings_of(trial, summary.about).get("start_epoch", 0), summary.per)


def early(run: FrozenTrial, start: float, per: int) -> bool:
    """Whether all evaluations that a run is scored by lie before a start.

    Args:
        run: A trial, or a run of a confirmation.
        start: ``start_epoch``.
        per: Evaluations in an epoch.
    """
    chosen = run.user_attrs.get(CHOSEN)
    return bool(isinstance(chosen, list) and chosen and start and gone(max(chosen), per) <= float(start) + 1e-6)


def not_of_the_attack(summary: Summary) -> str | None:
    """How many trials are scored by evaluations before their attack; None if none is."""
    tried = complete(summary)
    found = [trial.number for trial in tried if before_attack(trial, summary)]
    if not found:
        return None
    names = listed([*map(str, found[:NAMED]), *([f"{len(found) - NAMED} more"] if len(found) > NAMED else [])])
    who = f"trial{'s' if len(found) > 1 else ''} {names}"
    even = "; the best trial is one of them" if summary.best is not None and summary.best.number in found else ""
    share = f"in {len(found)} of {counted(len(tried), 'complete trial')} the chosen evaluations lie before the attack"
    return f"{share} ({who}){even}: such a value is clean training's, and no merit of the attack"
