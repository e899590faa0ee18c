"""A search that several workers share: what it finds does not depend on how many there are."""

import io
import re
import time
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from optuna.trial import create_trial
from rich.console import Console

from finetune.arguments import as_arguments
from finetune.errors import UserError
from finetune.training.epoch import Epoch
from finetune.training.series import Part
from studies import search
from studies.planning.request import Running, request_of
from studies.report.progress import Watch
from studies.report.screen import Screen
from studies.running.loop import Options
from studies.running.trains import trains
from studies.running.workers.shared import heard
from studies.running.workers.shares import share, shares_told
from studies.working import crew_of

SMALL = {"epochs": 1, "max_train_rows": 40, "max_validation_rows": 60, "explore": 5, "trials": 5}


def told(result):
    return [(t.number, t.state.name, t.params, t.value, t.intermediate_values) for t in result.study.trials]


def test_two_workers_find_what_one_process_finds(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHOSE", "the environment of a worker is that of the search")
    Path("mine.py").write_text("def right(labels, predictions):\n    return (predictions.argmax(1) == labels).mean()\n")
    given, seen = SMALL | {"metric": "mine.py:right"}, []  # a worker must read the file, too
    several = search("fgm", workers=2, callbacks=[lambda study, trial: seen.append(trial.number)], **given)
    lines = capsys.readouterr().out.splitlines()
    alone = search("fgm", storage="sqlite:///alone.db", progress=False, **given)
    assert told(several) == told(alone)
    assert [t.state.name for t in several.study.trials] == ["COMPLETE"] * 5
    assert several.study.user_attrs["identity"] == alone.study.user_attrs["identity"]
    assert sorted(seen) == [0, 1, 2, 3, 4]
    assert lines[0] == "2 workers of 1 thread each, on 2 cores" or lines[0].startswith("2 workers of 1 thread each, on ")
    assert sorted(int(n) for line in lines for n in re.findall(r"^trial +(\d+) 0\.", line)) == [0, 1, 2, 3, 4]
    assert [line for line in lines if line.startswith("worker ")] == []


@pytest.mark.parametrize("workers", [0, -1, 257, 2.5, "many", None])
def test_a_number_of_workers_that_cannot_be_is_refused(workers):
    if workers is None:
        assert request_of({"workers": None}).running.workers == 1
        return
    with pytest.raises(UserError, match="workers"):
        request_of({"workers": workers})


def test_workers_share_the_cores_of_a_pretrained_model_and_what_is_given_stays(monkeypatch):
    monkeypatch.setattr("studies.planning.request.cores", lambda: 8)

    def threads(**given):
        return request_of(given).recipe.threads

    assert [threads(model="some/model", workers=n) for n in (1, 2, 3, 8, 9, 256)] == [8, 4, 2, 1, 1, 1]
    assert threads(model="some/model", workers=4, threads=3) == 3
    assert threads(workers=4) == 1


@pytest.mark.parametrize(
    ("number", "threads", "cards", "given"),
    [
        (1, 2, [], {"OMP_NUM_THREADS": "2"}),
        (1, 1, ["0"], {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "0"}),
        (4, 1, ["0", "1", "2"], {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "0"}),
        (2, 1, ["GPU-8932", "MIG-57de"], {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "MIG-57de"}),
        (5, 1, ["7", "3"], {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "7"}),
    ],
)
def test_what_a_worker_gets_of_the_machine(number, threads, cards, given):
    assert share(number, threads, cards) == given


def test_how_the_machine_is_divided_is_said(monkeypatch):
    monkeypatch.setattr("studies.running.workers.shares.cores", lambda: 4)
    assert shares_told(2, 2, []) == ["2 workers of 2 threads each, on 4 cores"]
    [line] = map(as_arguments, shares_told(4, 4, []))
    assert line.endswith("more threads than cores are slower, not faster; threads=1 in a new study, or workers=1")
    [line] = map(as_arguments, shares_told(9, 1, []))
    assert line.endswith("more threads than cores are slower, not faster; workers=4")
    assert "2 workers, each with a GPU of its own" in shares_told(2, 1, ["0", "1", "2"])[0]
    assert "3 workers, sharing 2 GPUs" in shares_told(3, 1, ["0", "1"])[0]


def test_the_time_that_is_left_is_that_of_the_whole_search():
    assert Options(3, 1).since(time.time() - 100).timeout is None
    assert 5 < Options(3, 1, timeout=10.0).since(time.time() - 2).timeout <= 8
    assert Options(3, 1, timeout=10.0).since(time.time() - 20).timeout == 0


def test_the_bar_shows_the_trials_of_all_workers():
    watch = Watch(Screen(Console(file=io.StringIO(), force_terminal=True, width=300)), "accuracy", True, 9, [], 2)
    watch.workers = 2

    def text():
        return watch._bar.shown.tasks[0].description

    with watch.showing():
        for number, epoch, value in ((3, 0, 0.5), (4, 0, 0.625), (3, 1, 0.75)):
            watch.on_event(("epoch", number, Epoch(epoch, {"accuracy": value}, {}, None, 1.0)))
        assert text() == "best none yet | trial 3 epoch 2: 0.75 | trial 4 epoch 1: 0.62"
        watch.on_event(("run", 7, Part(1, 1, 0), 5, Epoch(0, {"accuracy": 0.25}, {}, None, 1.0)))  # trial 4 was killed
        assert text() == "best none yet | trial 3 epoch 2: 0.75 | trial 7 run 2 of 5, epoch 1: 0.25"
        watch.on_finished(create_trial(value=0.75, params={}, user_attrs={"metrics": {"accuracy": 0.75}}))
        assert watch._bar.shown.tasks[0].completed == 1
    watch.on_event(("epoch", None, Epoch(0, {"accuracy": 0.5}, {}, None, 1.0)))
    assert watch.screen.said[-1] == "clean baseline, epoch 1: accuracy 0.50"


def test_of_equal_trials_the_first_is_the_best_as_in_the_summary():
    watch = Watch(Screen(None), "accuracy", True, 9, [], 2)
    for number, value in ((2, 0.75), (1, 0.75), (3, 0.75), (0, 0.5)):
        trial = create_trial(value=value, params={}, user_attrs={"metrics": {"accuracy": value}})
        trial.number = number
        watch.on_finished(trial)
    assert watch.best == (0.75, 1)


def test_trials_that_other_commands_have_finished_before_count():
    values = (0.5, 0.75, 0.625, 0.875)
    trials = [create_trial(value=value, params={}, user_attrs={"metrics": {"accuracy": value}}) for value in values]
    for number, trial in enumerate(trials):
        trial.number, trial.datetime_complete = number, datetime(2030, 1, 1, 9, number)
    watch = Watch(Screen(None), "accuracy", True, 9, trials[:1], 2)
    watch.workers = 2
    watch.on_finished(trials[2], trials)  # what ended after it is not told yet
    assert watch.screen.said[-1].startswith("trial   2 0.62  | 3/9, best 0.75 (trial 1)")
    watch.on_finished(trials[3], trials)
    assert watch.screen.said[-1].startswith("trial   3 0.88  | 4/9, best 0.88 (trial 3)")
    alone = Watch(Screen(None), "accuracy", True, 9, trials[:1], 2)
    alone.on_finished(trials[2], trials)  # whatever the others' clocks say
    assert alone.screen.said[-1].startswith("trial   2 0.62  | 4/9, best 0.88 (trial 3)")


def test_the_time_that_is_left_counts_trials_under_way_and_not_what_comes_before_the_trials(monkeypatch):
    clock = iter([0.0, 100.0, 100.0, 110.0])  # made; the first trial has ended after 10 s; the second one 10 s later
    monkeypatch.setattr("studies.report.progress.time.monotonic", lambda: next(clock))
    watch = Watch(Screen(None), "accuracy", True, 11, [], 2)
    watch.workers = 2
    for number in range(2):
        trial = create_trial(value=0.5, params={}, user_attrs={"metrics": {"accuracy": 0.5}})
        trial.datetime_start = datetime.now() - timedelta(seconds=10)
        trial.number = number
        watch.on_finished(trial)
    first, second = watch.screen.said
    assert first.endswith("about 50 s left")  # 10 trials, two at once, 10 s each
    assert second.endswith("about 60 s left")  # 20 s for two and one under way: 9 trials of 6.7 s


def test_one_worker_is_this_process():
    assert crew_of(Running(), 1, Screen(None), "sqlite:///s.db") is None
    assert callable(trains)


def test_what_several_workers_say_is_said_once_and_what_they_print_every_time():
    lines, crew = [], SimpleNamespace(run=lambda task: [("say", "x"), ("output", "worker 1: y"), ("did",)] * 2)
    assert list(heard(crew, None, lines.append)) == [("did",), ("did",)]
    assert lines == ["x", "worker 1: y", "worker 1: y"]
    refusing = SimpleNamespace(run=lambda task: [("refused", "the disk is full"), ("did",)])
    with pytest.raises(UserError, match="the disk is full"):
        list(heard(refusing, None, lines.append))
