"""Values as users type them."""

from typing import Any


def scalar(text: Any) -> Any:
    """A number, true, false, null or text; YAML 1.1 takes 1e-3 for text, 2:5 for 125 and [0-9] for a list, we do not."""
    if not isinstance(text, str):
        return text
    try:
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        return {"true": True, "false": False, "null": None}.get(text.lower(), text)
