"""The verdict: better, worse or not separable, at looks that were declared before the first seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from finetune.words import counted
from studies.results.signs import FIRST, e_values, futile, numbers, p_value

Word = Literal["better", "worse", "not separable"]
# What all looks together may spend, and the e-value that allows the same to someone who looks at every seed.
ALPHA, ENOUGH = 0.05, 20.0
# After how many seeds someone looks, and what the first and second look may spend when the third is the cap.
AT, SPENT = (8, 16, 30), (0.0157, 0.017)


@dataclass(frozen=True)
class Looks:
    """The looks of a confirmation.

    Args:
        seeds: After how many seeds to look; empty if the cap is too low for any verdict.
        alphas: What each look spends; together 0.05.

    Example:
        >>> Looks.until(30).alphas
        (0.0157, 0.017, 0.0173)
        >>> Looks.until(12)
        Looks(seeds=(8, 12), alphas=(0.0157, 0.0343))
    """

    seeds: tuple[int, ...]
    alphas: tuple[float, ...]

    @classmethod
    def until(cls, cap: int) -> "Looks":
        """The looks below the cap, and the cap itself, which spends what is left.

        With a cap above 30 what the first look leaves is shared equally.

        Raises:
            ValueError: The cap is below 1.
        """
        if cap < 1:
            raise ValueError(f"cap is {cap}; a confirmation has at least one seed")
        if cap < FIRST:
            return cls((), ())
        seeds = (*(seed for seed in AT if seed < cap), cap)
        share = round((ALPHA - SPENT[0]) / (len(seeds) - 1), 4) if len(seeds) > 3 else SPENT[1]
        spent = (SPENT[0], *[share] * (len(seeds) - 2))[: len(seeds) - 1]
        return cls(seeds, (*spent, round(ALPHA - sum(spent), 4)))

    def __iter__(self) -> Iterator[tuple[int, float]]:
        return zip(self.seeds, self.alphas, strict=True)


@dataclass(frozen=True)
class Judgement:
    """What the seeds so far allow to say.

    Args:
        word: About the comparison with clean training: "better", "worse" or "not separable".
        control_word: About the comparison with the control; None without control.
        decided: Whether no further seed is needed.
        seeds: Seeds that every arm has.
        look: The number of seeds at which the word about clean training was found; None if it was not.
        p: The sign-flip p value against clean training at that look, else at the last look; None before the first.
        e: The e-value against clean training after all seeds.
        by_e: Whether one of the words was found by the e-value, from seeds after the cap.
        why: One or two sentences.
        control_look: As ``look``, against the control.
        control_p: As ``p``, against the control.
        control_e: As ``e``, against the control.
    """

    word: Word
    control_word: Word | None
    decided: bool
    seeds: int
    look: int | None
    p: float | None
    e: float
    by_e: bool
    why: str
    control_look: int | None = None
    control_p: float | None = None
    control_e: float | None = None


@dataclass
class Side:
    """One comparison while it is judged: with clean training, or with the control."""

    name: str
    differences: list[float]
    es: list[float]
    word: Word = "not separable"
    look: int | None = None
    p: float | None = None
    by_e: bool = False

    @property
    def e(self) -> float:
        """The e-value after all seeds."""
        return self.es[-1] if self.es else 1.0

    def find(self, seeds: int) -> None:
        """The difference is real; the mean of the seeds so far says which way."""
        self.word, self.look = "better" if numbers(self.differences[:seeds]).mean() > 0 else "worse", seeds


def judge(clean: Sequence[float], control: Sequence[float] | None, cap: int) -> Judgement:
    """Judge the seeds so far: the winner against clean training, and against its control.

    At each declared look both comparisons are tested by exact sign-flip, by Holm's rule: if both are open, the smaller p
    value must be at most half of the look's alpha; then the other at most all of it (Holm 1979; over looks Maurer, Bretz
    2013). What was found stays found. Between looks nothing is found. After the cap only the e-value may find something: it
    must reach 20, or 40 while both are open.

    No further seed is needed at the cap; if the winner is worse than clean training, or not likely to be separated from it
    (``futile``); if it is better, and the same is known about the control.

    Args:
        clean: Winner minus clean training by seed, the larger the better. inf and -inf: the other run, or ours, failed.
        control: Winner minus control for the same seeds, or None. If one is longer, its last seeds are not complete yet.
        cap: The declared number of seeds.

    Raises:
        ValueError: The cap is below 1, or a difference is nan.

    Example:
        >>> judge([1.0] * 8, None, 30).word
        'better'
        >>> judge([1.0] * 7, None, 30).why
        '7 seeds so far; the first look is after 8.'
    """
    looks, seeds = Looks.until(cap), min(len(clean), len(clean if control is None else control))
    arms = [Side("clean training", list(clean[:seeds]), e_values(clean[:seeds]))]
    if control is not None:
        arms.append(Side("the control", list(control[:seeds]), e_values(control[:seeds])))
    for at, alpha in looks:
        if at <= seeds:
            _look(arms, at, alpha)
    for at in range(cap + 1, seeds + 1):
        _bet(arms, at)
    first, second = arms[0], arms[1] if control is not None else None
    found = Judgement(
        word=first.word,
        control_word=None,
        decided=seeds >= cap or _done(first, second),
        seeds=seeds,
        look=first.look,
        p=first.p,
        e=first.e,
        by_e=any(arm.by_e for arm in arms),
        why=_why(first, second, looks, cap),
    )
    if second is None:
        return found
    return replace(found, control_word=second.word, control_look=second.look, control_p=second.p, control_e=second.e)


def _look(arms: list[Side], at: int, alpha: float) -> None:
    """One look, by Holm's rule."""
    waiting = [arm for arm in arms if arm.look is None]
    for arm in waiting:
        arm.p = p_value(arm.differences[:at])
    for left, arm in zip(range(len(waiting), 0, -1), sorted(waiting, key=lambda arm: arm.p or 0.0), strict=True):
        if (arm.p or 0.0) > alpha / left:
            return
        arm.find(at)


