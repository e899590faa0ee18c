"""Workers that Ray places: the same crew, on a Ray of this machine."""

import importlib.util
import sys
from functools import partial
from types import SimpleNamespace

import pytest
from helpers import worker_tasks as tasks

from finetune.errors import UserError
from studies.running.workers.crew import Crew
from studies.running.workers.on_ray import Cluster, OnRay


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install -e '.[ray]'")
@pytest.mark.filterwarnings("ignore")  # whatever Ray warns of on this machine
def test_workers_on_ray_do_what_they_are_told_and_a_killed_one_is_started_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").touch()
    cluster, said = Cluster(2, 1, "sqlite:///s.db"), []
    assert cluster.lines[0].startswith("2 workers of 1 thread each, placed by Ray on 1 machine with ")
    with Crew(2, lambda number, on_event: OnRay(cluster, on_event), said.append, ending=cluster.close) as crew:
        crew.ready(tasks.nothing)
        assert set(crew.run(tasks.where)) == {("where", str(tmp_path), ("here",), "1")}
        died = list(crew.run(partial(tasks.die_once, folder=tmp_path)))
        assert {event[0] for event in died} == {"did"}
        assert len(said) == 1
        assert "has ended (killed by SIGKILL)" in said[0]
    assert not cluster.ray.is_initialized()


def test_ray_that_is_not_installed_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"launcher='ray' needs Ray, which is not installed: pip install -e '\.\[ray\]'"):
        Cluster(2, 1, "sqlite:///s.db")


def stub(machines, **resources):
    """What is asked of a Ray that cannot be started here."""
    return SimpleNamespace(
        is_initialized=lambda: True,
        nodes=lambda: [{"Alive": True}] * machines + [{"Alive": False}],
        cluster_resources=lambda: resources,
        shutdown=lambda: pytest.fail("it was there before"),
    )


def test_a_file_is_no_database_for_several_machines(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ray", stub(3, CPU=24.0))
    with pytest.raises(UserError, match=r"storage='sqlite:///s.db' with 3 machines: .* give a server's"):
        Cluster(2, 1, "sqlite:///s.db")
    assert Cluster(2, 4, "postgresql+psycopg://u@h/d").lines == [
        "2 workers of 4 threads each, placed by Ray on 3 machines with 24 cores"
    ]


@pytest.mark.parametrize(
    ("workers", "there", "cores", "gpus"),
    [
        (2, {"CPU": 8.0}, 2.0, 0.0),
        (8, {"CPU": 8.0}, 1.0, 0.0),  # fewer cores than asked for: all the same all have a place
        (4, {"CPU": 16.0, "GPU": 1.0}, 2.0, 0.25),
        (2, {"CPU": 16.0, "GPU": 8.0}, 2.0, 1.0),
        (3, {"CPU": 16.0, "GPU": 2.0}, 2.0, 0.6667),
    ],
)
def test_every_worker_finds_a_place(monkeypatch, workers, there, cores, gpus):
    monkeypatch.setitem(sys.modules, "ray", stub(1, **there))
    cluster = Cluster(workers, 2, "postgresql+psycopg://u@h/d")
    assert (cluster.cores, cluster.gpus) == (cores, gpus)
    cluster.close()
