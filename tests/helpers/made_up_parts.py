"""Confirmations as they are stored, made up: a verdict, and the runs that take its winner apart."""

from dataclasses import asdict

import optuna
from optuna.distributions import IntDistribution
from optuna.trial import TrialState, create_trial

from finetune.arguments import as_options
from helpers.made_up_studies import made, stored
from studies.report.screen import Screen
from studies.results.confirmed import CAP
from studies.results.summary import summarise
from studies.running.objective import Failed
from studies.running.parts import PLAN
from studies.running.stages import ARMS, FIRST, PARTS, VERDICT, Arm, read_stage, run_of, stage_name
from studies.running.storage import LINK, open_storage
from studies.taking_apart import Pieces, TakingApart

SEED = 2001
RANGES = {"arm": IntDistribution(0, 10**6), "seed": IntDistribution(0, 2**32 - 1)}


def searched(url, states="CCCCCCCC", **options):
    """The summary of a made-up search in a database, and the database."""
    storage = open_storage(url)
    return summarise(stored(made(states, **options), storage)), storage


def judged(summary, settings, clean, winner, recipe=None):
    """A verdict with these values by seed; None is a run that failed."""
    arms = [Arm("clean training", "none", {}), Arm("trial 5", summary.about["method"], settings, recipe or {}, trial=5)]
    stage = begun(summary, VERDICT, arms)
    stage.study.set_user_attr(CAP, len(clean))
    for seed, values in enumerate(zip(clean, winner, strict=True)):
        for arm, value in enumerate(values):
            add_run(stage.study, arm, SEED + seed, value)
    return stage


def measured(summary, verdict, value):
    """All runs that take the winner of a verdict apart, without running anything; also those that are not needed."""
    pieces, seeds = Pieces(summary, verdict.arms[1]), len(verdict.study.trials) // 2
    plan = pieces.plan(seeds)
    stage = begun(summary, PARTS, [pieces.arm(changed) for changed in plan.arms])
    stage.study.set_user_attr(PLAN, asdict(plan))
    for index, arm in enumerate(stage.arms):
        for seed in range(SEED, SEED + seeds):
            add_run(stage.study, index, seed, value(arm.who, seed))


def begun(summary, kind, arms):
    """A stage without runs."""
    name, direction = stage_name(summary.study.study_name, kind), summary.study.direction
    study = optuna.create_study(study_name=name, storage=summary.study._storage, direction=direction)
    facts = {LINK: {"of": summary.study.study_name, "stage": kind}, FIRST: SEED, ARMS: [asdict(arm) for arm in arms]}
    for key, fact in facts.items():
        study.set_user_attr(key, fact)
    return read_stage(study)


def add_run(study, arm, seed, value):
    """A finished run."""
    failed = {"state": TrialState.FAIL, "user_attrs": {"failure": "diverged"}}
    end = failed if value is None else {"state": TrialState.COMPLETE, "value": value}
    study.add_trial(create_trial(params={"arm": arm, "seed": seed}, distributions=RANGES, **end))


class FromTable:
    """Makes runs whose values are known.

    Args:
        stage: The stage.
        value: The value of an arm, by its name, and seed; None fails.
    """

    def __init__(self, stage, value):
        self.stage, self.value = stage, value

    def __call__(self, trial):
        arm, seed = run_of(trial)
        found = self.value(self.stage.arms[arm].who, seed)
        if found is None:
            raise Failed("diverged")
        return found

    def forget(self, seed):
        """Nothing is shared."""


def taken_apart(summary, storage, verdict, value, seeds=8):
    """Take the winner of a verdict apart with known values; what was said, and the stage's study if there is one."""
    screen = Screen(None, as_options)
    TakingApart(summary, storage, verdict, seeds, screen).run(lambda stage: FromTable(stage, value))
    name = stage_name(summary.study.study_name, PARTS)
    there = name in optuna.get_all_study_names(storage)
    return screen.said, optuna.load_study(study_name=name, storage=storage) if there else None


def confirmed_summary(states="C" * 12, clean=0.8, winner=0.83, values=None, names=("adv_eps", "adv_lr", "start_epoch")):
    """The summary of a search whose winner was taken apart; a configuration without a value has 0.81."""
    search = summarise(made(states))
    settings = {"adv_eps": 0.05, "adv_lr": 0.01, "start_epoch": 1}
    settings |= {name: usual for name, usual in USUAL.items() if name not in names}
    spread = [0.0, 0.004, 0.002, 0.006]
    verdict = judged(search, settings, [clean] * 4, [winner + more for more in spread])
    measured(search, verdict, lambda who, seed: (values or {}).get(who, 0.81))
    return search


USUAL = {"adv_eps": 0.2, "adv_lr": 1.0, "start_epoch": 0}
