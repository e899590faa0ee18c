"""Stages of a confirmation: studies of their own beside the searched one, with one trial for each run of an arm on a seed.

Which arm and seed a run has follows from its number and the runs before it, so that one process, several, and one that was
killed and started again all make the same runs.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import optuna
import sqlalchemy as sql
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import StudyUserAttributeModel as Attribute
from optuna.trial import FrozenTrial, Trial, TrialState

from finetune.errors import UserError
from finetune.words import counted
from studies.running.claims import FINISHED
from studies.running.leases import Leases
from studies.running.loop import LOOK_AGAIN, Options, run_trials
from studies.running.storage import LINK, has_study, stage_of

RACE, VERDICT, PARTS = "race", "verdict", "parts"
# Clean training tuned like the winner: a search of its own.
TUNED = "tuned"
# The runs of further rivals on the verdict's seeds, by what the rival is called in ``against``.
AGAINST = {"compute": "against_compute", "tuned": "against_tuned"}
# Each stage, and those that rest on it.
RESTING = {
    RACE: (VERDICT, *AGAINST.values(), PARTS),
    VERDICT: (*AGAINST.values(), PARTS),
    TUNED: (AGAINST["tuned"],),
    **{kind: () for kind in (*AGAINST.values(), PARTS)},
}
STAGES = tuple(RESTING)
ARMS, FIRST = "arms", "first seed"
# The seeds of the stages follow the search's seed at these distances, so that none is used twice.
# The parts have the verdict's seeds.
AFTER = {RACE: 1001, VERDICT: 2001}
SEEDS = 2**32
Order = Callable[[int], tuple[int, int]]
# Finished runs, by arm and seed.
Runs = dict[tuple[int, int], FrozenTrial]
# Has workers make runs: arm and seed of each, by its number; called with each finished run, and with lines.
Share = Callable[[Sequence[tuple[int, int]], Callable[[FrozenTrial], None], Callable[[str], None]], None]


@dataclass(frozen=True)
class Arm:
    """One configuration in a stage.

    Args:
        who: What it is: "trial 17", "clean training", "the control".
        method: A name of ``adv.METHODS``.
        settings: Settings of the method, fixed and searched.
        recipe: Values in which its recipe differs from the study's.
        rival: Whether it is the method's control with these settings.
        trial: The number of the search's trial with these settings, if there is one.
    """

    who: str
    method: str
    settings: dict[str, Any]
    recipe: dict[str, Any] = field(default_factory=dict)
    rival: bool = False
    trial: int | None = None


@dataclass(frozen=True)
class Stage:
    """One stage.

    Args:
        study: Its Optuna study.
        arms: What it compares.
        first: Its first seed; the others follow.
    """

    study: optuna.Study
    arms: list[Arm]
    first: int

    @cached_property
    def kind(self) -> str:
        """One of ``STAGES``."""
        return str(self.study.user_attrs[LINK]["stage"])

    def seed(self, index: int) -> int:
        """The seed at a place, from 0."""
        return (self.first + index) % SEEDS

    def runs(self) -> Runs:
        """The finished runs, by arm and seed."""
        found = self.study.get_trials(deepcopy=False, states=FINISHED)
        return {
            (trial.params["arm"], trial.params["seed"]): trial for trial in found if {"arm", "seed"} <= trial.params.keys()
        }

    def values(self, arm: int, seeds: int, runs: Runs | None = None) -> list[float | None]:
        """An arm's values on the first seeds, as far as they are finished; None for a run that failed.

        Args:
            arm: Its place.
            seeds: How many seeds.
            runs: The finished runs, if they have been read already.
        """
        runs, found = self.runs() if runs is None else runs, list[float | None]()
        for index in range(seeds):
            run = runs.get((arm, self.seed(index)))
            if run is None:
                break
            found.append(run.value if run.state is TrialState.COMPLETE else None)
        return found


def stage_name(of: str, kind: str) -> str:
    """The name of a stage's study."""
    return f"{of}.{kind}"


def find_stage(study: optuna.Study, kind: str) -> Stage | None:
    """A stage of a study; None if it has not begun."""
    name, storage = stage_name(study.study_name, kind), study._storage
    if stage_of(storage, name) != study.study_name:
        return None
    return read_stage(optuna.load_study(study_name=name, storage=storage))


