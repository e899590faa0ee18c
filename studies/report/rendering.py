"""Filled-in templates; every value is escaped unless it is marked as HTML."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

# A command with what follows it, or an option with its value.
TYPED = re.compile(r"search\.py [a-z]+|(?<![\w-])--[a-z][a-z-]*(?: (?!-)(?:'[^']*'|\S*[^\s.,;:)]))?")
# Longer ones are broken on a phone.
WHOLE = 36


def rendered(template: str, **values: Any) -> str:
    """A template of this folder with its values; a missing value is an error."""
    return templates().get_template(template).render(**values)


@cache
def templates() -> Environment:
    """The templates of this folder, which are compiled once."""
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["coded"] = coded
    return environment


def coded(text: str) -> Markup:
    """A sentence as HTML, with the commands and options in it as code; short ones are not broken at the end of a line."""
    parts, end = [], 0
    for found in TYPED.finditer(text):
        kind = " class=whole" if len(found[0]) <= WHOLE else ""
        parts += [escape(text[end : found.start()]), Markup(f"<code{kind}>{escape(found[0])}</code>")]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])
