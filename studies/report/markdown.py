"""Text in Markdown: names from data and studies are shown as they are, never taken for markup."""

import re
from collections.abc import Iterable

# Whatever may begin markup in the middle of a line; a name such as adv_lr stays as it is.
SPECIAL = re.compile(r"[\\`*\[\]<|#~&@$]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=mailto):|(?<=xmpp):|(?<=www)\.", re.IGNORECASE)


def plain(text: object) -> str:
    r"""A text in one line, without markup or links.

    Example:
        >>> print(plain("adv_lr *b* <i> www.a.b"))
        adv_lr \*b\* \<i> www\.a.b
    """
    return SPECIAL.sub(lambda found: "\\" + found[0], line(text))


def code(text: object, cell: bool = False) -> str:
    r"""A text as code.

    Args:
        text: The text.
        cell: Whether it is in a table, where even code must not contain a bare bar.

    Example:
        >>> code("a|b"), code("a|b", cell=True), code("tick ` tick")
        ('`a|b`', '`a\\|b`', '``tick ` tick``')
    """
    content = line(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", content)), default=0))
    room = " " if content.startswith("`") or content.endswith("`") else ""
    found = f"{fence}{room}{content or ' '}{room}{fence}"
    return found.replace("|", "\\|") if cell else found


def block(text: str) -> str:
    """A text as a block of code."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{line(text)}\n{fence}"


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are Markdown already."""
    head = list(titles)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def bullets(lines: Iterable[str]) -> str:
    """A list of items that are Markdown already."""
    return "\n".join(f"- {item}" for item in lines)


def line(text: object) -> str:
    """A text in one line."""
    return " ".join(str(text).split())
