"""The models of a study's best trials, kept in its folder as ``search.py train`` would leave them."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import optuna
from optuna.trial import Trial, TrialState
from safetensors import SafetensorError

from finetune.training.about import About
from finetune.training.epoch import read, value_of
from finetune.training.loop import Training
from finetune.training.members import MEAN
from finetune.training.run_folders import mean_text, run_name
from finetune.training.series import Ended, Part, Series
from spaces import RECIPE
from studies.planning.identity import BASELINE
from studies.planning.plan import Plan
from studies.planning.versions import versions
from studies.running.claims import FINISHED
from studies.running.footprint import MODELS, is_folder, models
from studies.running.standing import PLACES, better, eligible, sign_of, standing
from studies.running.whole import write_whole

# Models of how many trials each choice keeps.
KEEP = {"none": 0, "best": 1, "top3": 3}
UNFINISHED = "-unfinished"


class Keeper:
    """Keeps the models of the best trials; those of trials that are overtaken go.

    A model is saved beside its place and then moved there, so that it is whole or absent.

    Args:
        plan: What is searched.
        metric: The metric whose value is the trial's value.
        study: The study's name.
        folder: Folder of its files.
        most: Models of how many trials are kept.
        say: Called with lines about what could not be saved.
    """

    def __init__(
        self, plan: Plan, metric: str, study: str, folder: Path, most: int, say: Callable[[str], None] = lambda line: None
    ) -> None:
        self.plan, self.metric, self.study, self.most, self._say = plan, metric, study, most, say
        self.folder, self._said = folder / MODELS, set[str]()

    def place(self, number: int) -> Path:
        """The folder of a trial's model, or models."""
        return self.folder / f"trial-{number}"

    def keep(self, trial: Trial, params: dict[str, Any], value: float, training: Training) -> None:
        """Save the model of a trial that has ended, if it is one of the best so far.

        Args:
            trial: The trial.
            params: Its searched settings.
            value: Its value.
            training: Its finished run.

        Raises:
            OSError: The folder cannot be written, or the disk is full.
        """
        if self.leads(trial, value):
            baseline = trial.study.user_attrs.get(BASELINE)
            clean = value_of([read(epoch) for epoch in baseline], self.metric) if baseline else None
            about = self.about(params, trial.number, training) | {"value": value, "clean": clean}
            self.save(training, self.place(trial.number), about)
            self.drop(trial.study, trial.number, value)

    def keep_run(self, number: int, params: dict[str, Any], part: Part, training: Training, series: Series) -> None:
        """Save the model of one of several runs of a trial, of which is not known yet how good it will be.

        Args:
            number: The trial's number.
            params: Its searched settings.
            part: Which run.
            training: The finished run.
            series: All runs.

        Raises:
            OSError: The folder cannot be written, or the disk is full.
        """
        about = self.about(params, number, training) | {"value": value_of(training.history, self.metric)}
        about |= {"fold": part.fold, "seed": part.seed, "folds": series.task.folds, "seeds": series.folds.seeds}
        self.save(training, self.unfinished(number) / run_name(part), about)

    def keep_runs(self, trial: Trial, value: float, series: Series, ended: Sequence[Ended]) -> None:
        """Keep the models of all runs of a trial that has ended, if it is one of the best so far; else they go.

        Raises:
            OSError: The folder cannot be written.
        """
        here = self.unfinished(trial.number)
        missing = [name for part in series.parts if not is_folder(here / (name := run_name(part)))]
        if self.leads(trial, value) and not missing:
            write_whole(here / MEAN, mean_text(series, ended))
            replace(here, self.place(trial.number))
            self.drop(trial.study, trial.number, value)
        elif missing and is_folder(here):
            self.say(
                f"the models of trial {trial.number} are not kept: {missing[0]} was trained by a search that keeps none"
            )
        self.forget(trial.number)

    def forget(self, number: int) -> None:
        """Delete the models of a trial's runs that are in no model of a trial."""
        shutil.rmtree(self.unfinished(number), ignore_errors=True)

    def unfinished(self, number: int) -> Path:
        """Where the models of its runs are while others are being trained."""
        return self.folder / f"trial-{number}{UNFINISHED}"

    def leads(self, trial: Trial, value: float) -> bool:
        """Whether a trial that ends with this value is one of the best so far; equal ones are kept until the end."""
        return better(trial.study, value, trial.number) < self.most

    def about(self, params: dict[str, Any], number: int, training: Training) -> dict[str, Any]:
        """What the saved model knows of its run."""
        settings = self.plan.fixed | {name: value for name, value in params.items() if name not in RECIPE}
        facts = {"recipe": training.recipe, "data": self.plan.data, "method": self.plan.method, "settings": settings}
        return facts | {"metric": self.metric, "study": self.study, "trial": number, "versions": versions()}

    def save(self, training: Training, place: Path, about: dict[str, Any]) -> None:
        """Save the model that the run's value is about."""
        from finetune.training.keep import keep  # needs transformers, for which reports need not wait

        place.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.folder, prefix=".writing-") as scratch:
            whole = Path(scratch) / "model"
            whole.mkdir()
            try:
                with training.scored():
                    notes = keep(training.bench, training.model, whole, About(**about))
            except SafetensorError as error:
                raise OSError(str(error)) from None
            replace(whole, place)
        for line in notes:
            self.say(line)

    def say(self, line: str) -> None:
        """Say a line, once."""
        if line not in self._said:
            self._said.add(line)
            self._say(line)

    def drop(self, study: optuna.Study, number: int, value: float) -> None:
        """Delete the models of trials that are overtaken.

        Args:
            study: The study.
            number: A trial that has ended, and may not be complete in the database yet.
            value: Its value.
        """
        sign = sign_of(study)
        values = {trial.number: trial.values[0] for trial in eligible(study)} | {number: value}
        ranks = {one: round(sign * known, PLACES) for one, known in values.items()}
        states = {trial.number: trial.state for trial in study.get_trials(deepcopy=False)}
        for there in kept_in(self.folder.parent):
            beaten = there in ranks and sum(rank > ranks[there] for rank in ranks.values()) >= self.most
            if beaten or (there not in ranks and states.get(there) in FINISHED):
                shutil.rmtree(self.place(there), ignore_errors=True)


