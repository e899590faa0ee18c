"""What does a study cost per trial, beside training? Trials that train nothing, in studies that already have many.

    python benchmarks/empty_trials.py [--known 100,1000] [--trials 30] [--peer]

Each trial draws six settings and reports ten values, as a loop of the user's own does it. The study has known trials
already, with all that a search stores of a trial. Printed are milliseconds (of the clock, and of the processor) and SQL
statements of each further trial, the least over fifths of them; and with ``--peer`` the same for Optuna's own loop with its
default sampler, pruner and SQLite settings.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from spaces import Space
from studies.planning.loop_plan import LoopPlan, loop_plan
from studies.running.loop import Options, prepare, run_trials
from studies.running.looped import LoopObjective, Run
from studies.running.sampling import random_point
from studies.running.storage import open_storage

EPOCHS, PARTS = 10, 5
RECIPE = {"learning_rate": 2e-5, "weight_decay": 0.01, "warmup": 0.1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--known", default="100,1000")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--peer", action="store_true")
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print(f"{'known':>6} {'':<7} {'ms/trial':>9} {'processor':>10} {'statements':>11}")
    for known in map(int, args.known.split(",")):
        for name, run in {"ours": ours, **({"Optuna": peer} if args.peer else {})}.items():
            clock, processor, statements = measured(run, known, args.trials)
            print(f"{known:>6} {name:<7} {clock:>9.1f} {processor:>10.1f} {statements:>11.0f}", flush=True)


def measured(run: Callable[[str, int, int, Callable[[], None]], RDBStorage], known: int, trials: int) -> list[float]:
    """Milliseconds of clock and processor, and statements, of a trial."""
    stamps, count = list[tuple[float, float, int]](), 0

    def counted(*_: Any) -> None:
        nonlocal count
        count += 1

    def ended() -> None:
        stamps.append((1000 * time.perf_counter(), 1000 * time.process_time(), count))

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", counted)
    try:
        with tempfile.TemporaryDirectory() as folder:
            run(f"sqlite:///{Path(folder) / 's.db'}", known, trials, ended).engine.dispose()
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", counted)
    return [min(part.mean() for part in np.array_split(column, PARTS)) for column in np.diff(stamps, axis=0).T]


def ours(url: str, known: int, trials: int, ended: Callable[[], None]) -> RDBStorage:
    """Further trials of a study of a loop of the user's own."""
    plan = loop_plan("awp", {"loop": "empty"}, EPOCHS, 0, RECIPE, {}, [], list(RECIPE))
    storage = open_storage(url)
    study = filled(storage, plan, known)
    options = Options(known + trials, min(32, known), runs=1)
    prepare(study, options, plan.space, [plan.defaults()], 0)
    objective = LoopObjective(plan, empty, "accuracy", Path(), lambda trial, epoch: None)
    run_trials(study, storage, objective, options, lambda trial: ended())
    return storage


def empty(run: Run) -> None:
    """A loop that trains nothing; later epochs are better, and no trial is much worse than others."""
    for epoch in range(run.epochs):
        run.report(value(run.trial.number if run.trial else 0, epoch), epoch)


def peer(url: str, known: int, trials: int, ended: Callable[[], None]) -> RDBStorage:
    """Further trials in Optuna's own loop."""
    space = loop_plan("awp", {"loop": "empty"}, EPOCHS, 0, RECIPE, {}, [], list(RECIPE)).space
    storage = RDBStorage(url)
    study = filled(storage, None, known, space)
    study.sampler, study.pruner = optuna.samplers.TPESampler(seed=0), optuna.pruners.MedianPruner(n_warmup_steps=2)

    def objective(trial: optuna.Trial) -> float:
        for name, dist in space.items():
            trial._suggest(name, dist)
        for epoch in range(EPOCHS):
            trial.report(value(trial.number, epoch), epoch)
            trial.should_prune()
        return value(trial.number, EPOCHS - 1)

    study.optimize(objective, n_trials=trials, callbacks=[lambda study, trial: ended()])
    return storage


def value(number: int, epoch: int) -> float:
    return float(0.6 + 0.02 * epoch + 0.01 * np.random.default_rng([number, epoch]).random())


def filled(storage: RDBStorage, plan: LoopPlan | None, known: int, space: Space | None = None) -> optuna.Study:
    """A study with finished trials; with a plan they have what a search stores of them."""
    study = optuna.create_study(study_name="s", storage=storage, direction="maximize")
    with sqlalchemy.orm.Session(storage.engine) as session, session.begin():
        for number in range(known):
            trial = finished(number, space if plan is None else plan.space, plan is not None)
            storage._get_prepared_new_trial(study._study_id, trial, session)
    return study


def finished(number: int, space: Space, told: bool) -> FrozenTrial:
    values = {epoch: value(number, epoch) for epoch in range(EPOCHS)}
    last = values[EPOCHS - 1]
    attacked = {"relative": 0.1, "clipped": 0.2, "rise": 0.3, "nonfinite": 0.0, "attacked": 20.0}
    about = {
        "seconds": 1.0,
        "metrics": {"accuracy": last},
        "metrics.accuracy": last,
        "metrics by epoch": [{"accuracy": one} for one in values.values()],
        "diagnostics": attacked,
        "diagnostics by epoch": [attacked] * EPOCHS,
        **{f"diagnostics.{name}": cell for name, cell in attacked.items()},
    }
    return create_trial(
        state=TrialState.COMPLETE,
        value=last,
        params=random_point(space, 0, number),
        distributions=space,
        intermediate_values=values,
        user_attrs=about if told else {},
    )


if __name__ == "__main__":
    main()
