"""The door's modules by themselves: what describes it, and what stands between it and a study."""

import inspect

import pytest
from helpers.made_up_studies import made
from helpers.thirty_lines import train

from finetune.errors import UserError
from studies import life, looping, searching
from studies.described import describe
from studies.door import searched
from studies.own_loop import name_of
from studies.report.notebook import Block
from studies.report.screen import Screen


def test_a_function_is_described_by_the_fields_it_takes():
    def function(first, **arguments):
        """Do it."""

    describe(function, ["trials", "out"])
    assert list(inspect.signature(function).parameters) == ["first", "trials", "out"]
    assert inspect.signature(function).parameters["trials"].default == 100
    assert "        out: folder for results (runs)." in function.__doc__


def test_lines_are_kept_where_nothing_is_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    screen = Screen(None)
    searched({"method": "none", "epochs": 1, "max_train_rows": 40}, screen)
    assert any(line.startswith("study reviews-none in sqlite:///studies.db: 0 trials finished") for line in screen.said)


def test_a_loop_has_a_name_and_a_fingerprint_of_its_text():
    assert name_of(train) == "helpers.thirty_lines.train"
    [print_] = looping.source_of(train).values()
    assert len(print_) == 16
    assert looping.source_of(len) == {}
    with pytest.raises(UserError, match="train is 'x'"):
        name_of("x")


def test_finished_trials_of_a_study_and_of_none():
    assert life.finished_of(None) == []
    assert [trial.state.name for trial in life.finished_of(made("CPF"))] == ["COMPLETE", "PRUNED", "FAIL"]
    assert set(searching.DIRECTIONS) == {True, False}


def test_a_block_in_a_notebook_says_how_far_it_is(monkeypatch):
    import IPython.display

    seen = []

    class Handle:
        def update(self, block):
            seen.append(block._repr_html_())

    monkeypatch.setattr(IPython.display, "display", lambda block, display_id: Handle())
    block = Block("best <none>", 4, 1)
    assert repr(block) == "1/4 best <none>"
    block.update(0, "best 0.5", completed=2)
    assert seen == ['<progress value="2" max="4"></progress> 2/4 best 0.5']
    assert "&lt;none&gt;" in Block("best <none>", 4, 1)._repr_html_()
