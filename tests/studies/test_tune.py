"""``tune``: a training loop of one's own is searched as the project's own is."""

import os
from pathlib import Path

import optuna
import pytest
import yaml
from helpers.forks import forked
from helpers.thirty_lines import SIZE, deadly, train

import search as command
from finetune.errors import UserError
from studies import load, search, tune

STORAGE = "sqlite:///studies.db"


def facts(study):
    """What two searches must have alike."""
    return [(t.number, t.state.name, t.params, t.value, t.intermediate_values) for t in study.trials]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tune")


@pytest.fixture(autouse=True)
def _there(folder, monkeypatch):
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def own(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return tune(train, "fgm", epochs=3, trials=8, explore=4, progress=False)


@pytest.fixture(scope="module")
def usual(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return search("fgm", epochs=3, trials=8, explore=4, progress=False, study="usual", calibrate=False, **SIZE)


def test_the_same_loop_gives_bit_for_bit_the_values_of_search(own, usual):
    assert facts(own.study) == facts(usual.study)
    assert own.clean == usual.clean
    curve = [epoch["metrics"]["value"] for epoch in own.study.user_attrs["baseline"]]
    assert curve == [epoch["metrics"]["accuracy"] for epoch in usual.study.user_attrs["baseline"]]
    assert {trial.state.name for trial in own.study.trials} >= {"COMPLETE"}


def test_diagnostics_and_importances_are_those_of_search(own, usual):
    for mine, other in zip(own.study.trials, usual.study.trials, strict=True):
        assert mine.user_attrs["diagnostics"] == other.user_attrs["diagnostics"]
    assert own.importances == usual.importances
    assert own.summary.idle == usual.summary.idle


def test_killed_in_the_middle_of_a_trial_and_taken_up(own, tmp_path):
    def killed():
        os.chdir(tmp_path)
        tune(deadly, "fgm", epochs=3, trials=3, explore=4, progress=False)

    def run():
        with forked(killed) as (process, _):
            process.join()
        return process.exitcode

    assert run() == -9
    study = optuna.load_study(study_name="deadly-fgm", storage=f"sqlite:///{tmp_path}/studies.db")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "RUNNING"]
    assert study.trials[2].intermediate_values.keys() == {0, 1}
    assert (tmp_path / "runs/deadly-fgm/trial-2/began").exists()
    assert run() == 0
    study = optuna.load_study(study_name="deadly-fgm", storage=f"sqlite:///{tmp_path}/studies.db")
    assert facts(study) == facts(own.study)[:3]
    assert [curves_of(trial) for trial in study.trials] == [curves_of(trial) for trial in own.study.trials[:3]]
    assert curves_of(study.trials[2]) == [study.trials[2].intermediate_values[epoch] for epoch in range(3)]
    assert not list((tmp_path / "runs/deadly-fgm").glob("trial-*"))
    assert not (tmp_path / "runs/deadly-fgm/clean").exists()


def test_files_are_left_and_the_commands_know_the_study(own, capsys):
    best = yaml.safe_load(Path("runs/train-fgm/best.yaml").read_text())
    assert best["settings"] == own.best.settings
    assert best["recorded"]["loop"] == {"loop": "helpers.thirty_lines.train"}
    assert "helpers.thirty_lines.train" in own.report("mine.html").read_text()
    assert "method = FGM(" in own.export(format="python")
    assert load(STORAGE, "train-fgm").best == own.best
    for line in ("report --study train-fgm", "export --study train-fgm --format json"):
        assert command.run(line.split()) == 0
    capsys.readouterr()
    assert command.run(["train", "runs/train-fgm/best.yaml"]) == 2
    assert "is for your own loop, helpers.thirty_lines.train" in capsys.readouterr().err


def curves_of(trial):
    """The value after each epoch, as the trial keeps it."""
    return [epoch["value"] for epoch in trial.user_attrs["metrics by epoch"]]


def stopped_once(run):
    """Reports an epoch and leaves it to a file where to go on, as a loop with checkpoints does; stops once, after two."""
    mark = run.folder / "epochs"
    for epoch in range(int(mark.read_text()) if mark.exists() else 0, run.epochs):
        if run.trial is not None and run.trial.number == 1 and epoch == 2 and not (run.folder / "stopped").exists():
            (run.folder / "stopped").touch()
            raise KeyboardInterrupt
        run.report(0.5 + 0.125 * epoch, epoch)
        mark.write_text(str(epoch + 1))


def test_epochs_from_before_a_stop_are_kept_though_they_are_not_reported_again(tmp_path):
    options = {"epochs": 4, "trials": 2, "storage": f"sqlite:///{tmp_path}/a.db", "out": tmp_path, "progress": False}
    with pytest.raises(KeyboardInterrupt):
        tune(stopped_once, "fgm", **options)
    found = tune(stopped_once, "fgm", **options)
    assert [curves_of(trial) for trial in found.study.trials] == [[0.5, 0.625, 0.75, 0.875]] * 2
    assert len(found.to_frame(epochs=True)) == 8


def numbers(run):
    """A loop without a model: its value falls with the distance of two settings from where they are best."""
    method = run.method.at(run.epochs)
    for epoch in range(run.epochs):
        run.report(run.recipe["rate"] - abs(getattr(method, "epsilon", 0.0) - 1), epoch)


def test_values_of_the_recipe_are_searched_and_the_baseline_has_what_is_usual(own):
    found = tune(
        numbers,
        "fgm",
        epochs=2,
        trials=6,
        recipe={"rate": 0.5, "learning_rate": 1e-3, "size": 8},
        space={"rate": (0.1, 0.9), "size": (4, 16)},
        tune="learning_rate",
        study="numbers",
        progress=False,
    )
    assert found.clean == 0.5 - 1
    first = found.study.trials[0].params
    assert (first["rate"], first["learning_rate"], first["size"]) == (0.5, 1e-3, 8)
    for trial in found.study.trials:
        assert 0.1 <= trial.params["rate"] <= 0.9
        assert isinstance(trial.params["size"], int)
        assert trial.value == pytest.approx(trial.params["rate"] - abs(trial.params["epsilon"] - 1))
    assert found.to_frame()["rate"].notna().all()


def test_minimised_values_and_a_name_for_them(own):
    found = tune(numbers, "fgm", epochs=1, trials=3, recipe={"rate": 0.5}, direction="minimize", metric="loss", study="less",
                 progress=False)  # fmt: skip
    assert found.best.value == min(trial.value for trial in found.study.trials)
    assert (found.metric, found.study.direction.name) == ("loss", "MINIMIZE")


def test_a_hopeless_trial_is_pruned(own):
    found = tune(numbers, "fgm", epochs=4, trials=16, explore=8, recipe={"rate": 0.5}, study="pruned", progress=False,
                 set={"start_epoch": 0}, sampler="random")  # fmt: skip
    pruned = [trial for trial in found.study.trials if trial.state.name == "PRUNED"]
    assert pruned
    assert all(trial.number >= 8 for trial in pruned)
    assert all(len(trial.intermediate_values) < 4 for trial in pruned)


def test_what_a_run_gives_its_loop(own, tmp_path):
    seen = []

    def loop(run):
        assert run.folder.is_dir()
        seen.append((run.seed, run.epochs, run.settings, run.recipe, run.folder.name, run.trial and run.trial.number))
        return 1.0

    tune(loop, "fgm", epochs=2, trials=2, seed=5, set={"combine": "sum", "start_epoch": 0}, recipe={"a": "b"},
         out=tmp_path, study="seen", progress=False)  # fmt: skip
    assert seen[0] == (5, 2, {}, {"a": "b"}, "clean", None)
    assert seen[1] == (5, 2, {"combine": "sum", "start_epoch": 0, "epsilon": 1.0}, {"a": "b"}, "trial-0", 0)
    assert seen[2][4:] == ("trial-1", 1)
    assert not list((tmp_path / "seen").glob("trial-*"))


def test_another_loop_other_data_or_epochs_are_another_study_and_a_changed_text_is_said(own, capsys):
    small = {"trials": 1, "recipe": {"rate": 0.5}, "study": "same"}
    tune(numbers, "fgm", epochs=2, data="first", progress=False, **small)
    for change, words in (
        ({"data": "second"}, "data.data: there 'first', here 'second'"),
        ({"epochs": 3}, "recipe.epochs: there 2, here 3"),
        ({"recipe": {"rate": 0.6}}, "recipe.rate: there 0.5, here 0.6"),
        ({"metric": "f1"}, "metric: there 'value', here 'f1'"),
    ):
        with pytest.raises(UserError, match=words):
            tune(numbers, "fgm", **{"epochs": 2, "data": "first"} | small | change)
    with pytest.raises(UserError, match=r"data\.loop: there 'test_tune\.numbers|data\.loop: there '.*numbers', here"):
        tune(train, "fgm", epochs=2, data="first", **small)

    def changed(run):
        return numbers(run)

    changed.__module__, changed.__qualname__ = numbers.__module__, numbers.__qualname__
    tune(changed, "fgm", epochs=2, data="first", **small)
    assert "has changed since the study began" in capsys.readouterr().out


BAD = [
    ({"train": 3}, "train is 3: a function that takes a run is needed"),
    ({"train": lambda: 1}, "train must take one argument, the run"),
    ({"epochs": 0}, "epochs is 0"),
    ({"direction": "up"}, "direction='up': choose maximize or minimize"),
    ({"method": "fgmm"}, "unknown method 'fgmm'; did you mean 'fgm'?"),
    ({"batch_size": 3}, "there is no argument 'batch_size'"),
    ({"trails": 3}, "there is no argument 'trails'; did you mean 'trials'?"),
    ({"tune": "learning_rate"}, "tune='learning_rate': give its default value"),
    ({"tune": "rate", "recipe": {"rate": 1.0}}, "tune='rate': give its default value"),
    ({"recipe": {"epsilon": 1}}, "recipe: 'epsilon' is taken"),
    (
        {"recipe": {"a": "b"}, "space": {"a": (1, 2)}},
        "a is 'b' in recipe, and only numbers have ranges",
    ),
    ({"recipe": {"a": 1}, "space": {"a": (1.5, 2)}}, "is not a range"),
    ({"space": {"rate": (1, 2)}}, "fgm has no setting 'rate'"),
    ({"method": "all"}, "method='all': tune takes one method"),
    ({"method": ["fgm", "awp"]}, "method=['fgm', 'awp']: tune takes one method"),
    ({"from_study": "old"}, "from_study='old': there is no such study in the database"),
    ({"out": "/dev/null"}, "out='/dev/null' cannot be written"),
]


@pytest.mark.parametrize(("given", "words"), BAD, ids=[words for _, words in BAD])
def test_a_bad_argument_is_named(given, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        tune(**{"train": numbers, "method": "fgm", "epochs": 2, "progress": False} | given)
    assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


RETURNED = [
    (lambda run: "high", "a validation value is 'high': a number is needed"),
    (lambda run: None, "train returned nothing and reported nothing"),
    (lambda run: float("nan"), "clean training gives nan"),
    (lambda run: run.report(0.5, 2), "epoch is 2; this run has the epochs 0 to 1"),
    (lambda run: run.report(0.5, 0.5), "epoch is 0.5: a whole number is needed"),
    (lambda run: run.report("x", 0), "a validation value is 'x'"),
]


@pytest.mark.parametrize(("loop", "words"), RETURNED, ids=[words for _, words in RETURNED])
def test_a_loop_that_gives_no_value_is_told_so(loop, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words):
        tune(loop, "fgm", epochs=2, trials=1, progress=False)
    assert optuna.get_all_study_names("sqlite:///studies.db") == []


def test_a_trial_whose_settings_fail_keeps_its_reason_and_a_fault_of_the_loop_is_raised(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def sometimes(run):
        if run.trial is not None and run.trial.number == 1:
            raise ArithmeticError("too large")
        return 0.5

    found = tune(sometimes, "fgm", epochs=1, trials=3, progress=False)
    assert [trial.state.name for trial in found.study.trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert found.study.trials[1].user_attrs["failure"] == "ArithmeticError: too large"

    def broken(run):
        raise ZeroDivisionError("here")

    with pytest.raises(ZeroDivisionError):
        tune(broken, "fgm", epochs=1, trials=3, progress=False)
