"""The examples in docstrings run, and give what they say."""

import doctest
from importlib import import_module

import pytest

MODULES = [
    "adv.core.method",
    "adv.core.precision",
    "adv.core.settings",
    "adv.core.shift",
    "adv.lightning",
    "adv.steps.embedding",
    "adv.trainer",
    "finetune.arguments",
    "finetune.config",
    "finetune.data.load",
    "finetune.tasks.metrics",
    "finetune.training.bench",
    "finetune.training.loop",
    "finetune.words",
    "studies.door",
    "studies.own_loop",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    module = import_module(name)
    if name == "studies.door":
        monkeypatch.setattr("studies.checking.meter.ROUNDS", 1)  # how often a step is timed
    found = doctest.testmod(module)
    assert found.failed == 0, capsys.readouterr().out
    assert found.attempted
