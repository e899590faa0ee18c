"""Deleting a study: what goes with it, what stays, and when it is refused."""

import os
import socket

import optuna
import pytest
import sqlalchemy as sql
from helpers.databases import crossed, sqlite_alone
from helpers.made_up_studies import made, stored
from helpers.worker_processes import close_all, storage_of
from optuna.trial import TrialState

from finetune.config import Recipe
from finetune.errors import UserError
from studies.planning.identity import ACCEPTED, KEY
from studies.running.claims import Claims
from studies.running.place import Place
from studies.running.prefix import key_of
from studies.running.removal import plan_removal, remove

NOW = {"torch": "2.0"}


@pytest.fixture
def base(url):
    yield storage_of(url)
    close_all()


def study(base, name, **about):
    """A study of five trials on a CPU, that may say other things of itself."""
    found = stored(made("CCPFC", name=name), base)
    found.set_user_attr(KEY, found.user_attrs[KEY] | {"device": "cpu"} | about)
    return found


def tables(base):
    """Rows of every table, by name."""
    meta = sql.MetaData()
    meta.reflect(base.engine)
    with base.engine.connect() as connection:
        return {
            name: connection.scalar(sql.select(sql.func.count()).select_from(table)) for name, table in meta.tables.items()
        }


def key(under=NOW, **recipe):
    """Of the clean epochs of such a study."""
    return key_of("0123456789abcdef", "fedcba9876543210", Recipe(**{"epochs": 4, "seed": 7} | recipe), under, "cpu")


def write(path, text="x" * 10):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def gone(base, name, out):
    return remove(plan_removal(base, name, str(out)), base)


def test_rows_files_and_snapshots_go_and_another_study_stays(base, tmp_path):
    study(base, "other")
    before = None
    for name in ("report.html", "trials.csv", "best.yaml", "trial-3.safetensors", "trial-12/weights.bin", ".writing-abc"):
        write(tmp_path / "made" / name)
    for name in ("oof-3.safetensors", "trial-4-run-2.safetensors", "models/trial-3/fold-0/model.safetensors"):
        write(tmp_path / "made" / name)
    write(tmp_path / "made" / "figures" / "history.png")
    write(tmp_path / "other" / "report.html")
    with Claims(optuna.load_study(study_name="other", storage=base), base).held():
        before = tables(base)
        mine = study(base, "made")
        mine.enqueue_trial({"adv_lr": 0.1})
        assert gone(base, "made", tmp_path) == []
        assert tables(base) == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["other"]
    assert optuna.get_all_study_names(base) == ["other"]


@sqlite_alone
@pytest.mark.parametrize(
    "extra", ["notes.txt", "model/model.safetensors", "trial-x.safetensors", "best.yaml.bak", "figures/a.txt"]
)
def test_what_a_search_did_not_write_stays(base, tmp_path, extra):
    study(base, "made")
    kept, ours = write(tmp_path / "made" / extra), write(tmp_path / "made" / "best.yaml")
    said = gone(base, "made", tmp_path)
    assert kept.exists()
    assert not ours.exists()
    assert len(said) == 1
    assert extra.split("/")[0] in said[0]


@sqlite_alone
@pytest.mark.parametrize(
    "link", ["made", "made/report.html", "made/figures", "made/trial-1.safetensors", "prefix", "prefix/KEY"]
)
def test_links_are_not_followed(base, tmp_path, link):
    study(base, "made")
    elsewhere = tmp_path / "elsewhere"
    for name in ("report.html", "clean-1.safetensors", "history.png", f"{key()}/clean-1.safetensors"):
        write(elsewhere / name)
    place = tmp_path / "out" / link.replace("KEY", key())
    place.parent.mkdir(parents=True)
    place.symlink_to(elsewhere / "report.html" if place.suffix else elsewhere)
    gone(base, "made", tmp_path / "out")
    assert len([path for path in elsewhere.rglob("*") if path.is_file()]) == 4
    assert place.is_symlink()


@sqlite_alone
def test_clean_epochs_that_another_study_uses_stay(base, tmp_path):
    mine, other = study(base, "made"), study(base, "other")
    other.set_user_attr(KEY, other.user_attrs[KEY] | {"method": "fgm"})
    shared = write(tmp_path / "prefix" / key() / "clean-1.safetensors")
    said = plan_removal(base, mine.study_name, str(tmp_path))
    assert said.clean == []
    assert said.kept == [f"the clean epochs in {shared.parent} stay: study other uses them"]
    gone(base, "made", tmp_path)
    assert shared.exists()
    gone(base, "other", tmp_path)
    assert not (tmp_path / "prefix").exists()