def _bet(arms: list[Side], at: int) -> None:
    """A seed after the cap: only the e-value may speak."""
    waiting = [arm for arm in arms if arm.look is None]
    for left, arm in zip(range(len(waiting), 0, -1), sorted(waiting, key=lambda arm: -arm.es[at - 1]), strict=True):
        if arm.es[at - 1] < ENOUGH * left:
            return
        arm.find(at)
        arm.by_e = True


def _done(clean: Side, control: Side | None) -> bool:
    """Whether another seed would tell nothing that is worth it."""
    if clean.look is None:
        return _was_futile(clean) is not None
    return clean.word == "worse" or control is None or control.look is not None or _was_futile(control) is not None


def _was_futile(arm: Side) -> int | None:
    """After how many seeds it was futile to go on, for the first time; None if it never was."""
    return next((at for at in range(FIRST, len(arm.differences) + 1) if futile(arm.differences[:at])), None)


def _why(clean: Side, control: Side | None, looks: Looks, cap: int) -> str:
    """What was looked at, and what it gave."""
    seeds = len(clean.differences)
    if not looks.seeds:
        return f"{counted(cap, 'seed')} cannot give a verdict: at least {FIRST} are needed."
    if seeds < FIRST:
        return f"{counted(seeds, 'seed')} so far; the first look is after {FIRST}."
    lines = [_found(clean, looks, cap)]
    if control is not None and clean.word != "worse" and (clean.look or control.look):
        lines.append(_found(control, looks, cap))
    return " ".join(lines)


def _found(arm: Side, looks: Looks, cap: int) -> str:
    """A sentence about one comparison."""
    seeds, against = len(arm.differences), f"Against {arm.name}"
    after = f"the {cap} declared seeds found nothing; the {seeds - cap} after them are judged by the e-value alone"
    if arm.by_e and arm.look:
        return f"{against}: {after}, which was {arm.es[arm.look - 1]:.3g} after {arm.look} seeds ({ENOUGH:g} is enough)."
    if arm.look:
        return f"{against}: p = {arm.p:.2g} at the look after {arm.look} seeds."
    if seeds > cap:
        return f"{against}: {after}, which is {arm.es[-1]:.3g} ({ENOUGH:g} would be enough)."
    last = max(at for at in looks.seeds if at <= seeds)
    if (stop := _was_futile(arm)) is not None and seeds < cap:
        return (
            f"{against}: p = {arm.p:.2g} after {last} seeds, and after {stop} the mean is so small that more would not pay."
        )
    later = "" if seeds >= cap else f"; the next look is after {min(at for at in looks.seeds if at > seeds)}"
    return f"{against}: p = {arm.p:.2g} at the look after {last} seeds, which is not enough{later}."
