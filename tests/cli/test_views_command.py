"""Searches on, or beside, another view of the validation rows."""

import json
from pathlib import Path

import optuna
import pytest
from helpers.refusals import SMALL, assert_said, refused, rows
from helpers.small_tasks import METRICS_OF_CLASSES
from rich.console import Console

import search
from studies import load, tune
from studies.report.terminal import print_summary

ASKED = ["--method", "fgm", "--train-file", "rows.csv", *SMALL, "--epochs", "2"]
VIEWED = [*ASKED, "--metric", "robust_macro_f1", "--record", "noisy"]
OTHERS = ["macro_f1", "noisy_macro_f1"]
KIND = [*METRICS_OF_CLASSES]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The folder of a finished search."""
    folder = tmp_path_factory.mktemp("viewed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("rows.csv").write_text(rows())
        assert search.run(VIEWED) == 0
    return folder


@pytest.fixture(autouse=True)
def _here(found, monkeypatch):
    monkeypatch.chdir(found)


def test_the_value_is_the_metric_in_its_view_and_the_others_are_kept():
    result = load("sqlite:///studies.db", "rows-fgm")
    assert result.metric == "robust_macro_f1"
    for trial in result.study.trials:
        metrics = trial.user_attrs["metrics by epoch"]
        assert [*trial.intermediate_values.values()] == [epoch["robust_macro_f1"] for epoch in metrics]
        assert list(metrics[-1]) == [*KIND, *(f"{view}_{name}" for view in ("robust", "noisy") for name in KIND)]
    assert result.clean == result.study.user_attrs["baseline"][-1]["metrics"]["robust_macro_f1"]
    assert result.summary.constant == result.study.user_attrs["constant guess"]["macro_f1"]
    assert result.study.user_attrs["identity"]["record"] == ["robust", "noisy"]


def test_the_summary_shows_the_other_views(capsys):
    result = load("sqlite:///studies.db", "rows-fgm")
    print_summary(Console(width=200), result.summary)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.endswith("(recorded, not searched)")]
    best = result.summary.best.user_attrs["metrics"]
    clean = result.study.user_attrs["baseline"][-1]["metrics"]
    assert lines == [f"{name}: best {best[name]:.4f}, clean {clean[name]:.4f} (recorded, not searched)" for name in OTHERS]


def test_the_configuration_trains_again_to_the_same_value(capsys):
    assert search.run(["train", "runs/rows-fgm/best.yaml"]) == 0
    out = capsys.readouterr().out
    assert ": the same" in out
    assert "robust_macro_f1" in out


@pytest.mark.parametrize(
    ("less", "apart"),
    [(2, "record: there ['robust', 'noisy'], here ['robust']"), (4, "record: there ['robust', 'noisy'], here []")],
)
def test_a_study_goes_on_only_with_its_views(capsys, less, apart):
    assert_said(refused(capsys, *VIEWED[:-less]), "rows-fgm", apart)


def test_another_study_has_clean_epochs_of_its_own_which_go_with_it(capsys):
    assert search.run([*ASKED, "--study", "plain"]) == 0
    out = capsys.readouterr().out
    assert "--record" not in out
    assert len([path for path in Path("runs/prefix").iterdir() if path.is_dir()]) == 2
    study = optuna.load_study(study_name="plain", storage="sqlite:///studies.db")
    assert "record" not in study.user_attrs["identity"]
    assert [list(json.loads(json.dumps(t.user_attrs["metrics"]))) for t in study.trials] == [KIND, KIND]
    for name in ("rows-fgm", "plain"):
        assert search.run(["studies", "delete", name, "--yes"]) == 0
    assert not list(Path("runs/prefix").glob("*/*"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--record", "robst"], ("--record", "'robst'", "did you mean 'robust'?")),
        (["--record", "robust,clean"], ("--record", "'clean'", "noisy")),
        (["--metric", "robust_acuracy"], ("robust_acuracy", "did you mean 'robust_accuracy'?")),
        (["--metric", "robust_rmse", "--kind", "classification"], ("--metric robust_rmse is not for classification",)),
        (["--metric", "noisy"], ("unknown metric 'noisy'",)),
        (["--metric", "accuracy,robust_acuracy"], ("did you mean 'robust_accuracy'?",)),
        (["--metric", "accuracy,robust_accuracy,mcc"], ("one metric or two, not 3", "--record robust,noisy")),
    ],
)
def test_what_there_is_not_is_refused(capsys, options, words):
    Path("rows.csv").write_text(rows())
    assert_said(refused(capsys, "--train-file", "rows.csv", *options), *words)


def test_numbers_are_searched_in_a_view_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(rows(labels=("0.5", "1.5", "2.5")))
    assert search.run(["--method", "none", "--train-file", "rows.csv", *SMALL, "--metric", "noisy_rmse"]) == 0
    out = capsys.readouterr().out
    assert "noise in 5% of the characters" in out
    assert "noisy_rmse (lower is better)" in out


def test_a_loop_of_your_own_measures_its_views_itself():
    from finetune.errors import UserError

    with pytest.raises(UserError, match="with your own loop"):
        tune(lambda run: 0.0, "fgm", epochs=1, trials=1, record=("robust",))
