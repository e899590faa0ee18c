"""Settings that did nothing, according to measurements in the trials."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial

from adv import METHODS, SettingError


def idle_settings(trials: Sequence[FrozenTrial], fixed: dict[str, Any], method: str) -> list[str]:
    """Sentences about settings that did nothing in some trials, according to the trials' measurements.

    Args:
        trials: Trials of one study.
        fixed: The study's settings that are not searched.
        method: A key of ``adv.METHODS``.
    """
    names = {field.name for field in dataclasses.fields(METHODS[method])}
    found: dict[tuple[str, str], int] = {}
    looked = 0
    for trial in trials:
        clipped = (trial.user_attrs.get("diagnostics") or {}).get("clipped")
        if clipped is None:
            continue
        try:
            made = METHODS[method](**{name: value for name, value in (fixed | trial.params).items() if name in names})
        except SettingError:
            continue
        looked += 1
        for name, limit in made.limits(clipped).items():
            found[name, limit.why] = found.get((name, limit.why), 0) + 1
    return [f"{name} was idle in {count} of {looked} trials: {why}" for (name, why), count in sorted(found.items())]
