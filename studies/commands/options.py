"""Options of the command line, made from the fields of a request: each is declared once, where its value is checked.

Imports nothing slow, so that ``--help`` and wrong options answer at once.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeAlias, TypeVar, get_args

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.core import TyperCommand, TyperGroup

from finetune.arguments import OPTIONS, as_options, flag
from finetune.errors import UserError
from studies.planning.request import GROUPS, STORAGE, fields
from studies.planning.scalar import scalar

Command = TypeVar("Command", bound=Callable[..., Any])
Text: TypeAlias = str | None
Whole: TypeAlias = int | None
Fraction: TypeAlias = float | None

FIRST, LAST = "To begin with", "Help"
PANELS = {
    "aim": "What to search", "data": "Data", "folds": "Folds and seeds",
    "recipe": "Model and recipe", "running": "Search", "output": "Output",
}  # fmt: skip
# Options that a beginner needs.
BEGIN = ("method", "trials", "data", "label_column", "model")
# Options that take names separated by commas, and options that may be given several times.
COMMAS = ("method", "label_column", "id_column", "label_order", "tune", "record")
REPEATED = ("set", "start")
FORMS = {"set": "NAME=VALUE", "range": "NAME=LOW:HIGH", "space": "FILE", "start": "FILE", "from_study": "STUDY"}
RANGE = "search a setting in another range: --range adv_eps=1e-4:0.1:log"


def opt(text: str, *names: str, panel: str | None = None, form: str | None = None) -> Any:
    """An option with its help line, and the form of its value if its type does not show it."""
    return typer.Option(*names, help=text, show_default=False, rich_help_panel=panel, metavar=form)


class GroupedCommand(TyperCommand):
    """A command that shows ``--help`` after the groups of its options."""

    def get_help_option(self, ctx: Any) -> Any:
        return behind(super().get_help_option(ctx))


class GroupedCommands(TyperGroup):
    """The same for a command with subcommands."""

    def get_help_option(self, ctx: Any) -> Any:
        return behind(super().get_help_option(ctx))


def behind(option: Any) -> Any:
    """Put the option into the last panel; without a panel it would be shown in the first one."""
    if option is not None:
        option.rich_help_panel = LAST
    return option


StorageOption = Annotated[str, opt(f"Optuna storage URL ({STORAGE})")]
StudyOption = Annotated[Text, opt("study name; not needed if there is only one study")]
OutOption = Annotated[str, opt("folder for results (runs)")]


def takes(*groups: str, own: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> Callable[[Command], Command]:
    """Give a command the options of these groups, instead of its ``**given``.

    Args:
        groups: Keys of ``request.GROUPS``.
        own: Other fields, by name.
        without: Fields that do nothing in this command.
    """
    names = [name for name, _ in fields(*groups) if name not in without] + list(own)

    def give(command: Command) -> Command:
        first = [p for p in inspect.signature(command).parameters.values() if p.kind is not p.VAR_KEYWORD]
        ordered = [name for name in BEGIN if name in names] + [name for name in names if name not in BEGIN]
        options = [option for name in ordered for option in options_of(name)]
        command.__signature__ = inspect.Signature([*first, *options])  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in [*first, *options]}
        return command

    return give


def asks(model: type[BaseModel], *without: str) -> Callable[[Command], Command]:
    """Give a command an option for each field of a request, instead of its ``**given``.

    Args:
        model: The request.
        without: Fields that are no options.
    """

    def give(command: Command) -> Command:
        first = [p for p in inspect.signature(command).parameters.values() if p.kind is not p.VAR_KEYWORD]
        found = [option(name, field) for name, field in model.model_fields.items() if name not in without]
        command.__signature__ = inspect.Signature([*first, *found])  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in [*first, *found]}
        return command

    return give


def option(name: str, field: FieldInfo) -> inspect.Parameter:
    """The option of one field."""
    kind: Any = plain_type(field.annotation)
    how = opt(as_options(str(field.description)), flag(name))
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, how])


def options_of(name: str) -> list[inspect.Parameter]:
    """The options of a field: one, or two for ``space`` (a file and single ranges)."""
    group = next(group for group in GROUPS if name in GROUPS[group].model_fields)
    field, panel = GROUPS[group].model_fields[name], FIRST if name in BEGIN else PANELS[group]
    text = as_options(str(field.description))
    hint: Any = list[str] if name in REPEATED else plain_type(field.annotation)
    names = [flag(name)] if field.default is False or name in REPEATED or name in OPTIONS else []
    found = [(name, hint, opt(text, *names, panel=panel, form=FORMS.get(name)))]
    if name == "space":
        found.append(("range", list[str], opt(RANGE, "--range", panel=panel, form=FORMS["range"])))
    hints = {one: Annotated[kind | None, how] for one, kind, how in found}
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(one, keyword, default=None, annotation=hint) for one, hint in hints.items()]


def plain_type(hint: Any) -> type:
    """The type to which the command-line parser converts a value: a number, yes or no, or text."""
    kinds = [hint, *get_args(hint)]
    return next((kind for kind in (bool, int, float) if kind in kinds), str)


def arguments_of(given: dict[str, Any]) -> dict[str, Any]:
    """Convert parsed options to arguments of the Python door.

    Raises:
        UserError: A setting or range is not a pair.
    """
    found = {name: value for name, value in given.items() if value is not None and value not in ([], ())}
    for name in COMMAS:
        if name in found:
            found[name] = tuple(part.strip() for part in found[name].split(",") if part.strip())
    if "set" in found:
        pairs = dict(pair(text, "--set", "name=value") for text in found["set"])
        found["set"] = {name: scalar(value) for name, value in pairs.items()}
    ranges = dict(pair(text, "--range", "name=LOW:HIGH[:log]") for text in found.pop("range", []))
    spaces = ([found["space"]] if "space" in found else []) + ([ranges] if ranges else [])
    return found | ({"space": tuple(spaces)} if spaces else {})


def parted(given: list[str]) -> tuple[str, ...]:
    """Names that were given in several options, or separated by commas in one."""
    return tuple(part.strip() for text in given for part in text.split(",") if part.strip())


def pair(text: str, option: str, form: str) -> tuple[str, str]:
    """Split name=value.

    Raises:
        UserError: There is no "=".
    """
    name, sign, value = text.partition("=")
    if not sign or not name or not value:
        raise UserError(f"{option} {text!r}: write {form}")
    return name.strip(), value


def readable(given: Sequence[str]) -> list[str]:
    """What was typed.

    Raises:
        UserError: Some of it is in another encoding than the terminal's: no database takes it.
    """
    for text in given:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UserError(f"{text!a} is not in the terminal's encoding: type it anew, or rename the file") from None
    return list(given)
