"""What was chosen unasked is told once, with its reason and how to choose otherwise."""

import pytest

from finetune.arguments import as_arguments, as_options
from studies.planning.choices import choices
from studies.planning.request import request_of
from studies.planning.resolve import resolve


def told(**arguments):
    return [as_options(line) for job in resolve(request_of(arguments)) for line in choices(job)]


def test_every_choice_has_its_reason_and_its_option():
    [line] = told(method="fgm")
    assert line.startswith("chosen: 1 thread (more would wait for each other on so small a model; --threads); ")
    assert "; fp32 (the same numbers on more machines; --precision); " in line
    assert "in an order drawn from --seed 0 for each epoch" in line
    assert line.endswith("clean epochs before start_epoch are trained once for all trials (same values; --no-prefix-reuse)")


def test_what_was_asked_for_is_not_told():
    [line] = told(method="fgm", threads=2, precision="fp32", prefix_reuse=False)
    assert line.startswith("chosen: texts of similar length in a batch")
    assert "prefix" not in line


@pytest.mark.parametrize("fixed", [{"set": {"start_epoch": 0}}, {"epochs": 1}, {"method": "none"}])
def test_nothing_is_said_of_clean_epochs_where_there_are_none_to_share(fixed):
    assert not any("clean epochs" in line for line in told(**{"method": "fgm"} | fixed))


@pytest.mark.parametrize(
    ("arguments", "cores", "words"),
    [
        ({"trials": 100}, 4, "1 worker (--workers 4 trains 4 trials at once)"),
        ({"trials": 3}, 4, "1 worker (--workers 3 trains 3 trials at once)"),
        ({"model": "some/encoder"}, 4, "1 worker (--workers 4 trains 4 trials at once, in a new study with 1 thread each)"),
        (
            {"model": "some/encoder", "trials": 2},
            8,
            "--workers 2 trains 2 trials at once, in a new study with 4 threads each)",
        ),
        ({"threads": 2}, 5, "1 worker (--workers 2 trains 2 trials at once)"),
        ({"threads": 3}, 5, None),
        ({"trials": 1}, 8, None),
        ({}, 1, None),
        ({"workers": 2}, 8, None),
        ({"workers": 1}, 8, None),
    ],
)
def test_who_searches_with_one_worker_is_told_how_many_the_machine_has_room_for(monkeypatch, arguments, cores, words):
    for module in ("studies.planning.choices", "studies.planning.request"):
        monkeypatch.setattr(f"{module}.cores", lambda: cores)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    [line] = told(**{"method": "fgm", "trials": 20} | arguments)
    assert words in line if words else "trials at once" not in line


def test_a_gpu_has_room_for_one_worker(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert "1 worker (--workers 3 trains 3 trials at once" in told(method="fgm")[0]
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert "at once" not in told(method="fgm")[0]


def test_a_fast_path_that_is_refused_is_said_with_its_reason():
    lines = told(method="fgm", tune="learning_rate")
    assert lines[1] == "clean epochs are not shared between trials: learning_rate changes them from trial to trial"


def test_python_reads_arguments():
    [job] = resolve(request_of({"method": "fgm", "threads": 1}))
    assert "(same values; prefix_reuse=False)" in as_arguments(choices(job)[0])


@pytest.mark.parametrize(
    ("tune", "words"), [(None, "the best of its 6 evaluations"), ("epochs", "the best of its evaluations")]
)
def test_where_epochs_are_searched_no_number_of_evaluations_is_that_of_all_runs(tune, words):
    [line] = [line for line in told(method="fgm", score="best", evals_per_epoch=2, epochs=3, tune=tune) if "--score" in line]
    assert line.startswith(f"--score best: the value of a run is {words} (")
