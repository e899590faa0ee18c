"""``confirm(..., against=...)``: clean training with the winner's compute, and clean training that is tuned as long."""

import os
import re
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from helpers.forks import forked
from helpers.refusals import refused, rows
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from rich.console import Console

import search as command
from adv import METHODS
from finetune.arguments import as_arguments
from finetune.errors import UserError
from studies import confirm, load, search, tune
from studies.commands.confirm import print_confirmation
from studies.rivals import Rivals
from studies.running.objective import Objective
from studies.running.stage_runs import Runs
from studies.running.stages import Arm, find_stage
from studies.running.storage import open_storage

STORAGE = "sqlite:///studies.db"
BOTH = ("tuned", "compute")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def names():
    return sorted(optuna.get_all_study_names(open_storage(STORAGE)))


def trials(name):
    return optuna.load_study(study_name=name, storage=open_storage(STORAGE)).trials


class Loop:
    """A loop whose value is known: each epoch adds ``longer``, the attack 0.1, a rate near 0.01 adds ``rate``."""

    def __init__(self, longer=0.0, rate=0.0):
        self.longer, self.rate, self.ran = longer, rate, []

    def __call__(self, run):
        self.ran.append((type(run.method).__name__, run.epochs, run.seed))
        value = 0.3 + 0.01 * (run.seed % 7) + self.longer * run.epochs + 0.1 * (type(run.method).__name__ == "FGM")
        value += self.rate * (run.recipe.get("rate", 0.0) > 0.005)
        for epoch in range(run.epochs):
            run.report(value, epoch)


def searched(loop, **options):
    given = {"epochs": 3, "trials": 2, "study": "own", "set": {"start_epoch": 1}, "progress": False} | options
    return tune(loop, "fgm", **given)


@pytest.mark.parametrize(
    ("method", "settings", "recipe", "epochs", "expected"),
    [
        ("fgm", {}, {}, 6, 12),
        ("fgm", {"start_epoch": 5}, {}, 6, 7),
        ("fgm", {"start_epoch": 4}, {"epochs": 9}, 6, 14),
        ("fgm", {"start_epoch": 2}, {"epochs": 3}, 6, 4),
        ("awp", {"start_epoch": 2}, {}, 6, 10),
        ("random_weights", {}, {}, 3, 4),  # 1.33 x 3
        ("random_weights", {}, {}, 4, 6),  # 5.33 is rounded up
        ("neftune", {}, {}, 6, 6),
        ("freeat", {}, {}, 6, 6),
        ("none", {}, {"epochs": 8}, 6, 8),
    ],
)
def test_the_same_compute_in_whole_epochs(method, settings, recipe, epochs, expected):
    about = {"recipe": {"epochs": epochs}, "method": method}
    rivals = Rivals(SimpleNamespace(summary=SimpleNamespace(about=about), storage=None))
    winner = Arm("trial 1", method, settings, recipe)
    assert method in METHODS
    assert rivals.longer(winner) == expected
    assert (rivals.why_not("compute", winner) is None) == (expected > epochs)


def test_own_values_of_a_loop_are_tuned_with_the_searchs_budget(capsys):
    loop = Loop(rate=0.1)
    found = searched(loop, recipe={"rate": 0.001}, space={"rate": (1e-3, 0.1, "log"), "epsilon": (0.1, 1.0)}, trials=3)
    assert found.best.settings["rate"] > 0.005
    given = {"train": loop, "against": "tuned", "race": 2, "seeds": 1, "parts": 0, "progress": False}
    verdict = confirm("own", **given).verdict
    assert (len(trials("own.tuned")), verdict.tuned.arm.method) == (3, "none")
    assert {tuple(trial.params) for trial in trials("own.tuned")} == {("rate",)}
    assert verdict.tuned.arm.recipe["rate"] > 0.005
    assert verdict.clean.mean == pytest.approx(0.2)
    assert verdict.tuned.compared.mean == pytest.approx(0.1)  # the other half of the gain is the rate's
    many = len(loop.ran)
    again = confirm("own", **given).verdict
    assert (len(loop.ran), again.tuned) == (many, verdict.tuned)
    assert command.run(["studies"]) == 0
    table = [line.split()[:3] for line in capsys.readouterr().out.splitlines() if line.strip().startswith("own")]
    assert [row[0] for row in table] == [
        "own",
        "own.against_tuned",
        "own.race",
        "own.tuned",
        "own.tuned.race",
        "own.verdict",
    ]
    assert ["own.tuned", "none", "(tuned)"] in table
    with pytest.raises(UserError, match=r"'own\.tuned' is a part of the confirmation of study 'own'"):
        load(STORAGE, "own.tuned")
    shutil.copytree(".", "copy")
    os.chdir("copy")
    assert command.run(["studies", "delete", "own.tuned", "--yes"]) == 0
    assert (names(), sorted(os.listdir("runs"))) == (["own", "own.race", "own.verdict"], ["artifacts", "own"])
    os.chdir("..")
    assert command.run(["studies", "delete", "own", "--yes"]) == 0
    assert (names(), Path("runs").exists() and os.listdir("runs")) == ([], [])
    assert "own.tuned.race, a part of its confirmation, with 6 runs" in capsys.readouterr().out


