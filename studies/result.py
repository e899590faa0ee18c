"""What a search found, for use in Python."""

import html
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import optuna

from finetune.errors import UserError
from studies.results.confirmed import Confirmed
from studies.results.costs import Costly
from studies.results.export import best_of, writer_of
from studies.results.following import following
from studies.results.front import FrontTrial, front_of
from studies.results.importance import Finding
from studies.results.several import Several, gathered
from studies.results.summary import Summary, settings_of, summarise
from studies.results.trials import epochs_frame, to_frame
from studies.running.folder import folder_of
from studies.running.storage import load_study
from studies.running.whole import write_whole

if TYPE_CHECKING:
    import pandas as pd


class BestTrial(NamedTuple):
    """The best trial.

    Args:
        value: Its metric on the validation rows, with one seed.
        settings: Fixed and searched settings, by name.
        number: The trial's number.
    """

    value: float
    settings: dict[str, Any]
    number: int


class Result:
    """A study and its findings, which are read from it on first use.

    Args:
        study: The Optuna study.
        storage: URL of its database.
        folder: Where its files are, or will be.

    Attributes:
        files: Files that the search wrote.
    """

    def __init__(self, study: optuna.Study, storage: str, folder: Path) -> None:
        self.study, self.storage, self.folder = study, storage, folder
        self.files: list[Path] = []

    @cached_property
    def summary(self) -> Summary:
        """Everything that the terminal, the report and the exports show.

        Raises:
            UserError: The study was not made by this program, or has no baseline yet.
        """
        return summarise(self.study)

    @property
    def name(self) -> str:
        """The study's name."""
        return self.study.study_name

    @property
    def method(self) -> str:
        """The method that was searched."""
        return str(self.summary.about["method"])

    @property
    def metric(self) -> str:
        """The metric of the values."""
        return self.summary.metric

    @property
    def best(self) -> BestTrial | None:
        """The best complete trial; None if no trial is complete."""
        best = self.summary.best
        if best is None or best.value is None:
            return None
        return BestTrial(best.value, settings_of(best, self.summary.about), best.number)

    @property
    def clean(self) -> float:
        """The value of clean training with the same recipe and seed."""
        return self.summary.clean

    @property
    def gain(self) -> float | None:
        """How much better the best trial is than clean training, with one seed; negative if it is worse."""
        return self.summary.gain

    @property
    def importances(self) -> list[Finding]:
        """How much each setting and pair explains, with interval and noise floor; empty if there are too few trials."""
        return self.summary.importances

    @property
    def cost_importances(self) -> list[Costly]:
        """What each searched setting does to the cost of a run by its passes, the largest share first."""
        return self.summary.costs

    @property
    def front(self) -> list[FrontTrial]:
        """The trials to which no other is equal in both metrics and better in one; empty if one metric was searched."""
        return front_of(self.summary)

    @property
    def verdict(self) -> Confirmed | None:
        """What ``confirm`` found: ``word``, the comparisons ``clean`` and ``control``, ``test``; None if it has not run.

        ``compute`` and ``tuned`` are comparisons with further rivals, None unless they were asked for.
        """
        return self.summary.confirmed

    def following(self, python: bool) -> str | None:
        """The next step: how to confirm the best, or the verdict's first sentence; None if there is neither.

        Args:
            python: Whether to name the call instead of the command.
        """
        return following(self.summary, self.storage, str(self.folder.parent), python)

    def to_frame(self, epochs: bool = False) -> "pd.DataFrame":
        """A row for each finished trial: number, state, phase, value, settings, seconds, metrics, diagnostics.

        Args:
            epochs: A row for each epoch of each trial instead, with all metrics after it.
        """
        return epochs_frame(self.summary) if epochs else to_frame(self.summary)

    @property
    def trials(self) -> "pd.DataFrame":
        """The data frame of ``to_frame()``."""
        return self.to_frame()

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report, one HTML file that needs no network.

        Args:
            path: The file; by default ``report.html`` in the study's folder.

        Raises:
            OSError: The file cannot be written.
        """
        from studies.report.files import report_text  # plotly, which a search needs when it ends

        return write_whole(Path(path) if path else self.folder / "report.html", report_text(self.summary))

    def export(self, path: str | Path | None = None, format: str = "yaml", trial: int | None = None) -> str:
        """The best trial as a configuration or a script.

        Args:
            path: A file to write it to as well.
            format: "yaml" or "json"; "python", a script that reproduces the value; "trainer" or "loop", scripts with
                transformers' Trainer or a plain loop; "cfg", the settings under the names of competition code.
            trial: The number of another trial, for example of the front.

        Raises:
            UserError: No trial is complete, that trial cannot be exported, or the format is unknown.
            OSError: The file cannot be written.
        """
        write = writer_of(format)
        text = write(best_of(self.summary, trial))
        if path is not None:
            write_whole(Path(path), text)
        return text

    def __repr__(self) -> str:
        try:
            best = "no complete trial" if self.best is None else f"best {self.summary.shown(self.best.value)}"
        except UserError as error:
            return f"<Result: {error}>"
        return f"<Result of {self.name}: {self.metric}, {best}, clean {self.summary.shown(self.clean)}>"

    def _repr_html_(self) -> str:
        """The result as HTML, for notebooks."""
        from studies.report.fragment import fragment

        try:
            return fragment(self.summary, self.following(python=True))
        except UserError as error:
            return f"<div>{html.escape(str(error))}</div>"


def read_result(storage: str, study: str | None, out: str) -> Result:
    """Read the result of an existing study.

    Raises:
        UserError: There is no such study.
    """
    found = load_study(storage, study)
    return Result(found, storage, folder_of(out, found.study_name))


class Results(dict[str, Result]):
    """Results of several methods by name, with one table and one page for all of them.

    Args:
        found: Results by method.
        name: The name of the search.
        path: Where their page is written.
    """

    def __init__(self, found: dict[str, Result], name: str, path: Path) -> None:
        super().__init__(found)
        self.name, self.path = name, path

    @cached_property
    def side_by_side(self) -> Several:
        """The contents of the table."""
        return gathered({method: result.summary for method, result in self.items()})

    def to_frame(self) -> "pd.DataFrame":
        """A row for clean training and one for each method, the best first: value, gains over clean and control, cost."""
        from studies.report.several import frame

        return frame(self.side_by_side)

    def report(self, path: str | Path | None = None) -> Path:
        """Write their page, one HTML file that needs no network and links to each report.

        Args:
            path: The file; by default in the results folder.

        Raises:
            OSError: The file cannot be written.
        """
        from studies.report.several import write_several

        folders = {method: result.folder for method, result in self.items()}
        return write_several(self.side_by_side, self.name, folders, Path(path) if path else self.path)

    def _repr_html_(self) -> str:
        """The table as HTML, for notebooks."""
        from studies.report.several import several_fragment

        return several_fragment(self.side_by_side)
