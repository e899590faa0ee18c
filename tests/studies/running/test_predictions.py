"""What the best trial predicts, as a table: it must give back the value of the trial."""

import csv
import math

import numpy as np
import optuna
import pytest
from helpers.made_up_studies import made, stored
from helpers.shown_studies import detail, summary_of
from helpers.small_tasks import numbers_task, reviews_task
from helpers.two_metrics import two_study
from optuna.trial import create_trial

from finetune.arguments import as_options
from finetune.config import Data, Recipe
from finetune.tasks import KINDS
from finetune.training.bench import Bench
from studies.commands.dashboard import application
from studies.planning.plan import make_plan
from studies.report.outputs import write_outputs
from studies.report.shown import show
from studies.results.summary import summarise
from studies.running import predictions
from studies.running.artifacts import artifact_folder
from studies.running.folder import folder_of
from studies.running.objective import Objective
from studies.running.predictions import leads, predictions_file
from studies.running.storage import open_storage


def searched(task, metric, folder):
    """The value of one trial, and the rows of its table."""
    recipe = Recipe(epochs=2)
    plan = make_plan("fgm", Data(task="reviews"), recipe)
    objective = Objective(plan, metric, Bench(task, recipe), folder, folder / "prefix", lambda *_: None)
    study = optuna.create_study(direction="maximize" if metric == "accuracy" else "minimize")
    study.enqueue_trial({"epsilon": 0.5, "start_epoch": 0})
    value = objective(study.ask())
    return value, list(csv.DictReader(predictions_file(folder, 0).read_text().splitlines()))


def test_classes_give_back_the_accuracy(tmp_path):
    task = reviews_task()
    value, rows = searched(task, "accuracy", tmp_path)
    assert np.mean([row["label"] == row["predicted"] for row in rows]) == pytest.approx(value)
    assert [row["text"] for row in rows] == task.validation.texts
    assert [row["row"] for row in rows] == [str(number + 1) for number in range(len(rows))]
    for row in rows:
        shares = {name: float(row[f"p {name}"]) for name in task.names}
        assert sum(shares.values()) == pytest.approx(1, abs=0.001)
        assert shares[row["predicted"]] == max(shares.values())


def test_numbers_give_back_the_error(tmp_path):
    value, rows = searched(numbers_task(1), "rmse", tmp_path)
    name = numbers_task(1).names[0]
    errors = [float(row[name]) - float(row[f"predicted {name}"]) for row in rows]
    assert math.sqrt(np.mean(np.square(errors))) == pytest.approx(value, rel=1e-4)


def test_long_tables_and_texts_are_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(predictions, "MOST", 3)
    monkeypatch.setattr(predictions, "LONGEST", 5)
    _, rows = searched(reviews_task(), "accuracy", tmp_path)
    assert len(rows) == 3
    assert all(len(row["text"]) <= 5 for row in rows)


def test_other_kinds_show_their_labels_as_they_are():
    kind = type("Other", (type(KINDS["regression"]).__mro__[1],), {})
    cells = kind.cells(None, (), np.array([[1, 0], [0, 1]]), np.array([[0.5, 0.1], [0.2, 0.9]]))
    assert cells == {"label": [[1, 0], [0, 1]], "predicted": [[0.5, 0.1], [0.2, 0.9]]}


@pytest.mark.parametrize(
    ("direction", "known", "value", "first"),
    [
        ("maximize", [], 0.1, True),
        ("maximize", [0.5, 0.7], 0.6, False),
        ("maximize", [0.5, 0.7], 0.7, True),  # a trial with a smaller number may end later
        ("maximize", [0.70001], 0.70003, True),
        ("minimize", [0.5, 0.7], 0.4, True),
        ("minimize", [0.5, 0.7], 0.6, False),
        ("maximize", [float("inf")], 0.7, True),
        ("maximize", [0.5], float("nan"), False),
    ],
)
def test_only_what_may_be_the_best_keeps_its_table(direction, known, value, first):
    study = optuna.create_study(direction=direction)
    for each in known:
        study.add_trial(create_trial(value=each))
    assert leads(study.ask(), value) is first


def test_of_two_metrics_the_first_counts():
    study = two_study([(0.8, 5.0), None])
    assert leads(study.ask(), 0.8)
    assert not leads(study.ask(), 0.7)


def test_the_best_trial_has_it_in_the_dashboard_and_others_go(tmp_path):
    storage, folder = open_storage(f"sqlite:///{tmp_path / 'studies.db'}"), folder_of(str(tmp_path), "made")
    found = summary_of(stored(made("CCCC"), storage))
    folder.mkdir()
    for number in range(4):
        predictions_file(folder, number).write_text(f"row,text\n{number},fine\n")
    assert show(found, storage, as_options, "c", artifact_folder(tmp_path)) == []
    told = detail(application(storage, artifact_folder(tmp_path)))
    best = found.best.number
    [names] = [[each["filename"] for each in t["artifacts"]] for t in told["trials"] if t["number"] == best]
    assert sorted(names) == ["epochs.csv", "predictions.csv"]
    assert (
        f"with trial {best}: `predictions.csv`, what it predicts for the validation rows (at most 2000"
        in told["note"]["body"]
    )
    paths = write_outputs(summarise(found.study), folder)
    assert predictions_file(folder, best) in paths
    assert list(folder.glob("predictions-*")) == [predictions_file(folder, best)]
