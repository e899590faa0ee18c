"""The templates of scripts. Values are written with ``repr``, so that names from data files stay text."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


@cache
def pages() -> Environment:
    """The templates of this folder."""
    made = templates_in(Path(__file__).parent)
    made.filters["repr"] = repr
    return made


def templates_in(folder: Path) -> Environment:
    """The templates of a folder, for plain text: nothing is escaped, and a name without a value is an error."""
    return Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
        keep_trailing_newline=True,
    )
