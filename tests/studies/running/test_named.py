"""Studies of several methods that version 0.1.0 named NAME-METHOD go on under that name, and nobody else's do."""

import optuna
import pytest
from helpers.refusals import rows

from studies import search
from studies.planning.identity import KEY
from studies.planning.request import request_of
from studies.planning.resolve import resolve
from studies.running.named import named_before
from studies.running.storage import close_storage, open_storage

VERSIONS = {"torch": "2.0"}


def identity(method="fgm", **data):
    """As much of one as tells whose study it is."""
    return {
        "method": method,
        "metric": "accuracy",
        "recipe": {},
        "space": {},
        "search": {},
        "versions": VERSIONS,
        "data": data,
    }


THERE = [
    pytest.param({"mine-fgm": identity(task="reviews")}, "mine-fgm", id="of version 0.1.0"),
    pytest.param({"mine-fgm": identity(train_file="/a/train.csv", label_column=["y"])}, "mine-fgm", id="of a folder a"),
    pytest.param({"mine-fgm": identity(train_file="/a/mine.csv", label_column=["y"])}, "mine.fgm", id="default of a file"),
    pytest.param({"mine-fgm": identity(train_file="/mine/train.csv")}, "mine.fgm", id="default of a folder"),
    pytest.param({"mine-fgm": identity(data="someone/mine")}, "mine.fgm", id="default of a hub id"),
    pytest.param({"mine-fgm": identity(loop="mine.train")}, "mine.fgm", id="of a loop"),
    pytest.param({"mine-fgm": None}, "mine.fgm", id="of plain Optuna"),
    pytest.param({"mine-fgm": {"method": "fgm"}}, "mine.fgm", id="of another program that keeps an identity"),
    pytest.param({"mine-fgm": identity(task="reviews"), "mine.fgm": identity(task="reviews")}, "mine.fgm", id="both"),
    pytest.param({"mine-awp": identity("awp", task="reviews")}, "mine.fgm", id="of another method"),
    pytest.param({}, "mine.fgm", id="nothing"),
]


@pytest.mark.parametrize(("there", "expected"), THERE)
def test_the_earlier_name_is_kept_where_the_study_is_ours(tmp_path, there, expected):
    storage = open_storage(f"sqlite:///{tmp_path}/s.db")
    try:
        for name, about in there.items():
            study = optuna.create_study(study_name=name, storage=storage)
            if about is not None:
                study.set_user_attr(KEY, about)
        job, *_ = resolve(request_of({"method": ["fgm", "awp"], "study": "mine"}))
        found, lines = named_before(job, storage)
    finally:
        close_storage(storage)
    assert found.name == expected
    earlier = ["study mine-fgm exists and goes on (version 0.1.0 gave it that name; today's is mine.fgm)"]
    assert lines == (earlier if expected == "mine-fgm" else [])


@pytest.mark.parametrize(("arguments", "name"), [({"study": "mine"}, "mine"), ({}, "reviews-fgm")])
def test_one_method_or_no_name_is_named_as_ever(tmp_path, arguments, name):
    storage = open_storage(f"sqlite:///{tmp_path}/s.db")
    try:
        [job] = resolve(request_of({"method": "fgm"} | arguments))
        assert named_before(job, storage)[0].name == name
    finally:
        close_storage(storage)


def test_a_search_of_several_methods_goes_on_with_the_earlier_study(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text(rows())
    small = {"train_file": "rows.csv", "epochs": 1, "max_validation_rows": 20}
    search("fgm", study="mine-fgm", trials=1, progress=False, **small)
    found = search(["fgm", "random"], study="mine", trials=2, **small)
    assert {name: result.name for name, result in found.items()} == {"fgm": "mine-fgm", "random": "mine.random"}
    assert len(found["fgm"].study.trials) == 2
    said = capsys.readouterr().out
    assert said.count("study mine-fgm exists and goes on") == 1
    assert (tmp_path / "runs" / "mine-methods.html").read_text().count('href="mine-fgm/report.html"') == 1
