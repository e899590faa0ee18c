"""What is said of what a search leaves on disk."""

import os
import time

import pytest
from helpers.made_up_studies import made

from finetune.arguments import as_options
from finetune.config import Recipe
from studies.planning.identity import KEY
from studies.running.leftovers import clear_torn, disk_line, stopped_lines
from studies.running.prefix import key_of

URL = "sqlite:///studies.db"


def write(path, size):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


@pytest.mark.parametrize(
    ("kept", "study", "words"),
    [
        ([], "made", None),
        ([("runs/made/report.html", 9000)], "made", None),
        (
            [("runs/made/trial-3.safetensors", 2_600_000)],
            "made",
            "left on disk: 2.6 MB in runs/made (where unfinished trials go on); the same search goes on from there, "
            "`search.py clean --all made` frees it, `search.py studies delete made` also what was found",
        ),
        (
            [
                ("runs/made/trial-3/model.pt", 4000),
                ("runs/made/trial-4.safetensors", 100),
                ("prefix/clean-1.safetensors", 20),
            ],
            "my study",
            "left on disk: 4.1 kB in runs/made (where unfinished trials go on) and 20 B of clean epochs in prefix; "
            "the same search goes on from there, `search.py clean --all 'my study'` frees it, "
            "`search.py studies delete 'my study'` also what was found",
        ),
        (
            [("prefix/clean-1.safetensors", 20), ("prefix/.writing-1", 30), ("prefix/mine.txt", 50)],
            None,
            "left on disk: 50 B of clean epochs in prefix; the same search goes on from there, delete the folder to free it",
        ),
    ],
)
def test_a_search_that_was_stopped(kept, study, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [write(tmp_path / name, size).relative_to(tmp_path) for name, size in kept]
    assert len(paths) == len(kept)
    folder = tmp_path.relative_to(tmp_path) / "runs" / "made"
    found = stopped_lines(folder, tmp_path.relative_to(tmp_path) / "prefix", study, URL)
    assert [as_options(line) for line in found] == ([] if words is None else [words])


def test_another_database_and_folder_are_named(tmp_path):
    write(tmp_path / "made" / "trial-0.safetensors", 10)
    (line,) = stopped_lines(tmp_path / "made", None, "made", "postgresql://me:secret@host/db")
    assert f"delete made --storage 'postgresql://me:***@host/db' --out {tmp_path}`" in as_options(line)


def test_a_finished_search_says_what_it_uses(tmp_path):
    study, folder = made("CC", name="my study"), tmp_path / "made"
    study.set_user_attr(KEY, study.user_attrs[KEY] | {"device": "cpu"})
    write(folder / "report.html", 2000)
    write(folder / "notes.txt", 10**6)
    way = f"`search.py clean 'my study' --out {tmp_path}` frees what nothing needs any more"
    assert as_options(disk_line(study, folder, URL)) == f"disk: 2.0 kB in {folder}; {way}"
    key = key_of("0123456789abcdef", "fedcba9876543210", Recipe(epochs=4, seed=7), {"torch": "2.0"}, "cpu")
    write(tmp_path / "prefix" / key / "clean-2.safetensors", 1_000_000)
    write(tmp_path / "prefix" / ("0" * 16) / "clean-2.safetensors", 5)
    write(folder / "models" / "trial-1" / "model.safetensors", 3_000_000)
    write(folder / "models" / "trial-2-unfinished" / "model.safetensors", 5)
    write(folder / "models" / ".writing-abc" / "model.safetensors", 5)  # a killed process was at it
    assert as_options(disk_line(study, folder, URL)) == (
        f"disk: 3.0 MB in {folder} (3.0 MB in models of 1 trial) and 1.0 MB of clean epochs for other searches "
        f"like this one in {tmp_path / 'prefix' / key}; {way}"
    )


@pytest.mark.parametrize(
    ("name", "age", "stays"),
    [
        (".writing-abc", 3600, False),
        (".writing-abc", 5, True),  # another process may be at it
        ("writing-abc", 3600, True),
        ("trial-1.safetensors", 3600, True),
        (".writing-dir/file", 3600, True),
    ],
)
def test_what_a_kill_left_half_written_goes(name, age, stays, tmp_path):
    path = write(tmp_path / name, 10)
    os.utime(path, (time.time() - age, time.time() - age))
    clear_torn(tmp_path)
    assert path.exists() == stays


def test_a_link_is_left_alone(tmp_path):
    target = write(tmp_path / "elsewhere" / "file", 10)
    os.utime(target, (0, 0))
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / ".writing-1").symlink_to(target)
    clear_torn(tmp_path / "made")
    assert target.exists()
    assert (tmp_path / "made" / ".writing-1").is_symlink()
