"""The check shows the curve that a search measures, with both of its limits."""

import re

import pytest
from helpers.small_tasks import reviews_task

import search
from finetune.arguments import as_options
from finetune.config import Recipe
from finetune.training.bench import Bench
from studies.checking.strengths import curve_of
from studies.planning.request import request_of

USUAL = {"epochs": 2, "batch_size": 4}


@pytest.fixture(scope="module")
def bench():
    return Bench(reviews_task(), Recipe(**USUAL))


def curve(bench, step=0.01, **arguments):
    return curve_of(bench, request_of({"method": "awp"} | USUAL | arguments, ("aim", "data", "recipe", "running")), step)


def test_settings_of_the_strength_are_measured_though_they_are_fixed(bench):
    found = curve(bench)
    assert found["names"] == ["adv_lr", "adv_eps"]
    assert found["noise"] < found["untrained"] - found["zero"]
    assert curve(bench, set={"adv_lr": 0.5, "adv_eps": 0.1, "start_epoch": 1}) == found
    assert curve(bench, set={"combine": "sum"})["zero"] == pytest.approx(2 * found["zero"])
    assert curve(bench, method="none") is None


def test_long_training_is_only_done_if_it_is_asked_for(bench):
    # 16 steps of 5 s.
    assert "would take about 80 s (--calibrate measures it)" in as_options(curve(bench, step=5.0)["why"])
    assert curve(bench, step=5.0, calibrate=True)["ranges"]
    assert curve(bench, calibrate=False) is None


def test_the_command_prints_it(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("studies.checking.meter.ROUNDS", 1)
    small = ["--max-train-rows", "300", "--max-validation-rows", "64", "--epochs", "2", "--batch-size", "4"]
    assert search.run(["check", "--method", "fgm", *small]) == 0
    said = capsys.readouterr().out
    table = said[said.index("loss under attack") :]
    rises = [float(number) for number in re.findall(r"^[\d.e-]+ +[\d.]+ +([+-][\d.]+)", table, re.MULTILINE)]
    assert len(rises) >= 2
    assert rises == sorted(rises)
    assert re.search(
        r"^for a search: epsilon 0\.05 to 0\.\d+ \(declared 0\.05 to 5\): on 3 batches after 1 clean epoch", table, re.M
    )
    assert search.run(["check", "--method", "fgm", "--no-calibrate", *small]) == 0
    assert "for a search" not in capsys.readouterr().out
