"""Names of metrics that are a function in a file of the user: ``my_file.py:function``, with or without a direction."""

import re
from pathlib import PurePath

FORM = re.compile(r"(?P<file>.+\.py):(?P<function>[^\W\d]\w*)(:(?P<direction>maximize|minimize))?", re.DOTALL)


def is_own(metric: str) -> bool:
    """Whether a metric is meant as a function in a file."""
    return metric.endswith(".py") or ".py:" in metric


def short_name(metric: str) -> str:
    """The name under which values of a metric are kept: the file without its folder, and the function.

    Example:
        >>> short_name("~/metrics/costs.py:cost:minimize"), short_name("accuracy")
        ('costs.py:cost', 'accuracy')
    """
    found = FORM.fullmatch(metric)
    return metric if found is None else f"{PurePath(found['file']).name}:{found['function']}"
