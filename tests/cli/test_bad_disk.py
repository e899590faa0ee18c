"""Places that cannot be written: files for folders, read-only and full disks. Nothing is lost when there is space again."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import optuna
import pytest
from helpers.refusals import SMALL, assert_said, files, refused, rows
from helpers.searched_folders import searched_in
from optuna.trial import TrialState

import search
from studies.running.objective import read_epochs

SEARCH = ("--method", "fgm", "--train-file", "rows.csv", *SMALL, "--trials", "3", "--epochs", "2")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of an undisturbed search."""
    return searched_in(tmp_path_factory, *SEARCH)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(rows())


def remount(*options):
    subprocess.run(["mount", "-o", ",".join(["remount", *options]), "disk"], check=True)


@pytest.fixture
def disk():
    """A disk of 300 kB, mounted on ./disk."""
    Path("disk").mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", "disk"]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here: this takes root")
    here = Path("disk").resolve()
    yield Path("disk")
    subprocess.run(["umount", "--lazy", here], check=True)


def fill(disk, free):
    """Leave ``free`` bytes on the disk."""
    space = os.statvfs(disk)
    with Path(disk, "filler").open("wb") as file:
        file.write(bytes(space.f_bavail * space.f_frsize - free))


def shape(text):
    """Epochs without the seconds that they took."""
    return [{**epoch, "seconds": 0} for epoch in json.loads(text)]


def trials(url):
    """All that is the same in every run of a search."""
    found = optuna.load_study(study_name="rows-fgm", storage=url).trials
    return [(t.number, t.state, t.params, t.value, t.intermediate_values, t.user_attrs["metrics"]) for t in found]


@pytest.mark.parametrize("free", [0, 150_000, 250_000])
@pytest.mark.parametrize("place", ["database", "out"])
def test_a_full_disk_loses_nothing(place, free, disk, whole, capsys):
    url = "sqlite:///disk/studies.db" if place == "database" else "sqlite:///studies.db"
    arguments = [*SEARCH, "--storage", url, "--out", "disk/runs" if place == "out" else "runs"]
    fill(disk, free)
    assert search.run(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert len(said.splitlines()) == 1
    assert_said(said, "disk/", "free some space and run the same command again")
    assert not list(Path().rglob(".writing*"))

    remount("size=20m")
    assert search.run(arguments) == 0
    assert capsys.readouterr().err == ""
    assert trials(url) == trials(f"sqlite:///{whole}/studies.db")
    assert [state for _, state, *_ in trials(url)] == [TrialState.COMPLETE] * 3
    for name in ("report.html", "trials.csv", "best.yaml"):
        assert next(Path().rglob(name)).stat().st_size > 0
    assert not list(Path().rglob("trial-*"))


def test_what_is_written_afterwards_on_a_full_disk(disk, whole, capsys):
    arguments = {
        "report": ["report", "--storage", f"sqlite:///{whole}/studies.db", "--out", "disk"],
        "export": ["export", "--storage", f"sqlite:///{whole}/studies.db", "--output", "disk/best.yaml"],
        "train": ["train", str(whole / "runs/rows-fgm/best.yaml"), "--out", "disk/model"],
    }
    fill(disk, 0)
    for command in arguments.values():
        assert_said(refused(capsys, *command), "disk", "cannot be written", "free some space")
    remount("size=20m")
    for command in arguments.values():
        assert search.run(command) == 0
    assert capsys.readouterr().err == ""
    assert Path("disk/best.yaml").read_bytes() == Path(whole, "runs/rows-fgm/best.yaml").read_bytes()
    assert Path("disk/model/model.safetensors").exists()


def test_a_read_only_disk(disk, whole, capsys):
    shutil.copy(whole / "studies.db", disk)
    shutil.copy(whole / "rows.csv", disk)
    remount("ro")
    for url in ("sqlite:///disk/studies.db", "sqlite:///disk/other.db"):
        said = refused(capsys, *SEARCH, "--storage", url)
        assert_said(said, f"--storage {url} cannot be used", "writable, or choose another --storage")
    assert Path("disk/studies.db").read_bytes() == (whole / "studies.db").read_bytes()
    said = refused(capsys, *SEARCH, "--out", "disk/runs")
    assert_said(said, "--out disk/runs cannot be written", "Read-only file system")
    assert not Path("studies.db").exists()
    said = refused(capsys, *SEARCH, "--storage", "sqlite:///disk/other.db", "--out", "here")
    assert_said(said, "--storage sqlite:///disk/other.db cannot be used")
    assert not list(Path("here").iterdir())


def test_a_database_without_permission_to_write(whole, capsys):
    Path("locked").mkdir()
    copy = Path(shutil.copy(whole / "studies.db", "locked"))
    copy.chmod(0o444)
    Path("locked").chmod(0o555)
    try:
        if os.access(copy, os.W_OK):
            pytest.skip("this user may write everywhere; a read-only disk stands for it")
        url = "sqlite:///locked/studies.db"
        said = refused(capsys, *SEARCH, "--storage", url)
        assert_said(said, f"--storage {url} cannot be used", "writable, or choose another --storage")
        said = refused(capsys, *SEARCH, "--out", "locked/runs")
        assert_said(said, "--out locked/runs cannot be written", "Permission denied")
    finally:
        Path("locked").chmod(0o755)


def test_a_damaged_baseline_on_disk_is_trained_again(whole):
    shutil.copytree(whole / "runs/prefix", "runs/prefix")
    kept = next(Path("runs/prefix").rglob("clean.json"))
    original = kept.read_text()
    assert len(read_epochs(kept)) == 2
    for content in ("", "[{", "{}", "3", '[{"number": 0}]'):
        kept.write_text(content)
        assert read_epochs(kept) == [], content
    assert search.run([*SEARCH, "--trials", "1"]) == 0
    assert shape(kept.read_text()) == shape(original)


@pytest.mark.parametrize("out", ["file", "file/runs", "/proc/runs", "/dev/null"])
def test_an_out_that_is_no_folder(out, whole, capsys):
    Path("file").touch()
    said = refused(capsys, *SEARCH, "--out", out)
    assert_said(said, f"--out {out} cannot be written")
    assert not Path("studies.db").exists()
    said = refused(capsys, "merge", str(whole / "studies.db"), "--out", out)
    assert_said(said, f"--out {out} cannot be written")
    assert not Path("studies.db").exists()
    shutil.copy(whole / "studies.db", "studies.db")
    said = refused(capsys, "report", "--out", out)
    assert_said(said, f"--out {out} cannot be written")


@pytest.mark.parametrize("output", ["folder", "file/best.yaml", "/proc/best.yaml", "/dev/full"])
def test_an_export_that_cannot_be_written(output, whole, capsys):
    shutil.copy(whole / "studies.db", "studies.db")
    Path("folder").mkdir()
    Path("file").touch()
    said = refused(capsys, "export", "--output", output)
    assert_said(said, f"--output {output} cannot be written", "free some space" if output == "/dev/full" else "")
    assert not Path("/dev/full").is_file()


def test_an_export_keeps_what_it_cannot_replace_and_follows_links(whole, capsys):
    shutil.copy(whole / "studies.db", "studies.db")
    Path("there.yaml").write_text("old")
    Path("link.yaml").symlink_to("there.yaml")
    assert search.run(["export", "--output", "link.yaml"]) == 0
    assert capsys.readouterr().out == "written: link.yaml\n"
    assert Path("link.yaml").is_symlink()
    assert files()["there.yaml"] == Path(whole, "runs/rows-fgm/best.yaml").read_bytes()
