"""What is printed on a terminal: lines, and the summary of a study."""

from collections.abc import Collection
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from finetune.arguments import as_options, typed
from studies.planning.request import STORAGE
from studies.results.answers import QUESTIONS, TITLES, answers, silence, verdict
from studies.results.costs import decided
from studies.results.digits import places_of, shown
from studies.results.folded import over_runs
from studies.results.front import front_lines, front_rows, front_title
from studies.results.sentences import against_clean, counts, other_views, settings_line, warnings
from studies.results.summary import Summary, settings_of
from studies.running.storage import public

# Only this many targets are printed; trials.csv has all.
MANY = 12
WIDEST = 10**4


def say(console: Console, text: str) -> None:
    """Print a line with arguments as options; names from data are never taken for markup, and long lines are not cut."""
    console.print(as_options(text), highlight=False, soft_wrap=True, markup=False)


def print_wide(console: Console, table: Table) -> None:
    """Print a table; its lines are not wrapped in a file or a pipe."""
    if not console.is_terminal:
        wanted = Measurement.get(console, console.options.update(max_width=WIDEST), table).maximum
        console = Console(file=console.file, width=max(wanted, console.width))
    console.print(table)


def print_summary(console: Console, summary: Summary, said: Collection[str] = ()) -> None:
    """Print the best trial next to the clean baseline, which settings matter, and what went wrong.

    Args:
        console: Where to print.
        summary: The study's summary.
        said: Lines that were printed before; those about what was not learned are not repeated.
    """
    metric, best = summary.metric, summary.best
    say(console, f"\nstudy {summary.study.study_name}: {counts(summary)}")
    table = Table("", metric, "settings", box=None, pad_edge=False)
    if best is not None and best.value is not None:
        settings = escape(settings_line(settings_of(best, summary.about)))
        table.add_row(f"best (trial {best.number})", summary.shown(best.value), settings)
    table.add_row("clean baseline", summary.shown(summary.clean), "")
    if summary.constant is not None:
        table.add_row("constant guess", summary.shown(summary.constant), "")
    console.print(table)
    for line in filter(None, [against_clean(summary), over_runs(summary), *summary.unlearned]):
        if as_options(line) not in said:
            say(console, line)
    print_front(console, summary)
    for line in other_views(summary):
        say(console, line)
    print_targets(console, summary)
    print_importances(console, summary)
    for line in filter(None, [decided(summary)]):
        say(console, line)
    for line in warnings(summary):
        say(console, line)


def print_front(console: Console, summary: Summary) -> None:
    """Print the front of two metrics, and clean training beside it."""
    if summary.second is None or not summary.front:
        return
    say(console, front_title(summary))
    table = Table("", summary.metric, summary.second.metric, "against clean", "settings", box=None, pad_edge=False)
    for who, first, second, word, trial in front_rows(summary):
        table.add_row(who, first, second, word, "" if trial is None else escape(settings_line(trial.settings)))
    console.print(table)
    for line in front_lines(summary):
        say(console, line)


def print_paths(console: Console, paths: list[Path], storage: str) -> None:
    """Print the files that were written, and what to do with them."""
    for path in paths:
        say(console, f"written: {path}")
        if path.name == "best.yaml":
            say(console, f"train the best: python search.py train {typed(str(path))}")
    line = "" if storage == STORAGE else f" --storage {typed(public(storage))}"
    say(console, f"look at the trials: python search.py dashboard{line}")


def print_targets(console: Console, summary: Summary) -> None:
    """Print the score of each target or label, of the best trial and of clean training, if there are several."""
    if not summary.targets:
        return
    table = Table(f"{summary.part_metric} of", "best", "clean", box=None, pad_edge=False)
    for name, values in list(summary.targets.items())[:MANY]:
        known = [value for value in values if value is not None]
        places = max(places_of(summary.part_metric != "rmse", value) for value in known)
        table.add_row(escape(name), *("-" if value is None else shown(value, places) for value in values))
    if len(summary.targets) > MANY:
        table.add_row(f"and {len(summary.targets) - MANY} more", "", "")
    console.print(table)


def print_importances(console: Console, summary: Summary) -> None:
    """Print how much settings and pairs explain, and what that means."""
    if not summary.importances:
        say(console, silence(summary))
        return
    for question in QUESTIONS:
        rows = [row for row in summary.importances if row.question == question]
        if rows:
            table = Table(TITLES[question], "share", "95 % interval", "noise floor", "verdict", box=None, pad_edge=False)
            for row in rows:
                numbers = (f"{row.share:.2f}", f"{row.low:.2f} - {row.high:.2f}", f"{row.floor:.2f}")
                table.add_row(escape(row.name), *numbers, verdict(row))
            console.print(table)
    for line in answers(summary):
        say(console, line)
