"""Ask the command for something that it must refuse, and look at what it says and leaves."""

import sqlite3
from contextlib import closing
from pathlib import Path

import search

SMALL = ("--trials", "2", "--epochs", "1", "--max-train-rows", "40", "--no-calibrate")


def rows(count=40, labels=("bad", "good"), header="text,label"):
    """A CSV file's text: short sentences, the labels in turn."""
    lines = [f"the {labels[n % len(labels)]} film number {n},{labels[n % len(labels)]}" for n in range(count)]
    return "\n".join([header, *lines]) + "\n"


def files():
    """What lies in the working folder, by path."""
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def dump(database="studies.db"):
    """Everything that a database says."""
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


def studies(database="studies.db"):
    """Names of its studies; none where there is no database, or none that can be read."""
    if not Path(database).is_file():
        return []
    with closing(sqlite3.connect(database)) as connection:
        try:
            return sorted(name for (name,) in connection.execute("SELECT study_name FROM studies"))
        except sqlite3.DatabaseError:
            return []


def refused(capsys, *arguments):
    """Run the command; what it says, after checking that it refuses in one or two lines and leaves nothing behind.

    Files that were there are as they were, no study is added, and no file but a database without studies is new.
    """
    before, known = files(), studies()
    capsys.readouterr()
    code = search.run(list(arguments))
    said = capsys.readouterr().err
    assert code == 2
    assert said.startswith("error: ")
    assert said.count("\nerror: ") == 0
    assert len(said.splitlines()) <= 2
    assert len(said) < 600
    assert studies() == known
    after = {name: content for name, content in files().items() if not name.startswith("studies.db")}
    assert after == {name: content for name, content in before.items() if not name.startswith("studies.db")}
    return said.removeprefix("error: ").strip()


def assert_said(said, *words):
    """Every one of the words is in it."""
    assert [word for word in words if word not in said] == [], said
