"""The command line: search adversarial-training settings for a text encoder.

Parses and prints; what it does stands in ``studies``, which is imported when a command runs, so that ``--help`` and
wrong options answer at once.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from finetune import options as of
from finetune.options import Number, Text, Whole, opt

STORAGE = "sqlite:///studies.db"
STOPPED = 130
# What a healthy program says of a step that attacks nothing.
IN_VAIN = 1

app = typer.Typer(add_completion=False, no_args_is_help=False, pretty_exceptions_enable=False, rich_markup_mode=None)

studies_app = typer.Typer(help="List the studies of a database, or delete one.")
app.add_typer(studies_app, name="studies")

StorageOption = Annotated[str, opt("Optuna storage URL (sqlite:///studies.db)")]
StudyOption = Annotated[Text, opt("study name (<task>-<method>)")]
OutOption = Annotated[str, opt("folder for results (runs)")]


@app.callback(invoke_without_command=True)
@of.takes(of.Data, of.Recipe)
def main_command(
    ctx: typer.Context,
    method: Annotated[str, opt("NAME[,NAME...] or all; `search.py methods` lists them")] = "awp",
    trials: Annotated[int, opt("the study's total of finished trials (100)")] = 100,
    explore: Annotated[Whole, opt("trials of the first, never pruned phase (half of them, at most 32)")] = None,
    timeout: Annotated[Number, opt("begin no trial after so many seconds")] = None,
    storage: StorageOption = STORAGE,
    study: StudyOption = None,
    out: OutOption = "runs",
    sampler: Annotated[str, opt("tpe, random, sobol or gp, after the first phase (tpe)")] = "tpe",
    pruner: Annotated[str, opt("median (of forecasts) or none (median)")] = "median",
    set_: of.Sets = None,
    range_: Annotated[list[str] | None, opt("search a setting elsewhere: --range adv_eps=1e-4:0.1:log", "--range")] = None,
    space: Annotated[Text, opt("YAML file with both: 'K: 3', 'adv_eps: 1e-4:0.1:log'")] = None,
    start: Annotated[list[str] | None, opt("YAML or JSON file with settings to try first; see starts/", "--start")] = None,
    tune: Annotated[Text, opt("recipe parameters to search too: learning_rate,weight_decay,...")] = None,
    prefix_reuse: Annotated[bool, opt("share clean epochs between trials (yes; the result is the same)")] = True,
    accept_versions: Annotated[bool, opt("go on with a study that other versions began", "--accept-versions")] = False,
    **shared: Any,
) -> None:
    """Search adversarial-training settings for a text encoder; the same command again goes on where it stopped."""
    if ctx.invoked_subcommand is None:
        begin(**ctx.params)


def begin(method: str, set_: list[str] | None, range_: list[str] | None, **params: Any) -> None:
    """Search with the options as parsed.

    Raises:
        UserError: They cannot be carried out.
    """
    from finetune.errors import UserError, near
    from spaces import SPACES

    methods = tuple(name for name in SPACES if name != "none") if method == "all" else names_in(method)
    unknown = [name for name in methods if name not in SPACES]
    if unknown:
        raise UserError(f"unknown method {unknown[0]!r}{near(unknown[0], SPACES)}")
    from studies.planning.request import Request, check_request, read_early
    from studies.running.storage import is_new

    data, recipe = given(of.Data, params), given(of.Recipe, params)
    request = Request(
        methods=methods,
        data=data,
        metric=recipe.pop("metric", None),
        recipe=recipe,
        sets=tuple(set_ or ()),
        ranges=tuple(range_ or ()),
        start=tuple(params.pop("start") or ()),
        tune=names_in(params.pop("tune") or ""),
        **params,
    )
    source = check_request(request)
    # Where studies are known, another study is refused before data are read.
    task = read_early(source, request.metric) if is_new(request.storage) else None
    from studies.commands.command import search  # seconds of imports, for what stands the first look

    search(request, source, Console(), task)


def given(group: type, params: dict[str, Any]) -> dict[str, Any]:
    """Take the options of a group out of ``params``; those that were given, lists of names as such."""
    found = {name: params.pop(name, None) for name in of.names(group)}
    if "label_column" in found:
        found["label_column"] = names_in(found["label_column"])
    return {name: value for name, value in found.items() if value is not None}


def names_in(text: str) -> tuple[str, ...]:
    """Comma-separated names."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


@app.command()
def report(study: StudyOption = None, storage: StorageOption = STORAGE, out: OutOption = "runs") -> None:
    """Write report.html, trials.csv, best.yaml (and PNGs, where kaleido and a Chrome are installed) again."""
    from finetune.errors import writing
    from studies.commands.console import print_summary, say
    from studies.commands.outputs import study_folder, write_outputs
    from studies.report.files import write_images
    from studies.results.summary import summarise
    from studies.running.storage import load_study

    found = load_study(storage, study)
    summary = summarise(found)
    folder = study_folder(out, found.study_name)
    print_summary(Console(), summary)
    with writing(f"--out {out}"):
        write_outputs(summary, folder, storage, Console())
        for path in write_images(summary, folder / "figures"):
            say(Console(), f"written: {path}")


