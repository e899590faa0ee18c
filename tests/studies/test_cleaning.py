"""What studies could do without on disk: what goes, what stays and why, and what is never touched."""

import os
import time
from pathlib import Path

import optuna
import pytest
from helpers.made_up_studies import made, stored
from helpers.worker_processes import close_all, storage_of
from optuna.trial import TrialState

import studies
from finetune.config import Recipe
from finetune.errors import UserError
from studies.planning.identity import KEY
from studies.running.claims import Claims
from studies.running.place import Place
from studies.running.prefix import key_of
from studies.running.presence import present, users
from studies.running.spare import torn
from studies.running.storage import LINK

# Trials of the made-up study: 0 and 1 complete, 2 pruned, 3 failed, 4 complete, 5 waits.
STATES = "CCPFC"
KEPT = key_of("0123456789abcdef", "fedcba9876543210", Recipe(epochs=4, seed=7), {"torch": "2.0"}, "cpu")
OLD = time.time() - 3600


@pytest.fixture
def url(tmp_path):
    yield f"sqlite:///{tmp_path / 's.db'}"
    close_all()


def study(url, name="made", states=STATES, waits=True):
    """A study on a CPU, which may have a trial that is not finished."""
    found = stored(made(states, name=name), storage_of(url))
    found.set_user_attr(KEY, found.user_attrs[KEY] | {"device": "cpu"})
    if waits:
        found.enqueue_trial({"adv_lr": 0.1})
    return found


