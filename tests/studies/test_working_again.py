"""Folds, confirmations and loops of one's own by several workers: what they find does not depend on how many there are."""

import threading
from pathlib import Path

import optuna
import pytest
import torch
from helpers.workers_in_process import InProcess

from finetune.errors import UserError
from studies import confirm, search, tune
from studies.again import benches_again
from studies.planning.sharing import Sharing
from studies.running.stages import find_stage
from studies.running.storage import open_storage
from studies.working_again import LoadingAgain, by_crew

SMALL = {"epochs": 2, "max_train_rows": 40, "max_validation_rows": 60, "calibrate": False, "progress": False}
INPUTS, LABELS = torch.eye(3), torch.arange(3)


@pytest.fixture(autouse=True)
def workers(tmp_path, monkeypatch):
    """The workers that a call has made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("studies.working.Local", InProcess)
    monkeypatch.setattr(InProcess, "made", [])
    return InProcess.made


def facts(study):
    return [(t.number, t.state.name, t.params, t.value, t.intermediate_values) for t in study.trials]


def stages(result):
    found = [find_stage(result.study, kind) for kind in ("race", "verdict", "parts")]
    return [facts(stage.study) for stage in found if stage is not None]


def train(run):
    torch.manual_seed(run.seed)
    model = torch.nn.Linear(3, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for epoch in range(run.epochs):
        optimizer.zero_grad()
        run.method.at(epoch).backward(model, {"x": INPUTS}, forward=loss)
        optimizer.step()
        run.report(loss(model, {"x": INPUTS}).item(), epoch)


def loss(model, batch):
    return torch.nn.functional.cross_entropy(model(batch["x"]), LABELS)


def test_a_loop_of_ones_own_is_searched_and_confirmed(workers):
    def both(storage, **more):
        given = {"storage": storage, "progress": False, **more}
        tune(train, "sam", epochs=2, trials=6, explore=6, direction="minimize", study="s", **given)
        return confirm("s", train=train, seeds=3, race=3, parts=2, **given)

    several, alone = both("sqlite:///several.db", workers=2), both("sqlite:///alone.db")
    assert facts(several.study) == facts(alone.study)
    assert stages(several) == stages(alone)
    assert len(stages(alone)) == 3
    assert several.verdict.word == alone.verdict.word
    assert len(workers) == 4
    assert all(worker.ended for worker in workers)


class Slow(InProcess):
    """Takes a while to start."""

    def __init__(self, given, on_event):
        super().__init__(given, on_event)
        self.log, self.later = [], []
        self.started = threading.Timer(0.05, self.start)

    def start(self):
        self.log.append("started")
        while self.later:
            super().send(*self.later.pop(0))

    def send(self, kind, task):
        self.log.append(kind)
        if "started" in self.log:
            return super().send(kind, task)
        self.later.append((kind, task))
        if kind == "run":
            self.started.start()
        return None


def test_no_more_workers_start_than_trials_are_left_and_time_counts_when_one_is_there(workers, monkeypatch, capsys):
    monkeypatch.setattr("studies.working.Local", Slow)
    given = {"epochs": 2, "explore": 1, "direction": "minimize", "study": "s"}
    tune(train, "sam", trials=1, workers=3, timeout=1000, **given)
    [worker] = workers
    assert worker.log == ["ready", "run", "started", "run"]  # what takes the time is sent to a worker that is there
    tune(train, "sam", trials=3, workers=256, **given)
    assert [one.log for one in workers[1:]] == [["ready", "run", "started"]] * 2
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("workers=")]
    assert said == [
        "workers=3: 1 is started, as no more than 1 run is left",
        "workers=256: 2 are started, as no more than 2 runs are left",
    ]


@pytest.mark.parametrize(("file", "more", "what"), [("rows.csv", "one more,a", "data"), ("mine.py", "ALL = 1", "metric")])
def test_workers_that_have_read_another_file_than_the_search_do_not_work(file, more, what, monkeypatch):
    class Early(InProcess):
        def send(self, kind, task):  # both have read the file before it changes
            super().send(kind, task)
            with Path(file).open("a") as changed:
                changed.write(f"{more}\n")

    monkeypatch.setattr("studies.working.Local", Early)
    Path("rows.csv").write_text("text,label\n" + "".join(f"words {n},{'ab'[n % 2]}\n" for n in range(30)))
    Path("mine.py").write_text("def right(labels, predictions):\n    return (predictions.argmax(1) == labels).mean()\n")
    with pytest.raises(UserError, match=f"its {what} is not what the search has read: a file has changed meanwhile"):
        search("fgm", train_file="rows.csv", metric="mine.py:right", epochs=1, trials=2, workers=2, progress=False)
    assert optuna.get_all_study_names("sqlite:///studies.db") == []


def test_folds_are_searched_and_confirmed(workers):
    given = {"trials": 2, "explore": 2, "folds": 2, "epochs": 2, "max_train_rows": 40, "study": "s", "progress": False}
    several = search("fgm", workers=2, **given)
    alone = search("fgm", storage="sqlite:///alone.db", out="alone", **given)
    assert facts(several.study) == facts(alone.study)
    assert several.clean == alone.clean
    assert several.study.user_attrs["runs"][0]["together"] == alone.study.user_attrs["runs"][0]["together"]
    [runs] = stages(confirm("s", seeds=1, race=0, parts=0, workers=2, progress=False))
    assert sorted(run[2]["arm"] for run in runs) == [0, 1, 2]
    assert {run[1] for run in runs} == {"COMPLETE"}
    assert len(workers) == 4


def test_a_search_that_is_finished_starts_no_worker(workers):
    search("fgm", trials=1, study="s", **SMALL)
    search("fgm", trials=1, study="s", workers=8, **SMALL)
    assert workers == []


def test_what_stops_a_search_of_workers(workers):
    def broken(run):
        if run.trial is not None:
            raise OSError("No space left on device")
        train(run)

    with pytest.raises(UserError, match="cannot write No space left on device; free some space"):
        tune(
            lambda run: train(run) if run.trial is None else broken(run),
            "sam",
            epochs=1,
            trials=4,
            workers=2,
            progress=False,
        )

    def fails(run):
        if run.trial is not None:
            raise RuntimeError("no luck")
        return train(run)

    with pytest.raises(UserError, match="trials all failed; the last: RuntimeError: no luck"):
        tune(fails, "sam", epochs=1, trials=12, workers=2, study="u", progress=False)


def test_the_data_of_a_confirmation_must_be_that_of_the_search(tmp_path):
    found = search("fgm", trials=1, study="s", **SMALL)
    about = found.study.user_attrs["identity"]
    assert benches_again(about, "s", "accuracy").whole.task.fingerprint == about["data fingerprint"]
    with pytest.raises(UserError, match="its data has changed since the search"):
        LoadingAgain(about | {"data fingerprint": "other"}, "s", "accuracy", None)(None)
    with pytest.raises(UserError, match="its pretrained model has changed since the search"):
        benches_again(about | {"model fingerprint": "other"}, "s", "accuracy")
    assert Sharing().workers == 1
    assert callable(by_crew)
    assert callable(open_storage)
