"""The note of a study in optuna-dashboard, in Markdown: the answer so far, and how to go on."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from finetune.words import counted
from studies.report.markdown import block, bullets, code, plain, table
from studies.results.answers import answers, silence
from studies.results.front import front_lines, front_rows
from studies.results.parts_words import in_short
from studies.results.sentences import against_clean, counts, other_views, settings_line, warnings
from studies.results.summary import Summary, settings_of
from studies.running.predictions import LONGEST, MOST

STOCK = (
    "The panel *Hyperparameter Importance* is Optuna's own: it looks at complete trials alone, also those that the search "
    "chose, and has no noise floor. The figure beside it is this program's."
)


def note(summary: Summary, command: str | None, render: Callable[[str], str], files: Sequence[str] = ()) -> str:
    """The note of a study.

    Args:
        summary: The study's summary.
        command: What goes on with the search; None if it is not known.
        render: Turns a message into its reader's words: arguments or options.
        files: The files that are attached to the best trial.
    """
    confirmed = summary.confirmed
    proven = [] if confirmed is None else confirmed.lines[:1]
    told = [line for line in (against_clean(summary), *proven, *summary.unlearned) if line]
    parts = [
        f"## {plain(summary.study.study_name)}",
        " ".join(sentence(render(line)) for line in told) or "No trial is complete yet.",
        values(summary),
        bullets(map(sentence, other_views(summary))),
        f"{counted(len(summary.trials), 'trial')} finished: {counts(summary)}.",
        *fronted(summary, render),
        "### Which settings matter",
        which(summary, render),
        "" if confirmed is None else plain(in_short(confirmed)),
        STOCK if summary.importances else "",
        *(["### To know", bullets(sentence(render(line)) for line in found)] if (found := warnings(summary)) else []),
        *(["### Files", kept(summary, files)] if files else []),
        *(["### To go on", block(command)] if command else []),
        f"*Written {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, and again as the search goes.*",
    ]
    return "\n\n".join(part for part in parts if part)


def sentence(line: str) -> str:
    """A line with a full stop; its beginning stays as it is, because it may be the name of a setting."""
    return plain(line if line.endswith((".", "?", "!")) else f"{line}.")


def values(summary: Summary) -> str:
    """The best trial, clean training and the constant guess."""
    best, rows = summary.best, []
    if best is not None and best.value is not None:
        settings = settings_line(settings_of(best, summary.about)) or "none to set"
        rows.append([f"**best** (trial {best.number})", f"**{summary.shown(best.value)}**", code(settings, cell=True)])
    rows.append(["clean baseline", summary.shown(summary.clean), ""])
    if summary.constant is not None:
        rows.append(["constant guess", summary.shown(summary.constant), ""])
    return table(["", code(summary.metric, cell=True), "settings"], rows)


def kept(summary: Summary, files: Sequence[str]) -> str:
    """What the files of the best trial are, and how much of it they keep."""
    what = {
        "epochs.csv": "all metrics after every epoch",
        "predictions.csv": f"what it predicts for the validation rows (at most {MOST}; {LONGEST} characters of each text)",
    }
    number = summary.best.number if summary.best else None
    return bullets(f"with trial {number}: {code(name)}, {plain(what.get(name, 'a file'))}" for name in files)


def fronted(summary: Summary, render: Callable[[str], str]) -> list[str]:
    """The front of two metrics, and what it says; empty if there is none."""
    if summary.second is None or not summary.front:
        return []
    heads = ["", code(summary.metric, cell=True), code(summary.second.metric, cell=True), "against clean", "settings"]
    rows = [
        [*cells, code(settings_line(trial.settings) or "none to set", cell=True) if trial else ""]
        for *cells, trial in front_rows(summary)
    ]
    return ["### The front", table(heads, rows), bullets(sentence(render(line)) for line in front_lines(summary))]


def which(summary: Summary, render: Callable[[str], str]) -> str:
    """Which settings matter, or why nothing can be said."""
    return bullets(sentence(render(line)) for line in answers(summary)) or plain(silence(summary))
