"""A study is made when its baseline is known, and taken up as it was; what lies beside it is counted and named."""

import optuna
import pytest
from helpers.made_up_studies import made

from adv import FGM
from finetune.errors import UserError
from finetune.training.epoch import Epoch
from studies.planning.identity import BASELINE, CONSTANT, KEY
from studies.running.begin import baseline_of, begin, find_study
from studies.running.footprint import bytes_of, own_files, snapshots
from studies.running.lockfile import left_by_old_version
from studies.running.looped import Run
from studies.running.named import default_name
from studies.running.storage import close_storage, open_storage


@pytest.fixture
def storage(tmp_path):
    made_here = open_storage(f"sqlite:///{tmp_path}/s.db")
    yield made_here
    close_storage(made_here)


MINE = made("C").user_attrs[KEY]


class Trainer:
    """Counts how often clean training was asked for."""

    def __init__(self):
        self.made_under, self.asked = {}, 0

    def baseline(self):
        self.asked += 1
        return [Epoch(0, {"accuracy": 0.5}, {}, None, 1.0)]


def test_a_study_is_made_once_and_its_baseline_measured_once(storage):
    trainer = Trainer()
    assert find_study(storage, "s") is None
    clean = baseline_of(None, trainer)
    study = begin(storage, "s", MINE, {BASELINE: clean, CONSTANT: {"accuracy": 0.4}}, False)
    assert study.user_attrs[KEY] == MINE
    there = find_study(storage, "s")
    assert baseline_of(there, trainer) == clean
    assert trainer.asked == 1
    again = begin(storage, "s", MINE, {BASELINE: [], CONSTANT: {}}, True)
    assert again.user_attrs[BASELINE] == clean
    with pytest.raises(UserError, match="about something else"):
        begin(storage, "s", MINE | {"method": "fgm"}, {}, True)


def test_a_study_is_found_by_its_exact_name(url):
    storage = open_storage(url)
    optuna.create_study(study_name="Rows", storage=storage)
    assert [name for name in ("Rows", "rows", "Rows ", "", "%") if find_study(storage, name)] == ["Rows"]
    close_storage(storage)


def test_files_of_a_study_are_those_with_its_names(tmp_path):
    for name in ("report.html", "best.yaml", "trial-3.safetensors", "mine.txt"):
        (tmp_path / name).write_text("four")
    (tmp_path / "trial-4").mkdir()
    (tmp_path / "trial-4" / "state").write_text("0123456789")
    (tmp_path / "trials.csv").symlink_to(tmp_path / "mine.txt")
    assert {path.name for path in own_files(tmp_path)} == {"report.html", "best.yaml", "trial-3.safetensors", "trial-4"}
    assert {path.name for path in snapshots(tmp_path)} == {"trial-3.safetensors", "trial-4"}
    assert bytes_of(tmp_path / "best.yaml", tmp_path / "trial-4") == 14


def test_a_trial_without_a_lock_file_is_nobody_s():
    class Row:
        user_attributes = ()

    assert left_by_old_version(Row()) is None


def test_a_default_name_is_that_of_task_and_method():
    assert default_name(MINE) == "reviews-awp"


def test_a_run_without_a_trial_keeps_what_it_reports(tmp_path):
    seen = []
    run = Run(FGM(), 2, 0, {}, {}, "value", tmp_path / "clean", None, lambda trial, epoch: seen.append(epoch.number))
    run.report(0.25, 0)
    run.report(0.5, 1)
    assert seen == [0, 1]
    assert run.end(None) == 0.5
    assert run.end(0.75) == 0.75
    assert [epoch.metrics["value"] for epoch in run.history] == [0.25, 0.75]
    assert run.folder.is_dir()