@sqlite_alone
@pytest.mark.parametrize(
    ("other", "stays"),
    [
        ({"data fingerprint": "f" * 16}, False),
        ({"model fingerprint": "f" * 16}, False),
        ({"device": "cuda"}, False),
        ({"versions": {"torch": "1.0"}}, False),
        ({"recipe": Recipe(epochs=4, seed=8).model_dump(mode="json")}, False),
        ({"recipe": {"model": "tiny", "epochs": 4, "seed": 7}}, True),  # an older program kept fewer fields
        ({"recipe": {"model": "tiny", "epochs": 4, "seed": 7}, "data fingerprint": "f" * 16}, False),
        ({"recipe": {"model": "tiny", "epochs": 4, "seed": 7}, "model fingerprint": "f" * 16}, False),
    ],
)
def test_clean_epochs_of_another_kind_are_nobody_elses(base, tmp_path, other, stays):
    study(base, "made")
    study(base, "other", **other)
    mine = write(tmp_path / "prefix" / key() / "clean.json")
    theirs = write(tmp_path / "prefix" / "0000000000000000" / "clean.json")
    gone(base, "made", tmp_path)
    assert (mine.exists(), theirs.exists()) == (stays, True)


@sqlite_alone
def test_versions_that_were_accepted_later_are_known(base, tmp_path):
    study(base, "made").set_user_attr(ACCEPTED, [{"torch": "3.0"}])
    both = [write(tmp_path / "prefix" / key(under) / "clean-2.safetensors") for under in (NOW, {"torch": "3.0"})]
    gone(base, "made", tmp_path)
    assert not any(path.exists() for path in both)


@sqlite_alone
def test_a_study_whose_name_is_nearly_the_same_keeps_its_folder(base, tmp_path):
    study(base, "a/b")
    study(base, "a-b")
    report = write(tmp_path / "a-b" / "report.html")
    assert plan_removal(base, "a/b", str(tmp_path)).files == []
    gone(base, "a/b", tmp_path)
    assert report.exists()
    gone(base, "a-b", tmp_path)
    assert not report.exists()


UNDER_WAY = {
    "another machine": "process 7 of far-away works on it",
    "nobody knows": "whether its process still runs is known in 60 s",
    "here": f"process {os.getpid()} of {socket.gethostname()} works on it",
}


@crossed(("who",), {who: (who,) for who in UNDER_WAY})
def test_a_trial_under_way_is_refused(base, tmp_path, who):
    mine = study(base, "made")
    report = write(tmp_path / "made" / "report.html")
    claims = Claims(mine, base, say=lambda line: None)
    if who == "nobody knows":
        mine.ask()
    else:
        claims.leases.place = claims.leases.place if who == "here" else str(Place("far-away", "boot", 7, 1))
        claims.take(99)
    before = tables(base)
    with pytest.raises(UserError, match="trial 5 of study 'made' is running") as refused:
        gone(base, "made", tmp_path)
    assert UNDER_WAY[who] in str(refused.value)
    assert tables(base) | {"advsearch_leases": 1} == before | {"advsearch_leases": 1}
    assert report.exists()


def test_a_trial_of_a_process_that_ended_is_no_obstacle(base, tmp_path):
    mine = study(base, "made")
    claims = Claims(mine, base, say=lambda line: None)
    claims.leases.place = str(Place(socket.gethostname(), Place.here().kernel, 2**22 - 1, 1))
    claims.take(99)
    gone(base, "made", tmp_path)
    assert optuna.get_all_study_names(base) == []
    assert tables(base)["advsearch_leases"] == 0


@sqlite_alone
@pytest.mark.parametrize("attrs", [{}, {KEY: "mine"}, {KEY: {"run": 1}}, {"lr": 1}])
def test_other_programs_studies_are_not_deleted(base, tmp_path, attrs):
    other = optuna.create_study(study_name="theirs", storage=base)
    other.add_trial(optuna.trial.create_trial(value=1.0, state=TrialState.COMPLETE))
    for name, value in attrs.items():
        other.set_user_attr(name, value)
    with pytest.raises(UserError, match="was not made by this program"):
        plan_removal(base, "theirs", str(tmp_path))


def test_a_study_that_was_stopped_in_its_making_is_deleted(base, tmp_path):
    optuna.create_study(study_name="half", storage=base)
    gone(base, "half", tmp_path)
    assert optuna.get_all_study_names(base) == []


@sqlite_alone
def test_a_name_that_is_not_there(base, tmp_path):
    with pytest.raises(UserError, match="has no studies yet"):
        plan_removal(base, "mad", str(tmp_path))
    study(base, "made")
    with pytest.raises(UserError, match="did you mean 'made'"):
        plan_removal(base, "mad", str(tmp_path))
