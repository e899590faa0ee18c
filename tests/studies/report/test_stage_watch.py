"""Progress of a confirmation: a line for each run, and a bar on a terminal."""

import io
from datetime import datetime, timedelta

import pytest
from helpers.made_up_stages import made_stage
from helpers.plain_studies import plain_study
from rich.console import Console

from spaces import space_of
from studies.report.bar import moving
from studies.report.screen import Screen
from studies.report.stage_watch import StageWatch
from studies.running.stages import find_stage

CLEAN = {"who": "clean training", "method": "none", "settings": {}}
WINNER = {"who": "trial 1", "method": "fgm", "settings": {"epsilon": 0.5}, "trial": 1}


def stage(kind="verdict"):
    study = plain_study([(0.8, {"epsilon": 0.5})], {"epsilon": space_of("fgm", 4)["epsilon"]}, about={"method": "fgm"})
    made_stage(study, kind, [(CLEAN, [0.7, 0.71]), (WINNER, [0.75, None])])
    return find_stage(study, kind)


def terminal(moves):
    text = io.StringIO()
    return Screen(Console(file=text, force_terminal=moves, width=120)), text


def test_without_a_terminal_each_run_is_a_line_with_the_time_left():
    (screen, text), there = terminal(False), stage()
    watch = StageWatch(screen, there, 90, 4)
    with watch.showing():
        watch.on_finished(there.study.trials[1])  # the next ones have ended too, in other workers
        watch.on_finished(there.study.trials[2])
    assert screen.said[0].startswith("verdict 2/90 seed 2001, trial 1: 0.7500, at most ")
    assert screen.said[1].startswith("verdict 3/90 seed 2002, clean training: 0.7100, at most ")
    assert text.getvalue() == "".join(line + "\n" for line in screen.said)


def test_the_time_that_is_left_does_not_count_the_start_of_workers():
    (screen, _), there = terminal(False), stage()
    watch = StageWatch(screen, there, 90, 4)
    watch._began -= 1000
    run = there.study.trials[1]
    run.datetime_start = datetime.now() - timedelta(seconds=10)
    watch.on_finished(run)
    assert screen.said[0].endswith("at most 15 min left")  # 88 runs of 10 s


@pytest.mark.parametrize(
    ("kind", "words"), [("verdict", "verdict, at most "), ("race", "race "), ("against_tuned", "against tuned ")]
)
def test_on_a_terminal_a_bar_has_it(kind, words):
    (screen, text), there = terminal(True), stage(kind)
    watch = StageWatch(screen, there, 90, 4)
    with watch.showing():
        watch.on_finished(there.study.trials[3])
    failed = "trial 1: failed: diverged: the training loss is nan in epoch 2"
    assert screen.said == [f"{kind.replace('_', ' ')} 4/90 seed 2002, {failed}"]
    assert words in text.getvalue()
    assert "4/90" in text.getvalue().replace(screen.said[0], "")


def test_what_prints_nothing_has_no_bar():
    screen = Screen(None)
    with moving(screen, "race", 2, 0) as bar:
        assert bar is None


def test_a_bar_goes_when_the_work_is_stopped():
    (screen, _), there = terminal(True), stage()
    watch = StageWatch(screen, there, 90, 4)
    with pytest.raises(KeyboardInterrupt), watch.showing():
        raise KeyboardInterrupt
    with watch.showing():  # rich refuses a second bar while one is there
        watch.on_finished(there.study.trials[0])


def test_that_it_waits_for_others_is_said_once():
    (screen, _), there = terminal(False), stage()
    watch = StageWatch(screen, there, 90, 4)
    for line in ("waiting for 1 run of other processes", "after 8 seeds: so", "waiting for 2 runs of other processes"):
        watch.say(line)
    assert screen.said == ["verdict waiting for 1 run of other processes", "verdict after 8 seeds: so"]
