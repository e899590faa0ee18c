"""What bounds an attack: how far its steps lead, and which of its settings had no effect because of a ball or box."""

from typing import Any, NamedTuple

# Shares of the weights that a box stopped: below the first the box does nothing, above the second only the box decides.
FREE, FULL = 0.01, 0.95


class Reach(NamedTuple):
    """The largest distance that the steps of an attack can reach.

    Args:
        length: The distance, in the unit of the radius.
        terms: The sum in words: "K * alpha".
        radius: The radius of the ball around the start.
        setting: The name of the setting that is the radius.
    """

    length: float
    terms: str
    radius: float
    setting: str


class Limit(NamedTuple):
    """A setting without effect.

    Args:
        why: What was observed; printed after "idle: ".
        instead: What decides instead.
        at_once: Whether one step shows it. If the steps of one batch stay inside a ball, those of the next may not.
    """

    why: str
    instead: str
    at_once: bool = True


def walked(method: Any, steps: int, rounds: int = 1) -> Reach:
    """The reach of ``steps`` times ``rounds`` steps of ``alpha`` from a start of length ``init_mag / sqrt(3)``.

    Args:
        method: A method with ``epsilon``, ``alpha`` and ``K``, and with ``init_mag`` if it starts from noise.
        steps: ``K``, or ``K - 1`` if no step follows the last pass.
        rounds: Steps between two passes.
    """
    start = getattr(method, "init_mag", 0.0)
    terms = "K * alpha" if steps == method.K else "(K - 1) * alpha"
    terms += (" * n" if rounds > 1 else "") + (" + init_mag / sqrt(3)" if start else "")
    return Reach(steps * method.alpha * rounds + start / 3**0.5, terms, method.epsilon, "epsilon")


def in_ball(clipped: float) -> dict[str, Limit]:
    """The idle settings of an attack that steps by ``alpha`` in a ball of radius ``epsilon``.

    Args:
        clipped: Share of the steps that the ball cut.
    """
    if clipped > 0:
        return {}
    why, instead = "the steps never reached it, the ball never cut", "only alpha and K decide how far it goes"
    return {"epsilon": Limit(why, instead, at_once=False)}


def in_box(clipped: float) -> dict[str, Limit]:
    """The idle settings of an attack that moves weights by ``adv_lr`` in a box of ``adv_eps``.

    Args:
        clipped: Share of the weights that the box stopped.
    """
    if clipped < FREE:
        return {"adv_eps": Limit("under 1 % of the weights reached the box", "only adv_lr decides how far they move")}
    if clipped > FULL:
        return {
            "adv_lr": Limit("over 95 % of the weights were stopped by the box", "only adv_eps decides how far they move")
        }
    return {}
