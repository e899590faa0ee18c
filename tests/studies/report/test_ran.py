"""The command in a report is the one that makes the study."""

import subprocess

from helpers.plain_studies import plain_summary

from finetune.config import Data
from finetune.folds import Folds
from studies.planning.request import recipe_of
from studies.planning.starts import read_file
from studies.report.ran import command


def test_the_command_says_folds_views_own_metrics_and_what_differs_from_the_defaults_of_the_model():
    about = {
        "recipe": recipe_of({"model": "some/model", "epochs": 6, "threads": 1000}).model_dump(mode="json"),
        "folds": Folds(folds=4, group_column="author", seeds=2).model_dump(mode="json"),
        "record": ["robust"],
        "metric": "mine",
        "metric file": {"mine": "/here/my_file.py:mine"},
        "data": Data(data="films", label_column=("a", "b")).model_dump(mode="json"),
    }
    line = command(plain_summary([], {}, about=about))
    assert "--metric /here/my_file.py:mine --study" in line
    folds = "--folds 4 --group-column author --seeds 2"
    assert f"--data films --label-column a,b {folds} --model some/model --epochs 6 --threads 1000 --record robust" in line


def test_what_a_pretrained_model_has_by_default_is_not_said():
    about = {"recipe": recipe_of({"model": "some/model"}).model_dump(mode="json"), "folds": {}, "record": []}
    line = command(plain_summary([], {}, about=about))
    assert "--model some/model" in line
    assert not [
        word for word in ("--epochs", "--learning-rate", "--threads", "--folds", "--record", "--task") if word in line
    ]


def test_starting_points_are_written_to_a_file_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    starts = [{"adv_lr": 0.01, "emb_name": "it's"}, {"adv_lr": 1e-05, "start_epoch": 1.5}]
    search = {"explore": 0, "starts": starts}
    first, _, line = command(plain_summary([], {}, about={"search": search})).partition(" && ")
    assert "--start starts.json" in line
    subprocess.run(["sh", "-c", first], check=True)
    assert [start.settings for start in read_file("starts.json")] == starts