def write(path, size=10, age=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    if age:
        os.utime(path, (time.time() - age, time.time() - age))
    return path


def left(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def clean(url, out, *names, **options):
    return studies.clean(*names, storage=url, out=str(out), **options)


# By name: whether it goes, and whether it goes with what was asked for.
FILES = [
    ("trial-2.safetensors", True, True),  # pruned
    ("trial-0-run-3.safetensors", True, True),
    ("trial-3-run-0.lock", True, True),
    ("trial-4/weights.bin", True, True),  # of an own loop
    ("trial-5.safetensors", False, True),  # waits: goes on from there
    ("trial-5-run-0.safetensors", False, True),
    ("trial-5-run-1-state.safetensors", False, True),
    ("trial-0-run-1-state.safetensors", True, True),
    ("seed-1008-fold-1-2.safetensors", True, True),
    ("trial-77.safetensors", False, True),  # of another database, perhaps
    ("race-0.safetensors", True, True),  # there is no race
    ("seed-1008-2.safetensors", True, True),
    ("clean/model.bin", True, True),
    ("oof-0.safetensors", False, True),
    ("oof-2.safetensors", True, True),  # pruned: not among the best
    ("models/trial-1/model.safetensors", False, True),
    ("models/trial-3/model.safetensors", True, True),
    ("models/trial-5-unfinished/fold-0/model.safetensors", False, True),
    ("models/trial-4-unfinished/fold-0/model.safetensors", True, True),
    ("report.html", False, False),
    ("best.yaml", False, False),
    ("predictions-0.csv", False, False),
    ("model/model.safetensors", False, False),  # of `train`
    ("trial-2.safetensors.bak", False, False),
    ("Trial-1.safetensors", False, False),
    ("trial--2.safetensors", False, False),
    ("oof-x.safetensors", False, False),
    ("models/mine/model.safetensors", False, False),
    ("models/trial-3.txt", False, False),
    ("models/notes.md", False, False),
    ("oof-2/notes.txt", False, False),
]


def test_what_goes(url, tmp_path):
    study(url)
    out, home = tmp_path / "runs", tmp_path / "runs" / "made"
    for name in [*(name for name, _, _ in FILES), "mine.txt"]:
        write(home / name)
    for asked, column in ((False, 1), (True, 2)):
        shown = clean(url, out, everything=asked)
        gone = {row[0] for row in FILES if row[column]}
        found = shown.to_frame()
        ours = [Path(path).relative_to(home) for path in found.path[found.goes]]
        for name, *_ in FILES:
            assert any(path in (Path(name), *Path(name).parents) for path in ours) == (name in gone), name
        assert (shown.bytes, shown.freed) == (10 * len(gone), 0)
    assert set(left(home)) == {name for name, _, _ in FILES} | {"mine.txt"}
    kept = {name for name, goes, _ in FILES if not goes}
    assert clean(url, out, yes=True).freed == 10 * (len(FILES) - len(kept))
    assert set(left(home)) == kept | {"mine.txt"}
    kept_still = {name for name, _, with_all in FILES if not with_all}
    assert clean(url, out, yes=True, everything=True).freed == 10 * len(kept - kept_still)
    assert set(left(home)) == kept_still | {"mine.txt"}


def test_only_old_files_that_were_being_written_go(url, tmp_path):
    study(url)
    folder = tmp_path / "runs" / "made"
    for place in (folder, folder / "figures", folder / "models"):
        write(place / ".writing-old", age=3600)
        write(place / ".writing-new")
    write(folder / "models" / ".writing-dir" / "model.safetensors")
    os.utime(folder / "models" / ".writing-dir", (OLD, OLD))
    assert [path.name for path in torn(folder / "models")] == [".writing-dir", ".writing-old"]
    found = clean(url, tmp_path / "runs", yes=True)
    assert found.freed == 40
    assert left(folder) == [".writing-new", "figures/.writing-new", "models/.writing-new"]


def test_links_are_not_followed(url, tmp_path):
    study(url)
    there, folder = write(tmp_path / "elsewhere" / "trial-2.safetensors"), tmp_path / "runs" / "made"
    folder.mkdir(parents=True)
    (folder / "trial-2.safetensors").symlink_to(there)
    (folder / "models").symlink_to(there.parent)
    (tmp_path / "runs" / "prefix").symlink_to(there.parent)
    write(there.parent / KEPT / "clean-1.safetensors")
    write(folder / "trial-4" / "weights.bin")
    (folder / "trial-4" / "link").symlink_to(there)
    assert clean(url, tmp_path / "runs", yes=True, everything=True).freed == 10
    assert left(there.parent) == [f"{KEPT}/clean-1.safetensors", "trial-2.safetensors"]
    assert not (folder / "trial-4").exists()
    assert (folder / "trial-2.safetensors").is_symlink()


def test_clean_epochs_stay_while_one_study_needs_them(url, tmp_path):
    study(url, "one", waits=False)
    two, out = study(url, "two"), tmp_path / "runs"
    kept, mine = write(out / "prefix" / KEPT / "clean-2.safetensors"), write(out / "prefix" / KEPT / "mine.txt")
    write(out / "prefix" / ("0" * 16) / "clean-2.safetensors")
    found = clean(url, out, "one", yes=True)
    assert found.freed == 0
    assert "trials of study two begin from them" in found.told()[0]
    assert clean(url, out, "one", everything=True).bytes == 10
    two.tell(two.ask(), 0.5)
    assert clean(url, out, "one", yes=True).freed == 10
    assert not kept.exists()
    assert left(out / "prefix") == [f"{'0' * 16}/clean-2.safetensors", f"{KEPT}/mine.txt"]
    mine.unlink()
    write(kept)
    assert clean(url, out, "two", yes=True).told()[0].startswith("two: clean epochs that finished studies shared")
    assert not kept.parent.exists()


def test_a_study_at_work_is_left_alone(url, tmp_path):
    busy, out = study(url), tmp_path / "runs"
    study(url, "other", waits=False)
    names = ("made/trial-2.safetensors", "made/trial-5.safetensors", f"prefix/{KEPT}/clean-1.safetensors")
    for name in (*names, "other/trial-1.safetensors"):
        write(out / name)
    with Claims(busy, storage_of(url), lambda line: None).held() as claims:
        assert claims.take(99).number == 5
        found = clean(url, out, yes=True, everything=True)
    assert left(out) == sorted(names)
    assert found.freed == 10
    said = " ".join(found.told())
    assert f"study made is at work (trial 5: process {os.getpid()}" in said
    assert "is in use" in said
    assert clean(url, out, yes=True, everything=True).freed == 30


def test_a_process_of_another_database_is_seen(url, tmp_path):
    study(url, waits=False)
    out = tmp_path / "runs"
    folders = (out / "made", out / "prefix" / KEPT)
    for folder in folders:
        write(folder / ("trial-2.safetensors" if folder.name == "made" else "clean-1.safetensors"))
    with present(*folders):
        found = clean(url, out, yes=True, everything=True)
        assert found.freed == 0
        assert len(found.lines) == 2
    assert clean(url, out, yes=True).freed == 20


def test_what_began_between_question_and_answer_is_not_touched(url, tmp_path, monkeypatch):
    """A search begins after the look and before the deletion."""
    from studies import cleaning

    busy, out, seen = study(url), tmp_path / "runs", cleaning.spares_of
    path = write(out / "made" / "trial-5.safetensors")
    with Claims(busy, storage_of(url), lambda line: None).held() as claims:

        def late(*arguments):
            found = seen(*arguments)
            claims.take(99)
            return found

        monkeypatch.setattr(cleaning, "spares_of", late)
        found = clean(url, out, yes=True, everything=True)
    assert path.exists()
    assert "is in use now" in found.lines[-1]


def test_a_dead_process_counts_for_nothing(tmp_path):
    here = Place.here()
    gone = Place(here.host, here.kernel, here.pid, here.started + 1)
    elsewhere = Place("another-machine", "x", 1, 2)
    for name, place in (("gone", gone), ("far", elsewhere), ("torn", "{")):
        (tmp_path / f".used-by-{name}").write_text(str(place))
    with present(tmp_path):
        assert len(left(tmp_path)) == 2
        assert sorted(users(tmp_path)) == sorted(["process 1 of another-machine", here.name])
    assert left(tmp_path) == [".used-by-far"]
    os.utime(tmp_path / ".used-by-far", (time.time() - 90000,) * 2)
    assert users(tmp_path) == []


def test_a_mark_goes_with_the_folders_that_were_made_for_it(tmp_path):
    deep = tmp_path / "prefix" / "key"
    stopped = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt), present(deep, tmp_path):
        raise stopped
    assert list(tmp_path.iterdir()) == []
    with present(deep):
        assert len(users(deep)) == 1
        write(deep / "clean-1.safetensors")
    assert left(tmp_path) == ["prefix/key/clean-1.safetensors"]


def test_states_of_a_confirmation(url, tmp_path):
    study(url, waits=False)
    stage = optuna.create_study(storage=storage_of(url), study_name="made.race", direction="maximize")
    stage.set_user_attr(LINK, {"of": "made", "stage": "race"})
    stage.add_trial(optuna.trial.create_trial(state=TrialState.COMPLETE, value=1.0))
    stage.enqueue_trial({})
    folder = tmp_path / "runs" / "made"
    for name in ("race-0.safetensors", "race-1.safetensors", "seed-1008-2.safetensors", "verdict-0.safetensors"):
        write(folder / name)
    assert clean(url, tmp_path / "runs", yes=True).freed == 20
    assert left(folder) == ["race-1.safetensors", "seed-1008-2.safetensors"]
    assert clean(url, tmp_path / "runs", yes=True, everything=True).freed == 20


def test_refusals(url, tmp_path):
    study(url)
    base = storage_of(url)
    optuna.create_study(storage=base, study_name="foreign").enqueue_trial({})
    stage = optuna.create_study(storage=base, study_name="made.race")
    stage.set_user_attr(LINK, {"of": "made", "stage": "race"})
    for name, said in {
        "mad": "there is no study 'mad'",
        "foreign": "was not made by this program",
        "made.race": "is a part of the confirmation of 'made'",
    }.items():
        with pytest.raises(UserError, match=said):
            clean(url, tmp_path, "made", name, yes=True)
    with pytest.raises(UserError, match="did you mean 'made'"):
        clean(url, tmp_path, "mad")
    with pytest.raises(UserError, match="there is no such database"):
        clean(f"sqlite:///{tmp_path}/none.db", tmp_path)
    assert clean(url, tmp_path / "runs").spares == []


def test_a_table_of_what_could_go(url, tmp_path):
    study(url)
    for name in ("trial-2.safetensors", "trial-5.safetensors"):
        write(tmp_path / "runs" / "made" / name, 2000)
    found = clean(url, tmp_path / "runs")
    frame = found.to_frame()
    assert frame[["study", "bytes", "goes"]].values.tolist() == [["made", 2000, True], ["made", 2000, False]]
    assert found.told() == [
        "made: states of trials that are finished (1 file or folder, 2.0 kB)",
        'made: states of unfinished trials (1 file or folder, 2.0 kB), stay without \x1f["everything", true]\x1f: '
        "the search goes on from them; without them it trains these trials again",
    ]
    assert Path(frame.path[0]).name == "trial-2.safetensors"
