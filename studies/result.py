"""What a search found, as Python has it."""

import html
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import optuna
import pandas as pd

from finetune.errors import UserError
from studies.report.files import report_text
from studies.report.fragment import fragment
from studies.report.several import frame, several_fragment, write_several
from studies.results.export import best_of, writer_of
from studies.results.importance import Importance
from studies.results.several import Several, gathered
from studies.results.summary import Summary, settings_of, summarise
from studies.results.trials import to_frame
from studies.running.whole import write_whole


class BestTrial(NamedTuple):
    """The best trial.

    Args:
        value: Its metric on the validation rows, on one seed.
        settings: Fixed and searched settings, by name.
        number: Of the trial.
    """

    value: float
    settings: dict[str, Any]
    number: int


class Result:
    """A study and what it says; everything is read from the study when it is first asked for.

    Args:
        study: Optuna's.
        storage: URL of its database.
        folder: Where its files lie, or will.

    Attributes:
        files: What the search wrote.
    """

    def __init__(self, study: optuna.Study, storage: str, folder: Path) -> None:
        self.study, self.storage, self.folder = study, storage, folder
        self.files: list[Path] = []

    @cached_property
    def summary(self) -> Summary:
        """All that terminal, report and exports are made of.

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
        """What the values are."""
        return self.summary.metric

    @property
    def best(self) -> BestTrial | None:
        """The best complete trial; None where there is none."""
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
        """How much better the best trial is than clean training, on one seed; negative where it is worse."""
        return self.summary.gain

    @property
    def importances(self) -> list[Importance]:
        """The share of each setting with its interval and noise floor, the largest first; empty with few trials."""
        return self.summary.importances

    def to_frame(self) -> pd.DataFrame:
        """A row for each finished trial: number, state, phase, value, settings, seconds, metrics, diagnostics."""
        return to_frame(self.summary)

    @property
    def trials(self) -> pd.DataFrame:
        """The same as ``to_frame()``."""
        return self.to_frame()

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report, one HTML file that needs no network.

        Args:
            path: The file; ``report.html`` in the study's folder where None.

        Raises:
            OSError: It cannot be written.
        """
        return write_whole(Path(path) if path else self.folder / "report.html", report_text(self.summary))

    def export(self, path: str | Path | None = None, format: str = "yaml") -> str:
        """The best trial as a configuration or a script.

        Args:
            path: A file to write it to as well.
            format: "yaml", "json" or "python".

        Raises:
            UserError: No trial is complete, or the format is unknown.
            OSError: The file cannot be written.
        """
        write = writer_of(format)
        # Importances take ten seconds, and are not exported.
        text = write(best_of(self.__dict__.get("summary") or summarise(self.study, folds=0)))
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
        """The result as a notebook shows it."""
        try:
            return fragment(self.summary)
        except UserError as error:
            return f"<div>{html.escape(str(error))}</div>"


class Results(dict[str, Result]):
    """Results of several methods, by name, and all of them in one table and on one page.

    Args:
        found: By method.
        name: Of all of them.
        path: Of their page.
    """

    def __init__(self, found: dict[str, Result], name: str, path: Path) -> None:
        super().__init__(found)
        self.name, self.path = name, path

    @cached_property
    def side_by_side(self) -> Several:
        """What the table is made of."""
        return gathered({method: result.summary for method, result in self.items()})

    def to_frame(self) -> pd.DataFrame:
        """A row for clean training and one for each method, the best first: value, gains over clean and control, cost."""
        return frame(self.side_by_side)

    def report(self, path: str | Path | None = None) -> Path:
        """Write their page, one HTML file that needs no network and links the report of each.

        Args:
            path: The file; in the folder for results where None.

        Raises:
            OSError: It cannot be written.
        """
        folders = {method: result.folder for method, result in self.items()}
        return write_several(self.side_by_side, self.name, folders, Path(path) if path else self.path)

    def _repr_html_(self) -> str:
        """The table as a notebook shows it."""
        return several_fragment(self.side_by_side)
