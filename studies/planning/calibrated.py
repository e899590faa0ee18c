"""The ranges that a study measured before it began, and the space that they leave of the declared one."""

from collections.abc import Mapping
from typing import Any

from optuna.distributions import FloatDistribution

from spaces import Space

# The user attribute of a study that says where its attack was measured to matter; without it, the declared space counts.
CALIBRATED = "calibrated"


def narrowed(space: Space, found: Mapping[str, Any] | None) -> Space:
    """The declared space with the measured ranges in it.

    Args:
        space: The declared space.
        found: What the study stores as ``CALIBRATED``; None if nothing was measured.

    Example:
        >>> declared = {"epsilon": FloatDistribution(0.05, 5.0, log=True)}
        >>> narrowed(declared, {"ranges": {"epsilon": [0.1, 9.0]}})["epsilon"]
        FloatDistribution(high=5.0, log=True, low=0.1, step=None)
        >>> narrowed(declared, None) == declared
        True
    """
    ranges = {} if found is None else found.get("ranges", {})
    return {name: inside(each, ranges.get(name)) for name, each in space.items()}


def inside(distribution: Any, ends: Any) -> Any:
    """The part of a range between two ends; the range itself without them, or if none of it lies there."""
    if not isinstance(distribution, FloatDistribution) or not isinstance(ends, list | tuple):
        return distribution
    low, high = max(distribution.low, ends[0]), min(distribution.high, ends[1])
    return FloatDistribution(low, high, log=distribution.log) if low < high else distribution


def whence(found: Mapping[str, Any] | None, name: str) -> str:
    """Where the range of a setting comes from, after the range; empty if it is the declared one or the user's."""
    return ", measured before the search" if found and name in found.get("ranges", {}) else ""
