import io
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers import worker_tasks as tasks

from finetune.errors import UserError
from studies.running.workers.crew import LIVES, Crew
from studies.running.workers.local import Local, why_ended
from studies.running.workers.worker import Worker

ROOT = Path(__file__).parents[3]


@pytest.fixture
def crew_of():
    """Makes a crew, and a list of the lines that it says."""
    crews = []

    def make(size, unfit=""):
        said = []
        crew = Crew(size, lambda number, on_event: Local({"NUMBER": str(number)}, on_event), said.append)
        crews.append(crew)
        crew.ready(partial(tasks.refuse, numbers=unfit))
        while not all(member.started or member.unfit for member in crew.members):
            list(crew.run(tasks.nothing))
            time.sleep(0.02)
        return crew, said

    yield make
    for crew in crews:
        crew.close()


def test_every_worker_does_the_task_and_then_the_next(crew_of):
    crew, said = crew_of(2)
    assert sorted(crew.run(partial(tasks.tell, name="NUMBER"))) == [("say", "NUMBER is 1"), ("say", "NUMBER is 2")]
    found = []
    here = "a word of this function"  # a function of a script or notebook travels with all that it needs

    def report(worker):
        found.append(worker)
        worker.send(here, len(found), os.getppid())

    assert list(crew.run(report)) == [(here, 1, os.getpid())] * 2
    assert found == []
    for member in crew.members:  # a terminal that is closed or Ctrl-C there: the search tells its workers what to do
        member.placed.process.send_signal(signal.SIGHUP)
        member.placed.process.send_signal(signal.SIGINT)
    assert sorted(crew.run(tasks.work)) == [("did", "1"), ("did", "2")]
    assert said == []


def test_what_a_task_prints_is_shown_with_the_worker(crew_of):
    crew, _ = crew_of(1)
    seen = set(crew.run(tasks.chatter))
    while len(seen) < 2:  # lines may come after the answer
        seen |= set(crew.run(tasks.work)) - {("did", "1")}
    assert {("output", "worker 1: to the user"), ("output", "worker 1: �")} <= seen


def test_a_killed_worker_is_started_again_and_does_the_task(crew_of, tmp_path):
    crew, said = crew_of(1)
    [(did, _)] = crew.run(partial(tasks.die_once, folder=tmp_path))
    assert did == "did"
    assert said == [
        "worker 1 has ended (killed by SIGKILL): what it was training goes on from its last epoch, and it is started again"
    ]


def test_a_worker_that_somebody_ends_says_how_it_ended(crew_of):
    crew, said = crew_of(1)
    crew.members[0].placed.process.terminate()
    crew.members[0].placed.process.wait()
    assert list(crew.run(tasks.work)) == [("did", "1")]
    what = "what it was training goes on from its last epoch, and it is started again"
    assert said == [f"worker 1 has ended (killed by SIGTERM): {what}"]


def test_a_worker_that_is_killed_before_it_has_anything_to_train_is_only_started_again():
    said, sent = [], []
    placed = SimpleNamespace(send=lambda *message: sent.append(message[0]))
    crew = Crew(1, lambda number, on_event: placed, said.append)
    crew.ready(tasks.work)
    list(crew._seen(crew.members[0], ("gone", "killed by SIGKILL", True)))
    assert said == ["worker 1 has ended (killed by SIGKILL): it is started again"]
    assert sent == ["ready", "ready"]


def test_workers_that_are_to_begin_no_more_finish_and_do_the_next_task(crew_of):
    crew, _ = crew_of(2)
    seen = []
    for event in crew.run(tasks.go_on):
        seen.append(event)
        crew.finish()
    assert seen.count(("last",)) == 2
    assert ("one",) in seen
    seen = [event for _, event in zip(range(2), crew.run(tasks.go_on), strict=False)]
    assert seen == [("one",)] * 2  # what stopped the task before does not stop this one


def test_the_others_look_again_when_a_worker_is_killed_and_one_that_is_always_killed_is_given_up(crew_of):
    crew, said = crew_of(2)
    seen = list(crew.run(partial(tasks.die, unlucky="1")))
    while len(said) <= LIVES:
        seen += crew.run(partial(tasks.die, unlucky="1"))
        time.sleep(0.02)
    assert set(seen) == {("did", "2")}
    assert said[LIVES:] == [
        f"worker 1 has ended {LIVES + 1} times without finishing a trial (killed by SIGKILL); 1 worker left"
    ]
    crew.members[1].lives = 0
    with pytest.raises(UserError, match=r"no worker is left, so nothing can be trained: killed by SIGKILL"):
        list(crew.run(partial(tasks.die, unlucky="12")))


def test_a_worker_that_cannot_start_is_said_and_the_others_go_on(crew_of):
    crew, said = crew_of(4, unfit="123")
    assert list(crew.run(tasks.work)) == [("did", "4")]
    assert sorted(line.partition(";")[0] for line in said) == [
        "worker 1 cannot work: ModuleNotFoundError: No module named 'gone'",
        "worker 2 cannot work: it sees no GPU",
        "worker 3 cannot work: MemoryError",
    ]
    assert sorted(line.partition("; ")[2] for line in said) == ["1 worker left", "2 workers left", "3 workers left"]


def test_a_program_that_does_not_start_is_no_worker():
    said = []
    crew = Crew(1, lambda number, on_event: Local({"PYTHONHOME": "/nowhere"}, on_event), said.append)
    crew.ready(tasks.work)
    with pytest.raises(UserError, match="no worker is left"):
        list(crew.run(tasks.work))
    assert said[0].startswith("worker 1 cannot work: ")
    assert "/nowhere" not in os.environ.get("PYTHONHOME", "")


def test_what_cannot_be_sent_is_refused_before_a_worker_starts():
    crew = Crew(1, lambda number, on_event: pytest.fail("it was started"), print)
    with pytest.raises(UserError, match=r"workers: what is to be trained cannot be sent to another process \(TypeError: "):
        crew.ready(partial(print, threading.Lock()))


def test_workers_end_when_the_search_ends_and_when_it_is_killed():
    script = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
from helpers.worker_tasks import sleep
from studies.running.workers.crew import Crew
from studies.running.workers.local import Local
crew = Crew(2, lambda number, on_event: Local({{}}, on_event), print)
crew.ready(sleep)
crew.ready(sleep)
events = crew.run(sleep)
print(next(events)[1], next(events)[1], flush=True)
next(events)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < end:
        time.sleep(0.05)
    assert [pid for pid in workers if Path(f"/proc/{pid}").exists()] == []
    assert len(workers) == 2


@pytest.mark.parametrize(
    ("code", "printed", "why"),
    [
        (-9, ["Traceback", "last words"], "killed by SIGKILL"),
        (-11, [], "killed by SIGSEGV"),
        (1, ["Traceback", "ImportError: no torch"], "ImportError: no torch"),
        (3, [], "exit code 3"),
        (0, ["all is well"], "exit code 0"),
    ],
)
def test_why_a_worker_ended(code, printed, why):
    assert why_ended(code, printed) == why


def test_an_event_that_nobody_waits_for_is_lost():
    inbox, outbox = os.pipe()
    os.close(inbox)
    with os.fdopen(outbox, "wb", buffering=0) as broken:
        Worker(io.BytesIO(), broken).say("to nobody")
