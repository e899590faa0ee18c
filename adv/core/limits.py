"""What bounds an attack: how far its steps lead, and which of its settings a ball or box left without effect."""

from typing import Any, NamedTuple

# Of the weights stopped by a box: below the first it does nothing, above the second nothing else does.
FREE, FULL = 0.01, 0.95


class Reach(NamedTuple):
    """How far the steps of an attack lead at most.

    Args:
        length: In units of the radius.
        terms: The sum in words: "K * alpha".
        radius: Of the ball that the steps stay in.
        setting: The setting that is the radius.
    """

    length: float
    terms: str
    radius: float
    setting: str


class Limit(NamedTuple):
    """A setting without effect.

    Args:
        why: What was seen, after "idle: ".
        instead: What decides in its place.
        at_once: Whether one step shows it. That the steps of one batch stay in a ball says nothing of the next batch.
    """

    why: str
    instead: str
    at_once: bool = True


def walked(method: Any, steps: int, rounds: int = 1) -> Reach:
    """The reach of ``steps`` times ``rounds`` steps of ``alpha`` from a start of length ``init_mag / sqrt(3)``.

    Args:
        method: With settings ``epsilon``, ``alpha`` and ``K``, and ``init_mag`` where it starts from noise.
        steps: ``K``, or ``K - 1`` where no step follows the last pass.
        rounds: Steps between two passes.
    """
    start = getattr(method, "init_mag", 0.0)
    terms = "K * alpha" if steps == method.K else "(K - 1) * alpha"
    terms += (" * n" if rounds > 1 else "") + (" + init_mag / sqrt(3)" if start else "")
    return Reach(steps * method.alpha * rounds + start / 3**0.5, terms, method.epsilon, "epsilon")


def in_ball(clipped: float) -> dict[str, Limit]:
    """Of an attack that steps by ``alpha`` in a ball of radius ``epsilon``.

    Args:
        clipped: Share of the steps that the ball cut.
    """
    if clipped > 0:
        return {}
    why, instead = "the steps never reached it, the ball never cut", "alpha and K alone say how far it goes"
    return {"epsilon": Limit(why, instead, at_once=False)}


def in_box(clipped: float) -> dict[str, Limit]:
    """Of an attack that moves weights by ``adv_lr`` in a box of ``adv_eps``.

    Args:
        clipped: Share of the weights that the box stopped.
    """
    if clipped < FREE:
        return {"adv_eps": Limit("under 1 % of the weights reached the box", "adv_lr alone says how far they move")}
    if clipped > FULL:
        return {"adv_lr": Limit("over 95 % of the weights were stopped by the box", "adv_eps alone says how far they move")}
    return {}
