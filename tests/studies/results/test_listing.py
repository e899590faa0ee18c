"""The studies of a database, in a list."""

from datetime import datetime

import optuna
import pytest
from helpers.made_up_studies import made, stored
from optuna.trial import TrialState, create_trial

from studies.planning.identity import KEY
from studies.results.listing import listing, shared_bytes
from studies.running.storage import close_storage, open_storage


@pytest.fixture
def base(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path / 's.db'}")
    yield storage
    close_storage(storage)


def write(path, size):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def test_a_study_of_ours(base, tmp_path):
    study = stored(made("CCPF", name="made"), base)
    study.enqueue_trial({"adv_lr": 0.1})
    write(tmp_path / "made" / "report.html", 300)
    write(tmp_path / "made" / "trial-4.safetensors", 2000)
    write(tmp_path / "made" / "notes.txt", 70)
    write(tmp_path / "unrelated" / "report.html", 9)
    (found,) = listing(base, str(tmp_path))
    assert (found.name, found.method, found.metric, found.clean) == ("made", "awp", "accuracy", "0.8125")
    assert found.best == f"{max(t.value for t in study.trials if t.state is TrialState.COMPLETE):.4f}"
    assert {state.name: count for state, count in found.counts.items()} == {
        "COMPLETE": 2, "PRUNED": 1, "FAIL": 1, "WAITING": 1,
    }  # fmt: skip
    assert found.finished == 4
    assert (found.disk, found.snapshots) == (2300, 2000)
    assert found.changed == max(t.datetime_complete for t in study.trials if t.datetime_complete)


def test_lower_is_better_and_studies_stand_by_name(base):
    for name in ("b", "a"):
        study = stored(made("CC", name=name, metric="rmse", maximize=False), base)
    first, second = listing(base)
    assert (first.name, second.name) == ("a", "b")
    assert first.best == f"{min(t.value for t in study.trials):.4f}"
    assert (first.disk, first.snapshots) == (0, 0)


def another(base, directions=("minimize",), values=((2.5,), (0.25,)), attrs=()):
    study = optuna.create_study(storage=base, study_name="theirs", directions=list(directions))
    for value in values:
        trial = create_trial(values=list(value))
        trial.datetime_start = trial.datetime_complete = datetime(2030, 1, 1)
        study.add_trial(trial)
    for name, value in attrs:
        study.set_user_attr(name, value)


@pytest.mark.parametrize(
    ("how", "best"),
    [
        ({}, "0.25"),
        ({"directions": ("maximize",)}, "2.5"),
        ({"directions": ("minimize", "maximize"), "values": ((1.0, 2.0),)}, None),
        ({"values": ()}, None),
        ({"values": ((float("inf"),), (3.0,))}, "3"),
        ({"attrs": ((KEY, "a name"), ("baseline", 3))}, "0.25"),
        ({"attrs": ((KEY, {"method": "awp", "space": 3}),)}, "0.25"),
    ],
)
def test_other_programs_studies_are_listed_with_what_is_known(base, how, best, tmp_path):
    another(base, **how)
    write(tmp_path / "theirs" / "report.html", 9)
    (found,) = listing(base, str(tmp_path))
    assert (found.name, found.method, found.best, found.clean, found.disk) == ("theirs", None, best, None, 0)


@pytest.mark.parametrize("missing", ["baseline", "recipe", "direction"])
def test_a_study_that_lacks_something_is_listed_all_the_same(base, missing):
    study = stored(made("CC"), base)
    if missing == "baseline":
        study.set_user_attr("baseline", None)
    else:
        study.set_user_attr(KEY, {key: value for key, value in study.user_attrs[KEY].items() if key != missing})
    (found,) = listing(base)
    assert (found.name, found.method, found.best, found.finished) == ("made", "awp", None, 2)


def test_clean_epochs_are_counted_once(tmp_path):
    assert shared_bytes(str(tmp_path))[1] == 0
    write(tmp_path / "prefix" / "0123456789abcdef" / "clean-1.safetensors", 500)
    write(tmp_path / "prefix" / "0123456789abcdef" / "notes", 7)
    write(tmp_path / "prefix" / "fedcba9876543210" / "clean.json", 20)
    assert shared_bytes(str(tmp_path)) == (tmp_path / "prefix", 520)
