"""A search that takes over trials of another, end to end."""

import csv
import shutil
from pathlib import Path

import optuna
import pytest
from helpers.refusals import assert_said, dump, refused, studies

import search
from studies import search as searched
from studies import tune

URL = "sqlite:///studies.db"
SEARCH = ("--method", "fgm", "--max-train-rows", "60", "--max-validation-rows", "60", "--epochs", "1", "--no-calibrate")
NARROW = (*SEARCH, "--study", "narrow", "--range", "epsilon=0.5:5:log")


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A folder with a study of six trials: four of them, trial 0 among them, have an epsilon of 0.5 or more."""
    folder = tmp_path_factory.mktemp("begun")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert search.run([*SEARCH, "--trials", "6"]) == 0
    return folder


@pytest.fixture(autouse=True)
def _here(begun, tmp_path, monkeypatch):
    shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def trials(name):
    return optuna.load_study(study_name=name, storage=URL).get_trials()


def test_trials_inside_the_new_range_are_taken_over_once(capsys):
    old = [t for t in trials("reviews-fgm") if t.params["epsilon"] >= 0.5]
    many = len(old)
    assert 0 < many < 6
    total = str(many + 4)
    assert search.run([*NARROW, "--from", "reviews-fgm", "--trials", total]) == 0
    said = capsys.readouterr().out
    assert_said(
        said,
        f"study narrow in {URL}: {many} trials finished, 4 to go",
        f"taken over from reviews-fgm: {many} of its 6 finished trials (not taken: {6 - many} with epsilon outside",
    )
    new = trials("narrow")
    assert len(new) == many + 4
    assert [(t.params, t.value) for t in new[:many]] == [(t.params, t.value) for t in old]
    assert len({t.params["epsilon"] for t in new}) == many + 4  # trial 0's settings were taken over: they run once
    phases = [row["phase"] for row in csv.DictReader(Path("runs/narrow/trials.csv").read_text().splitlines())]
    assert phases == ["taken over"] * many + ["explore"] * 2 + ["search"] * 2
    assert "taken over" in Path("runs/narrow/report.html").read_text()

    for again in ([], ["--from", "reviews-fgm"]):  # the study knows where it came from
        assert search.run([*NARROW, *again, "--trials", total]) == 0
        assert_said(
            capsys.readouterr().out, f"{many + 4} trials finished, 0 to go", f"taken over from reviews-fgm: {many} trials"
        )
    assert [(t.params, t.value) for t in trials("narrow")] == [(t.params, t.value) for t in new]


def test_a_search_that_was_killed_before_it_had_them_takes_them_then(monkeypatch, capsys):
    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("studies.life.take_over", killed)
        assert search.run([*NARROW, "--from", "reviews-fgm", "--trials", "6"]) == 130
    assert trials("narrow") == []
    assert search.run([*NARROW, "--trials", "6"]) == 0
    assert trials("narrow")[0].user_attrs["taken over from"]["study"] == "reviews-fgm"
    assert len(trials("narrow")) == 6


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            ["--from", "reviews-fmg"],
            ["--from reviews-fmg: there is no such study in the database", "did you mean 'reviews-fgm'"],
        ),
        (["--from", "narrow"], ["--from narrow is the study itself", "--study"]),
        (["--from", "reviews-fgm", "--study", "reviews-fgm"], ["--from reviews-fgm is the study itself", "--study"]),
        (["--from", "reviews-fgm", "--seed", "3"], ["--from reviews-fgm is about something else", "seed: there 0, here 3"]),
        (["--from", "reviews-fgm", "--metric", "mcc"], ["metric: there 'accuracy', here 'mcc'"]),
        (["--from", "reviews-fgm", "--max-train-rows", "50"], ["data.max_train_rows: there 60, here 50"]),
        (["--from", "reviews-fgm", "--method", "fgsm"], ["method: there 'fgm', here 'fgsm'"]),
        (["--from", "reviews-fgm", "--method", "fgm,pgd"], ["give one --method"]),
        (["--from", "reviews-fgm", "--trials", "2"], ["--trials is 2", "would be taken over", "or more"]),
        (["--from", "reviews-fgm", "--set", "combine=sum"], ["none of its 6 finished trials", "another combine than 'sum'"]),
        (["--from", "reviews-fgm", "--storage", "sqlite:///new.db"], ["no such study in the database"]),
        (["--from", ""], ["--from is empty"]),
    ],
    ids=lambda value: " ".join(value[:4]),
)  # fmt: skip
def test_what_cannot_be_taken_over_is_refused(line, words, capsys):
    before = dump()
    assert_said(refused(capsys, *NARROW, *line), *words)
    assert dump() == before


def test_a_study_that_was_begun_without_is_not_given_trials_later(capsys):
    assert search.run([*NARROW, "--trials", "1"]) == 0
    assert_said(
        refused(capsys, *NARROW, "--trials", "9", "--from", "reviews-fgm"), "search.from: there None, here 'reviews-fgm'"
    )


def test_in_python_the_argument_is_from_study():
    more = {"max_train_rows": 60, "max_validation_rows": 60, "epochs": 1, "progress": False, "study": "python", "trials": 6}
    result = searched("fgm", space={"epsilon": (0.5, 5, "log")}, from_study="reviews-fgm", **more)
    assert result.study.trials[0].user_attrs["taken over from"]["study"] == "reviews-fgm"
    assert studies() == ["python", "reviews-fgm"]


def train(run):
    """A loop that does nothing."""
    value = 1 - abs(getattr(run.method, "epsilon", 0.0) - 1)
    for epoch in range(run.epochs):
        run.report(value, epoch)
    return value


def test_a_loop_of_ones_own_takes_over_too():
    first = tune(train, "fgm", epochs=1, trials=6, study="first", progress=False)
    inside = [t for t in first.study.trials if t.params["epsilon"] >= 0.5]
    more = {"epochs": 1, "trials": len(inside) + 2, "study": "second", "from_study": "first", "progress": False}
    for _ in range(2):
        second = tune(train, "fgm", space={"epsilon": (0.5, 5, "log")}, **more)
        assert [t.value for t in second.study.trials][: len(inside)] == [t.value for t in inside]
        assert len(second.study.trials) == len(inside) + 2
