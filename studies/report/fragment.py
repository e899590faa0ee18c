"""The result of a study in a notebook: one block of HTML without scripts, in the colours of the page around it."""

from finetune.arguments import as_arguments
from finetune.words import short
from studies.report.page import error_of, parts_title, tables
from studies.report.rendering import rendered
from studies.results.answers import answers, silence
from studies.results.costs import decided
from studies.results.front import front_lines, front_rows
from studies.results.sentences import against_clean, counts, other_views, warnings
from studies.results.summary import Summary, settings_of


def fragment(summary: Summary, following: str | None = None) -> str:
    """The best trial against clean training, its settings, importances, counts and what went wrong.

    Args:
        summary: The study's summary.
        following: A line about the next step.

    Returns:
        A ``div``; names from data and studies are escaped.
    """
    best = summary.best
    values = {"clean baseline": summary.clean} | ({} if summary.constant is None else {"constant guess": summary.constant})
    return rendered(
        "fragment.html.jinja",
        name=summary.study.study_name,
        about=summary.about,
        metric=summary.metric,
        best=None if best is None or best.value is None else summary.shown(best.value),
        trial=None if best is None else best.number,
        values=", ".join(f"{name} {summary.shown(value)}" for name, value in values.items()),
        against=against_clean(summary),
        views=other_views(summary),
        settings={} if best is None else {n: short(v) for n, v in settings_of(best, summary.about).items()},
        targets_title=parts_title(summary),
        targets={name: [error_of(value, summary) for value in pair] for name, pair in summary.targets.items()},
        importances=tables(summary),
        answers=[as_arguments(line) for line in answers(summary)],
        silence=silence(summary),
        costs=decided(summary) if summary.trials else None,
        counts=counts(summary),
        second="" if summary.second is None else summary.second.metric,
        front_rows=[row[:4] for row in front_rows(summary)] if summary.front else [],
        front=[as_arguments(line) for line in front_lines(summary)],
        following=following,
        warnings=[as_arguments(line) for line in [*summary.unlearned, *warnings(summary)]],
    )