def kept_in(folder: Path) -> list[int]:
    """The numbers of the trials whose models a study's folder has."""
    names = [path.name.removeprefix("trial-") for path in models(folder)]
    return sorted(int(name) for name in names if name.isdecimal())


def replace(whole: Path, place: Path) -> None:
    """Move a folder to its place; what was there goes."""
    if is_folder(place):
        with TemporaryDirectory(dir=place.parent, prefix=".writing-") as scratch:
            place.rename(Path(scratch) / "before")
            whole.rename(place)
    else:
        whole.rename(place)


def keep_only(study: optuna.Study, folder: Path, most: int, best: int | None) -> list[int]:
    """When a search has ended, keep exactly the models of its best trials.

    Args:
        study: The study.
        folder: Folder of its files.
        most: Models of how many trials are kept.
        best: The number of the best trial, which may be another than the first by the first metric alone.

    Returns:
        The numbers of the best trials whose models are not there.
    """
    order = standing(study)
    wanted = [*([] if best is None else [best]), *(number for number in order if number != best)][:most]
    if not study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        finished = {trial.number for trial in study.get_trials(deepcopy=False, states=FINISHED)}
        for number in kept_in(folder):
            if number in finished and number not in wanted:
                shutil.rmtree(folder / MODELS / f"trial-{number}", ignore_errors=True)
        with suppress(OSError):  # not empty, or not there
            (folder / MODELS).rmdir()
    there = kept_in(folder)
    return [number for number in wanted if number not in there]
