"""How the runs of a study are evaluated and judged, by its identity."""

from typing import Any


def evaluations_in(about: dict[str, Any]) -> int:
    """Evaluations in an epoch. Older studies and those of an own loop, whose recipe has names of its own, have one."""
    return 1 if "loop" in about["data"] else int(about["recipe"].get("evals_per_epoch", 1))


def score_in(about: dict[str, Any]) -> str:
    """Whose metrics a run is judged by: "last", "best" or "soup"; of an own loop it is not known, and called "last"."""
    return "last" if "loop" in about["data"] else str(about["recipe"].get("score", "last"))
