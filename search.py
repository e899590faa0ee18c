"""The command line: search adversarial-training settings for a text encoder.

It parses and prints. The work is in ``studies``, which is imported when a command runs, so that ``--help`` and
wrong options answer at once.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from finetune.machine import print_any_letter, seldom_collect
from studies.commands import options
from studies.commands.options import (
    Fraction,
    GroupedCommand,
    GroupedCommands,
    OutOption,
    StorageOption,
    StudyOption,
    Text,
    Whole,
    opt,
)
from studies.planning.confirm_request import AGAINST
from studies.planning.predict_request import PredictRequest
from studies.planning.request import STORAGE

STOPPED = 130
# What `check` takes of a search's options, and what does nothing in a single step.
CHECKED = ("config", "method", "set", "metric", "calibrate")
IDLE = ("schedule", "compile", "average", "half_life", "swa_start", "swa_lr", "fold_score", "seeds")
# The exit code of a check that found something wrong.
IN_VAIN = 1

app = typer.Typer(
    cls=GroupedCommands,
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

studies_app = typer.Typer(help="List the studies of a database, or delete one.")
app.add_typer(studies_app, name="studies")


@app.callback(invoke_without_command=True)
@options.takes("aim", "data", "folds", "recipe", "running", "output")
def main_command(ctx: typer.Context, **given: Any) -> None:
    """Search adversarial-training settings for a text encoder. The same command again goes on where it stopped."""
    if ctx.invoked_subcommand is None:
        arguments = options.arguments_of(ctx.params)
        from studies.commands.search import print_search

        print_search(arguments, Console())


@app.command()
def report(study: StudyOption = None, storage: StorageOption = STORAGE, out: OutOption = "runs") -> None:
    """Write report.html, trials.csv and best.yaml again (and PNGs, if kaleido and a Chrome are installed)."""
    from studies.commands.report import print_report

    print_report(storage, study, out, Console())


@app.command()
def compare(
    names: Annotated[list[str] | None, typer.Argument(metavar="[STUDY] ...", help="two or more; all of one task")] = None,
    storage: StorageOption = STORAGE,
    out: OutOption = "runs",
) -> None:
    """Compare studies of the same data and recipe: best values, confirmed gains, cost; a page with figures, and a CSV."""
    from studies.commands.compare import print_comparison

    print_comparison(storage, names or [], out, Console())


@app.command()
def merge(
    sources: Annotated[list[str] | None, typer.Argument(metavar="DATABASE ...", help="files, or storage URLs")] = None,
    into: Annotated[str, opt(f"database for the merged study: a file, or a storage URL ({STORAGE})")] = STORAGE,
    study: Annotated[Text, opt("name of the whole study; not needed if there is only one")] = None,
    accept_versions: Annotated[bool, opt("merge parts that were made under other versions", "--accept-versions")] = False,
    out: OutOption = "runs",
) -> None:
    """Merge parts of a search (`--part K/N`, one database each) into one study, which is then as if searched at once."""
    from studies.commands.merge import print_merging

    print_merging(sources or [], into, study, out, accept_versions, Console())


@app.command()
def confirm(
    study: StudyOption = None,
    seeds: Annotated[int, opt("the verdict takes at most this many seeds; 8 or more can give one (30)")] = 30,
    race: Annotated[int, opt("configurations that race to be the winner; 0: the best trial (12)")] = 12,
    smallest: Annotated[Fraction, opt("the smallest difference that matters to you")] = None,
    parts: Annotated[int, opt("seeds on which the winner is taken apart, to see what each setting adds; 0: none (8)")] = 8,
    against: Annotated[list[str] | None, opt(AGAINST, "--against", form="NAME[,NAME...]")] = None,
    workers: Annotated[int, opt("processes that share the runs, and the cores or GPUs (1)")] = 1,
    launcher: Annotated[str, opt("where workers run: local, or ray, on the machines of a Ray cluster (local)")] = "local",
    storage: StorageOption = STORAGE,
    out: OutOption = "runs",
) -> None:
    """Find out on fresh seeds whether the best of a search is really better than clean training; goes on if run again."""
    wish: dict[str, Any] = {"seeds": seeds, "race": race, "parts": parts, "workers": workers, "launcher": launcher}
    wish |= {} if smallest is None else {"smallest": smallest}
    wish |= {} if against is None else {"against": options.parted(against)}
    from studies.commands.confirm import print_confirmation

    print_confirmation(wish, storage, study, out, Console())


@app.command()
def export(
    study: StudyOption = None,
    storage: StorageOption = STORAGE,
    format_: Annotated[
        str, opt("yaml, json, python, trainer, loop or cfg; docs/hand-on.md tells them apart", "--format")
    ] = "yaml",
    output: Annotated[Text, opt("file to write to (standard output)")] = None,
    trial: Annotated[Whole, opt("another trial, such as one of the front (the best)")] = None,
) -> None:
    """Print the best trial, or another, as a configuration or a script."""
    from studies.commands.export import print_export

    print_export(storage, study, format_, output, trial)


@app.command()
def train(
    config: Annotated[str, typer.Argument(help="best.yaml")],
    folds: Annotated[Whole, opt("a model for each of this many folds (the file's own folds)")] = None,
    seeds: Annotated[Whole, opt("train with this many seeds (the file's)")] = None,
    fold_column: Annotated[Text, opt("column that says in which fold a row is validated")] = None,
    group_column: Annotated[Text, opt("column of groups: rows of one group stay together")] = None,
    fold_score: Annotated[Text, opt("pooled or mean: how folds are judged together (pooled)")] = None,
    seed: Annotated[Whole, opt("another (first) seed; of a single run, clean training with it is shown too")] = None,
    license_: Annotated[Text, opt("for the model card: mit, apache-2.0, ... (unknown)", "--license")] = None,
    out: Annotated[str, opt("folder for the model, or for one of each fold and seed (runs/model)")] = "runs/model",
) -> None:
    """Train an exported configuration, also on every fold, say whether it reproduces, and save models with cards."""
    asked = {"folds": folds, "seeds": seeds, "fold_column": fold_column, "group_column": group_column}
    asked |= {"fold_score": fold_score, "seed": seed, "license": license_}
    from studies.commands.train import print_training

    print_training(config, asked, Path(out), Console())


@app.command()
def ensemble(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[STUDY] ...", help="searched with folds, on one data")
    ] = None,
    size: Annotated[int, opt("members at most, repeated ones counted (20)")] = 20,
    train: Annotated[bool, opt("train the members on all folds (yes)", "--train/--no-train")] = True,
    license_: Annotated[str, opt("for the model cards: mit, apache-2.0, ... (unknown)", "--license")] = "unknown",
    storage: StorageOption = STORAGE,
    runs: Annotated[str, opt("folder for results of the searches (runs)")] = "runs",
    out: Annotated[str, opt("folder for the models (runs/ensemble)")] = "runs/ensemble",
) -> None:
    """Select an ensemble of the best trials by their out-of-fold predictions, say what it is worth, and train it."""
    from studies.commands.ensemble import print_ensemble

    print_ensemble(storage, names or [], size, train, license_, runs, Path(out), Console())


@app.command("predict")
@options.asks(PredictRequest, "models", "file")
def predict_command(
    ctx: typer.Context,
    paths: Annotated[list[str], typer.Argument(metavar="MODEL... FILE", help="saved models, and the file to predict")],
    **given: Any,
) -> None:
    """Predict a file with a saved model, or with the mean of several: folds, seeds, ensembles; fills a sample submission."""
    arguments = options.arguments_of({name: value for name, value in ctx.params.items() if name != "paths"})
    from studies.commands.predict import print_prediction

    print_prediction(paths, arguments)


@app.command("check", cls=GroupedCommand)
@options.takes("data", "folds", "recipe", own=CHECKED, without=IDLE)
def check_command(ctx: typer.Context, **given: Any) -> None:
    """Run one attacked step on your model and data: what matched, how far it moved, what it costs; exits 1 if it fails."""
    arguments = options.arguments_of(ctx.params)
    from finetune.arguments import as_options
    from studies.door import checked_step
    from studies.report.screen import Screen

    checked = checked_step(arguments, Screen(Console(), as_options))
    from studies.commands.check import print_check

    print_check(Console(), checked)
    if not checked.good:
        raise typer.Exit(IN_VAIN)


@app.command()
def methods(
    method: Annotated[Text, opt("show only this method: what it does, its settings, its cost")] = None,
    markdown: Annotated[bool, opt("print the README's table", "--markdown")] = False,
) -> None:
    """List all methods: paper, settings with ranges and defaults, passes; or show one method."""
    if method is not None:
        from studies.commands.method import print_method

        print_method(method, Console())
        return
    from studies.commands.methods import print_markdown, print_methods

    (print_markdown if markdown else print_methods)(Console())


@app.command()
def dashboard(
    storage: StorageOption = STORAGE,
    port: Annotated[int, opt("port on 127.0.0.1 (8080)")] = 8080,
    out: OutOption = "runs",
) -> None:
    """Open the studies in optuna-dashboard, on 127.0.0.1 only: it has no login."""
    from studies.commands.dashboard import serve

    serve(storage, port, Console(), out)


@app.command()
def clean(
    names: Annotated[list[str] | None, typer.Argument(metavar="[STUDY] ...", help="all studies, if none is named")] = None,
    everything: Annotated[bool, opt("also what unfinished trials go on from, and what was kept", "--all")] = False,
    yes: Annotated[bool, opt("free it without asking", "--yes")] = False,
    storage: StorageOption = STORAGE,
    out: OutOption = "runs",
) -> None:
    """Show what studies could do without on disk, and free it; asks first. Nothing that a process uses is touched."""
    from studies.commands.clean import print_cleaning

    print_cleaning(storage, names or [], out, everything, yes, Console())


@studies_app.callback(invoke_without_command=True)
def studies_command(ctx: typer.Context, storage: StorageOption = STORAGE, out: OutOption = "runs") -> None:
    """List the studies of a database: method, trials, best, clean, disk; `studies delete NAME` deletes one."""
    if ctx.invoked_subcommand is None:
        from studies.commands.studies import print_studies

        print_studies(storage, out, Console())


@studies_app.command("delete")
def delete_command(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="name of the study")],
    storage: Annotated[Text, opt("Optuna storage URL (sqlite:///studies.db)")] = None,
    out: Annotated[Text, opt("folder for results (runs)")] = None,
    yes: Annotated[bool, opt("delete without asking", "--yes")] = False,
) -> None:
    """Delete a study: its rows, its files and snapshots, and clean epochs that no other study uses; asks first."""
    from studies.commands.studies import print_deletion

    listed = ctx.parent.params if ctx.parent else {}
    print_deletion(storage or listed["storage"], name, out or listed["out"], yes, Console())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, 1 if a check failed, 2 for bad input, 130 if stopped."""
    seldom_collect()
    print_any_letter()
    try:
        # On Ctrl-C or typer.Exit, Typer returns the exit code; commands return None.
        typed = options.readable(sys.argv[1:] if arguments is None else arguments)
        code = app(args=typed, standalone_mode=False)
        if code == STOPPED:
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        print("stopped; nothing is lost, the same command goes on from here", file=sys.stderr)
        return STOPPED
    except Exception as error:
        if hasattr(error, "format_message"):
            from studies.commands.misspelt import usage

            message = usage(error)
        elif type(error).__name__ in ("UserError", "AttackError", "SettingError", "Diverged"):
            from finetune.arguments import as_options

            message = as_options(getattr(error, "text", str(error)))
        else:
            raise
        print(f"error: {message}", file=sys.stderr)
        return 2
    return code or 0


if __name__ == "__main__":
    sys.exit(run())
