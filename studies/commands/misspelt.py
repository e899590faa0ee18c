"""The messages for an unknown command and an unknown option."""

import difflib
from typing import Any

from finetune.arguments import flag
from studies.planning.config_file import ALIASES


def usage(error: Any) -> str:
    """The message of the command-line parser, with the value or the choices if it leaves them out."""
    text = str(error.format_message())
    if text.startswith("No such command"):
        return no_such_command(error, text)
    if text.startswith("No such option"):
        return no_such_option(error, text)
    parsed = getattr(error.__cause__, "errors", None)
    if parsed is not None and error.param is not None:
        first = parsed()[0]
        return f"{error.param.opts[0]} is {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}"
    return text


def no_such_command(error: Any, text: str) -> str:
    """The parser's message with a suggestion: another command, or the method of that name.

    Args:
        error: The parser's error.
        text: Its message.
    """
    word = text.partition("'")[2].partition("'")[0]
    first = error.ctx.parent is None
    name = method_like(word) if first else None
    if name is not None:
        return f"no such command {word!r}; did you mean --method {name}?"
    if "?" in text:
        return text
    commands = ", ".join(error.ctx.command.list_commands(error.ctx))
    return f"{text} Choose from {commands}" + (", or give no command to search" if first else "")


def no_such_option(error: Any, text: str) -> str:
    """The parser's message, with the option that has this name elsewhere.

    Args:
        error: The parser's error.
        text: Its message.
    """
    name = ALIASES.get(error.option_name.lstrip("-").replace("-", "_").lower())
    taken = {option for known in error.ctx.command.params for option in known.opts} if error.ctx is not None else set()
    if name is None or flag(name) not in taken:
        return text
    return f"no such option: {error.option_name}; did you mean {flag(name)}?"


def method_like(word: str) -> str | None:
    """The method with the most similar name; None if none is similar."""
    from spaces import SPACES  # it imports Optuna, which a wrong option does not need

    plain = word.lower().replace("-", "_")
    if plain in SPACES:
        return plain
    return next(iter(difflib.get_close_matches(plain, SPACES, 1, 0.75)), None)
