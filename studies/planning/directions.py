"""In which direction a study searches: one, or two in a study with two metrics."""

from typing import Any

from optuna.study import StudyDirection

# A study with two metrics has these in its identity, too.
SECOND, SECOND_DIRECTION = "second metric", "second direction"


def directions_of(about: dict[str, Any]) -> list[StudyDirection]:
    """The directions of a study with this identity; none if its metric is not known yet."""
    return [StudyDirection[about[name].upper()] for name in ("direction", SECOND_DIRECTION) if name in about]
