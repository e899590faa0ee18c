"""The verdict of a confirmation in sentences, from what best.yaml records."""

from typing import Any

from finetune.words import short

NONE = "It has not been confirmed on fresh seeds: what was measured while searching looks better than it is."


def verdict_of(confirmed: dict[str, Any] | None) -> list[str]:
    """Sentences; a record of another form says less, and never fails."""
    if not isinstance(confirmed, dict) or "verdict" not in confirmed:
        return [NONE]
    lines = [f"On {confirmed.get('seeds', '?')} fresh seeds the verdict is {confirmed['verdict']}."]
    for name, whom in (("against_clean", "clean training"), ("against_control", "its random control")):
        lines += told(confirmed.get(name), whom, "")
    test = confirmed.get("test")
    if isinstance(test, dict):
        rows = f"On the {test.get('rows', '?')} test rows, read once, it has {number(test.get('mean'))} and clean training"
        lines.append(f"{rows} {number(test.get('clean'))} (means over {test.get('seeds', '?')} seeds).")
        lines += told(test.get("against_clean"), "clean training", " on the test rows")
    if "optimism_of_search" in confirmed:
        lines.append(f"The search's own value is too good by about {number(confirmed['optimism_of_search'])}.")
    return lines


def told(found: Any, whom: str, where: str) -> list[str]:
    """A sentence about a comparison."""
    if not isinstance(found, dict) or "difference" not in found:
        return []
    ends = found.get("over_seeds_and_rows") or found.get("over_seeds")
    between = f" ({number(ends[0])} to {number(ends[1])})" if isinstance(ends, list) and len(ends) == 2 else ""
    return [f"The difference to {whom}{where} is {number(found['difference'])}{between}; positive is better."]


def number(value: Any) -> str:
    """A number with a few digits; anything else in its own words."""
    return short(float(value)) if isinstance(value, int | float) else str(value)
