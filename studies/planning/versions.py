"""Versions of packages and the kind of device under which values were measured."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from packaging.version import InvalidVersion, Version

PACKAGES = ("advsearch", "torch", "transformers", "optuna")
# The version of a checkout that is run without being installed.
UNKNOWN = "not installed"


def versions() -> dict[str, str]:
    """Versions of the packages that a result depends on."""
    return {name: version_of(name) for name in PACKAGES}


@cache
def version_of(name: str) -> str:
    """The version of an installed package; the files that say it are read once."""
    try:
        return version(name)
    except PackageNotFoundError:
        return UNKNOWN


def changes(then: dict[str, str], now: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Packages in both whose versions differ: name to (then, now)."""
    return {name: (then[name], now[name]) for name in now if name in then and then[name] != now[name]}


def weighty(then: str, now: str) -> bool:
    """Whether more than the patch number differs, so values may differ."""
    try:
        one, other = Version(then), Version(now)
    except InvalidVersion:
        return True
    return (one.epoch, one.major, one.minor) != (other.epoch, other.major, other.minor)


def told(changed: dict[str, tuple[str, str]]) -> str:
    """Changes in words: "torch 2.13.0 then, 2.13.1 now"."""
    return ", ".join(f"{name} {then} then, {now} now" for name, (then, now) in changed.items())


def made_under(about: dict[str, Any], device: str) -> dict[str, Any]:
    """Versions and device that differ from the study's, for its trials to store; empty if none differ."""
    mine = versions()
    found: dict[str, Any] = {"versions": mine} if changes(about["versions"], mine) else {}
    return found | ({"device": device} if about.get("device", device) != device else {})