def read_stage(study: optuna.Study) -> Stage | None:
    """The stage in an Optuna study; None if it was stopped before its arms were stored."""
    known = study.user_attrs
    return Stage(study, [Arm(**arm) for arm in known[ARMS]], known[FIRST]) if {ARMS, FIRST} <= known.keys() else None


def begin_stage(study: optuna.Study, storage: RDBStorage, kind: str, arms: Sequence[Arm], first: int) -> Stage:
    """Begin a stage, or go on with the one that is there: its arms were written once.

    Args:
        study: The searched study.
        storage: Its database.
        kind: One of ``STAGES``.
        arms: What to compare.
        first: The first seed.

    Raises:
        UserError: There is a study of that name that is no stage.
    """
    made = stage_study(study, storage, kind)
    write_once(made, storage, FIRST, first % SEEDS)
    write_once(made, storage, ARMS, [asdict(arm) for arm in arms])
    stage = read_stage(made)
    assert stage is not None
    return stage


def stage_study(study: optuna.Study, storage: RDBStorage, kind: str) -> optuna.Study:
    """The Optuna study of a stage; it is made if it is not there.

    Raises:
        UserError: There is a study of that name that is no stage.
    """
    name = stage_name(study.study_name, kind)
    if has_study(storage, name) and stage_of(storage, name) is None:
        there = optuna.load_study(study_name=name, storage=storage)
        if there.user_attrs or there.get_trials(deepcopy=False):
            raise UserError(f"study {name!r} is there already and is no part of a confirmation; delete or rename it first")
    made = optuna.create_study(study_name=name, storage=storage, direction=study.directions[0], load_if_exists=True)
    write_once(made, storage, LINK, {"of": study.study_name, "stage": kind})
    return made


def write_once(study: optuna.Study, storage: RDBStorage, key: str, value: Any) -> Any:
    """Store a fact that must never change; returns what is stored, which another process may have written before."""
    leases = Leases(study, storage)
    with leases.alone() as session:
        there = session.scalars(sql.select(Attribute).where(Attribute.study_id == leases.id, Attribute.key == key)).first()
        if there is None:
            session.add(Attribute(study_id=leases.id, key=key, value_json=json.dumps(value)))
    return study.user_attrs[key]


class Planned(BaseSampler):
    """Gives each run its arm and seed.

    Args:
        order: Arm and seed of a run, by its number.
    """

    def __init__(self, order: Order) -> None:
        self.order = order

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return dict(zip(("arm", "seed"), self.order(trial.number), strict=True))[param_name]


def run_of(trial: Trial) -> tuple[int, int]:
    """Arm and seed of a run."""
    return trial.suggest_int("arm", 0, 10**6), trial.suggest_int("seed", 0, SEEDS - 1)


def run_until(
    stage: Stage,
    storage: RDBStorage,
    objective: Callable[[Trial], float],
    order: Order,
    runs: int,
    on_finished: Callable[[FrozenTrial], None],
    say: Callable[[str], None],
) -> None:
    """Make runs until so many are finished; waits for those that other processes make, and takes over what they leave.

    Args:
        stage: The stage.
        storage: Its database.
        objective: Makes a run and returns its value; if it has a ``share``, that has workers make runs.
        order: Arm and seed of a run, by its number.
        runs: How many runs the stage has then.
        on_finished: Called with each run of this process.
        say: Called with a line about runs that others make or left.

    Raises:
        KeyboardInterrupt: It was stopped.
        UserError: The database or the disk failed, or the stage was deleted.
    """
    study, told = stage.study, False
    study.sampler, study.pruner = Planned(order), optuna.pruners.NopPruner()
    share: Share | None = getattr(objective, "share", None)
    while len(done(study)) < runs:
        if share is None:
            run_trials(study, storage, objective, Options(runs, 0), on_finished, say)
        else:
            share([order(number) for number in range(runs)], on_finished, say)
        left = runs - len(done(study))
        if left:
            if not told:
                say(f"waiting for {counted(left, 'run')} of other processes")
            told = True
            time.sleep(LOOK_AGAIN)


def done(study: optuna.Study) -> list[FrozenTrial]:
    """The finished runs."""
    return study.get_trials(deepcopy=False, states=FINISHED)