def test_a_rival_that_comes_later_is_said_to_and_more_seeds_are_for_all(capsys):
    loop = Loop(longer=0.01)
    searched(loop)
    first = confirm("own", train=loop, against="clean", seeds=1, race=0, parts=0, progress=False).verdict
    assert (first.further, first.seeds) == ([], 1)
    many = len(loop.ran)
    later = confirm("own", train=loop, against=BOTH, seeds=1, race=0, parts=0).verdict
    # One clean epoch, and two attacked ones of two passes each, are 5.
    assert loop.ran[many:] == [("Clean", 5, 2001)]
    assert "not compared with tuned: the search tuned no values of recipe" in capsys.readouterr().out
    assert (later.compute.declared, later.compute.seeds, later.tuned) == (False, 1, None)
    assert later.compute.compared.differences == pytest.approx([0.1 - 0.02])
    more = confirm("own", train=loop, seeds=2, race=0, parts=0, progress=False).verdict
    assert (more.seeds, more.compute.seeds) == (2, 2)


def test_a_rival_whose_search_fails_does_not_keep_the_verdict_from_its_end(capsys, monkeypatch):
    def search(self, name, trials):
        raise UserError("the first 5 trials all failed; the last: out of memory")

    monkeypatch.setattr(Rivals, "_search", search)
    loop = Loop()
    searched(loop, recipe={"rate": 0.001}, space={"rate": (1e-4, 0.1, "log")}, trials=1)
    given = {"train": loop, "seeds": 1, "race": 0, "parts": 0}
    confirm("own", against="tuned", **given)
    assert "not compared with tuned: the first 5 trials all failed; the last: out of memory\n" in capsys.readouterr().out
    many = len(loop.ran)
    verdict = confirm("own", **given).verdict  # what was declared is tried again
    assert "not compared with tuned: the first 5" in capsys.readouterr().out
    assert (verdict.seeds, verdict.tuned, len(loop.ran)) == (1, None, many)


@pytest.mark.parametrize(
    ("about", "winner", "words"),
    [
        ({"method": "fgm", "data": {"loop": "train"}}, Arm("trial 1", "fgm", {}), "the search tuned no values of recipe"),
        ({"method": "none", "data": {"task": "reviews"}}, Arm("trial 1", "none", {}, {"epochs": 7}), "the search itself"),
        ({"method": "none", "data": {"loop": "train"}}, Arm("trial 1", "none", {}, {"rate": 7}), "the search itself"),
        ({"method": "fgm", "data": {"task": "reviews"}}, Arm("trial 1", "fgm", {}), None),
        ({"method": "neftune", "data": {"train_file": "x"}}, Arm("trial 1", "neftune", {}), None),
    ],
)
def test_where_clean_training_cannot_be_tuned_it_is_said_why(about, winner, words):
    about["recipe"] = {"epochs": 6, "learning_rate": 1e-3, "weight_decay": 0.01}
    rivals = Rivals(SimpleNamespace(summary=SimpleNamespace(about=about, space={}), storage=None))
    why = rivals.why_not("tuned", winner)
    assert (why is None) == (words is None)
    assert words is None or words in as_arguments(why)


def test_clean_training_tunes_what_the_search_tuned_too():
    about = {
        "method": "fgm",
        "data": {"task": "reviews"},
        "recipe": {"epochs": 6, "learning_rate": 1e-3, "weight_decay": 0.01},
    }
    about["recipe"]["batch_size"] = 16
    space = {"batch_size": CategoricalDistribution((8, 16)), "epsilon": FloatDistribution(0.1, 1)}
    space["learning_rate"] = FloatDistribution(1e-5, 1e-4)
    tuned = Rivals(SimpleNamespace(summary=SimpleNamespace(about=about, space=space), storage=None)).space()
    assert tuned == {
        "learning_rate": FloatDistribution(1e-5, 1e-4),
        "weight_decay": FloatDistribution(1e-4, 0.3, log=True),
        "epochs": IntDistribution(3, 12),
        "batch_size": CategoricalDistribution((8, 16)),
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("tune",), "did you mean 'tuned'"),
        (("tuned", "computer"), "did you mean 'compute'"),
        (("clean,",), "there is no such database"),
        (("Tuned",), "--against"),
        (("tuned;compute",), "--against"),
        (("",), "--against is (): name one or several of clean, tuned, compute"),
    ],
)
def test_a_rival_that_does_not_exist_is_refused(given, words, capsys):
    assert words in refused(capsys, "confirm", *(part for name in given for part in ("--against", name)))


