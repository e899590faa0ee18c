"""Which process trains a run, and in which order runs are trained and read."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.folded_tasks import FOLD_OF, RECIPE, folded, series_of
from helpers.small_tasks import reviews_task

from adv import FGM, Clean
from finetune.folds import Folds
from finetune.training.epoch import Epoch
from finetune.training.series import Ended, Series
from studies.running import in_turn
from studies.running.clean_runs import CleanRuns
from studies.running.in_turn import InTurn
from studies.running.run_files import RunFiles

HOLD = """
import sys, time
from pathlib import Path
from studies.running.run_files import RunFiles
with RunFiles(Path(sys.argv[1]), "trial-3").claimed(1) as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


def test_a_run_has_one_process_and_is_free_when_that_was_killed(tmp_path: Path) -> None:
    files = RunFiles(tmp_path, "trial-3")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with files.claimed(1) as mine, files.claimed(2) as another:
            assert (mine, another) == (False, True)
        with files.claimed(2) as one, files.claimed(2) as two:
            assert (one, two) == (True, False)
        os.kill(other.pid, signal.SIGKILL)
    with files.claimed(1) as mine:
        assert mine
    files.clear(3)
    assert list(tmp_path.iterdir()) == []


def test_while_another_process_has_a_run_those_after_it_are_trained_but_yielded_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_turn, "LOOK", 0.01)
    series, files, begun = series_of(folded(reviews_task()), Folds(folds=3)), RunFiles(tmp_path, "trial-0"), list[int]()
    raw = np.full((FOLD_OF.tolist().count(1), 2), 7.0, np.float32)
    theirs = Ended(
        series.parts[1], [Epoch(0, {"accuracy": 0.5}, {}, 0.1, 1.0)], raw[: int((series.task.fold_of == 1).sum())]
    )
    claimed, ready = threading.Event(), threading.Event()

    def other() -> None:
        with files.claimed(1) as mine:
            assert mine
            claimed.set()
            ready.wait(30)
            time.sleep(0.1)
            theirs.save(files.ended(1))

    thread = threading.Thread(target=other)
    thread.start()
    claimed.wait(30)

    def begin(part: object, training: object) -> None:
        begun.append(part.number)  # type: ignore[attr-defined]
        if len(begun) == 2:
            ready.set()

    made, kept = InTurn(series, Clean, files, begin, lambda *_: None), list[tuple[int, bool]]()
    made.on_ended = lambda part, training: kept.append((part.number, files.ended(part.number).exists()))
    runs = list(made)
    thread.join()
    assert begun == [0, 2]
    # A kill after the models are kept and before the run counts as ended trains it again; the other order would lose them.
    assert kept == [(0, False), (2, False)]
    assert [run.part.number for run in runs] == [0, 1, 2]
    assert runs[1].history == theirs.history
    assert (runs[1].raw == 7).all()


def test_runs_that_another_study_of_the_same_name_has_left_are_trained_anew(tmp_path: Path) -> None:
    series, files = series_of(folded(reviews_task()), Folds(folds=3)), RunFiles(tmp_path, "trial-0")

    def begun(epsilon: float, series: Series = series) -> list[int]:
        found = list[int]()
        runs = InTurn(
            series, lambda: FGM(epsilon=epsilon), files, lambda part, _: found.append(part.number), lambda *_: None
        )
        list(runs)
        return found

    assert [begun(0.5), begun(0.5)] == [[0, 1, 2], []]
    assert [begun(0.25), begun(0.25)] == [[0, 1, 2], []]  # other settings
    other = series.like(series.recipe.model_copy(update={"seed": 5}))
    assert [begun(0.25, other), begun(0.25, other)] == [[0, 1, 2], []]


def test_clean_training_is_read_where_all_of_a_run_is_there(tmp_path: Path) -> None:
    series, begun = series_of(folded(reviews_task()), Folds(folds=3)), list[int]()
    clean = CleanRuns(series, tmp_path, lambda part: [(0, 1)], True, lambda part, training, epoch: begun.append(part.number))
    assert clean.known() == []
    first = clean.train()
    assert RECIPE.epochs == 1
    clean.file(series.parts[1], 0, 1).unlink()
    (tmp_path / "clean-run-2.safetensors").write_bytes(b"torn")
    assert clean.known() == []
    again = clean.train()
    assert begun == [0, 1, 2, 1, 2]
    assert [run.history[0].metrics for run in again] == [run.history[0].metrics for run in first]
    assert not list(tmp_path.glob("*.lock"))
    clean.reuse = False  # then nothing that is stored counts
    clean.train()
    assert begun[5:] == [0, 1, 2]