@app.command()
def export(
    study: StudyOption = None,
    storage: StorageOption = STORAGE,
    format_: Annotated[str, opt("yaml, json or python (a script with a training loop)", "--format")] = "yaml",
    output: Annotated[Text, opt("a file (standard output)")] = None,
) -> None:
    """Print the best trial as a configuration or a script."""
    from finetune.errors import UserError, near, writing
    from studies.results.export import WRITERS, best_of
    from studies.results.summary import summarise
    from studies.running.storage import load_study
    from studies.running.whole import write_whole

    if format_ not in WRITERS:
        raise UserError(f"unknown format {format_!r}{near(format_, WRITERS)}")
    text = WRITERS[format_](best_of(summarise(load_study(storage, study), folds=0)))
    if output is None:
        sys.stdout.write(text)
    else:
        with writing(f"--output {output}"):
            write_whole(Path(output), text)


@app.command()
def train(
    config: Annotated[str, typer.Argument(help="best.yaml")],
    seed: Annotated[Whole, opt("another seed than the recorded one; clean training with it stands beside")] = None,
    out: Annotated[str, opt("folder for the model (runs/model)")] = "runs/model",
) -> None:
    """Train an exported configuration once, say whether it reproduces, and save the model."""
    from finetune.errors import UserError
    from studies.commands.console import say
    from studies.results.export import read_best
    from studies.results.rerun import rerun

    best, console = read_best(config), Console()
    metric = best.metric

    def line(who: str, epoch: Any) -> None:
        say(console, f"{who}, epoch {epoch.number + 1}: {metric} {epoch.metrics[metric]:.4f}, loss {epoch.loss:.4f}")

    try:
        result = rerun(best, seed, Path(out), line, lambda text: say(console, text))
    except UserError as error:
        raise UserError(f"{config}: {error.text}") from None
    for sentence in result.verdict:
        say(console, sentence)
    for note in result.notes:
        say(console, note)
    say(console, f"model: {out}")


@app.command("check")
@of.takes(of.Data, of.Recipe, without=("average", "half_life", "swa_start", "swa_lr"))
def check_command(
    ctx: typer.Context,
    method: Annotated[str, opt("NAME; `search.py methods` lists them (awp)")] = "awp",
    set_: of.Sets = None,
    **shared: Any,
) -> None:
    """Make one attacked step on your model and data: what matched, how far it moved, what it costs; exits 1 if in vain."""
    from studies.planning.request import check_sources, read_early

    params = dict(ctx.params)
    recipe = given(of.Recipe, params)
    metric = recipe.pop("metric", None)
    source = check_sources(given(of.Data, params), recipe, metric)
    task = read_early(source, metric)
    from studies.commands.check import check

    if not check(method, source, recipe, tuple(set_ or ()), Console(), metric, task):
        raise typer.Exit(IN_VAIN)


@app.command()
def methods(markdown: Annotated[bool, opt("as the table of the README", "--markdown")] = False) -> None:
    """List every method: paper, settings with ranges and defaults, passes."""
    from studies.commands.methods import print_markdown, print_methods

    (print_markdown if markdown else print_methods)(Console())


@app.command()
def dashboard(
    storage: StorageOption = STORAGE,
    port: Annotated[int, opt("port on 127.0.0.1 (8080)")] = 8080,
) -> None:
    """Open the studies in optuna-dashboard, on 127.0.0.1 only: it has no login."""
    from studies.commands.dashboard import serve

    serve(storage, port, Console())


@studies_app.callback(invoke_without_command=True)
def studies_command(ctx: typer.Context, storage: StorageOption = STORAGE, out: OutOption = "runs") -> None:
    """List the studies of a database: method, trials, best, clean, disk; `studies delete NAME` deletes one."""
    if ctx.invoked_subcommand is None:
        from studies.commands.studies import print_studies

        print_studies(storage, out, Console())


@studies_app.command("delete")
def delete_command(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="of the study")],
    storage: Annotated[Text, opt("Optuna storage URL (sqlite:///studies.db)")] = None,
    out: Annotated[Text, opt("folder for results (runs)")] = None,
    yes: Annotated[bool, opt("delete without asking", "--yes")] = False,
) -> None:
    """Delete a study: its rows, its files and snapshots, and clean epochs that no other study uses; asks first."""
    from studies.commands.studies import print_deletion

    listed = ctx.parent.params if ctx.parent else {}
    print_deletion(storage or listed["storage"], name, out or listed["out"], yes, Console())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code: 0, 1 for a check that found something, 2 for bad input, 130 when stopped."""
    try:
        # Typer catches Ctrl-C and returns what would be the exit code, as for typer.Exit; commands return None.
        code = app(args=None if arguments is None else list(arguments), standalone_mode=False)
        if code == STOPPED:
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        print("stopped; nothing is lost, the same command goes on from here", file=sys.stderr)
        return STOPPED
    except Exception as error:
        if hasattr(error, "format_message"):
            message = usage(error)
        elif type(error).__name__ in ("UserError", "AttackError", "SettingError", "Diverged"):
            from finetune.arguments import as_options

            message = as_options(getattr(error, "text", str(error)))
        else:
            raise
        print(f"error: {message}", file=sys.stderr)
        return 2
    return code or 0


def usage(error: Any) -> str:
    """What the parser of the command line says, with the value or the choices where it leaves them out."""
    text = str(error.format_message())
    if text.startswith("No such command") and "?" not in text:
        commands = ", ".join(error.ctx.command.list_commands(error.ctx))
        return f"{text} Choose from {commands}, or none of them to search"
    parsed = getattr(error.__cause__, "errors", None)
    if parsed is not None and error.param is not None:
        first = parsed()[0]
        return f"{error.param.opts[0]} is {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}"
    return text


if __name__ == "__main__":
    sys.exit(run())