@pytest.mark.parametrize("given", [(), [], "", 5, None, {"tuned": 1}])
def test_what_is_no_name_of_a_rival_is_refused_in_python(given):
    with pytest.raises(
        UserError, match=r"against is .*(name one or several of clean, tuned, compute|'clean', 'tuned' or 'compu)"
    ):
        confirm("s", against=given)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    (folder / "films.csv").write_text(rows(60))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        search("fgm", train_file="films.csv", trials=2, epochs=1, study="s", calibrate=False, progress=False)
    return folder


def values():
    found = {}
    for name in names():
        for trial in trials(name):
            found[name, trial.number] = trial.params, trial.value, trial.user_attrs.get("test rows 0")
    return found


ONCE = {"seeds": 1, "race": 0, "parts": 0, "against": BOTH, "progress": False}


def test_killed_in_the_search_of_a_rival_and_in_its_runs_every_value_is_the_same(films, tmp_path, monkeypatch, capsys):
    shutil.copytree(films, tmp_path / "whole")
    monkeypatch.chdir(tmp_path / "whole")
    print_confirmation({"seeds": 1, "race": 0, "parts": 0, "against": BOTH}, STORAGE, None, "runs", Console(width=500))
    said = capsys.readouterr().out
    first = "confirmation: at most 3 for the verdict (the winner, clean training and its control on up to 1 seed)"
    assert said.startswith(f"{first}, at most 1 against compute and at most 1 against tuned (2 trials before), about")
    assert "against tuned: clean training gets the search's budget, 2 trials of learning_rate, weight_decay, epochs" in said
    verdict = load(STORAGE, "s").verdict
    assert list(verdict.test.further) == ["compute", "tuned"]
    assert verdict.compute.compared.rows_low is None or verdict.compute.compared.rows_low <= verdict.compute.compared.mean
    undisturbed = values()
    shutil.copytree(films, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    for kind, made in (
        (Objective, lambda self, trial: trial.number == 1),
        (Runs, lambda self, trial: "against" in self.stage.kind),
    ):

        def killed(kind=kind, made=made):
            whole = kind.__call__

            def run(self, trial):
                value = whole(self, trial)
                if made(self, trial):
                    os.kill(os.getpid(), signal.SIGKILL)
                return value

            kind.__call__ = run
            confirm("s", **ONCE)

        with forked(killed) as (process, _):
            pass
        assert process.exitcode == -signal.SIGKILL
    confirm("s", **ONCE)
    assert values() == undisturbed
    for folder in ("runs/s.tuned", "runs/s"):
        best, predicted, *more = sorted(os.listdir(folder))
        assert (best, more) == ("best.yaml", ["report.html", "trials.csv"])
        assert re.fullmatch(r"predictions-\d\.csv", predicted)


def test_several_targets_are_confirmed_by_their_error():
    lines = [f"a film of {n % 7} stars and {n % 5} awards,{n % 7},{n % 5 / 10}" for n in range(40)]
    Path("films.csv").write_text("\n".join(["text,stars,awards", *lines]))
    columns = {"train_file": "films.csv", "label_column": ("stars", "awards")}
    search("fgm", **columns, trials=2, epochs=1, study="two", calibrate=False, progress=False)
    verdict = confirm("two", seeds=2, race=0, parts=0, against="compute", progress=False).verdict
    assert (verdict.metric, verdict.maximize, verdict.seeds) == ("mcrmse", False, 2)
    stages = {kind: find_stage(load(STORAGE, "two").study, kind) for kind in ("verdict", "against_compute")}
    clean, winner = (stages["verdict"].values(arm, 2) for arm in (0, 1))
    assert verdict.clean.differences == pytest.approx([one - other for one, other in zip(clean, winner, strict=True)])
    longer = stages["against_compute"].values(0, 2)
    assert verdict.compute.compared.differences == pytest.approx(
        [one - other for one, other in zip(longer, winner, strict=True)]
    )
    assert verdict.test.further["compute"].rows_low is not None
    assert verdict.clean.rows_low <= verdict.clean.mean <= verdict.clean.rows_high
