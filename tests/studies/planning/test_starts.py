"""Starting points: what files may hold, which methods they concern, and the trials that come of them."""

import json
from pathlib import Path

import optuna
import pytest
import yaml
from helpers.places import ROOT
from helpers.plans import plan_of
from helpers.refusals import assert_said, refused, rows

import search
from adv import METHODS
from finetune.arguments import as_options
from finetune.errors import UserError
from spaces import space_of
from studies.planning.plan import inside
from studies.planning.starts import read_starts, starts_of
from studies.running.sampling import design_point

SHIPPED = sorted((ROOT / "starts").glob("*.yaml"))
SMALL = ["--train-file", "rows.csv", "--epochs", "1", "--pruner", "none", "--no-calibrate"]
TWO = "- {epsilon: 0.5}\n- {epsilon: 2, start_epoch: 0}\n"


def plans(*methods, epochs=6, **options):
    return [plan_of(method, epochs=epochs, **options) for method in methods]


def starts(path, *methods, **options):
    return starts_of(plans(*methods, **options), read_starts([str(path)]))


def trials(name):
    return optuna.load_study(study_name=name, storage="sqlite:///studies.db").get_trials()


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(rows())

    def file(text, name="starts.yaml"):
        Path(name).write_text(text)
        return name

    return file


def test_there_are_starts_for_the_listing_and_for_freelb():
    assert {path.stem for path in SHIPPED} >= {"fgm", "pgd", "awp", "freelb"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
@pytest.mark.parametrize("epochs", [3, 6])
def test_every_shipped_entry_lies_in_its_space(path, epochs):
    for start in read_starts([str(path)]):
        space = space_of(start.method, epochs)
        assert start.method == path.stem
        assert start.settings
        for name, value in start.settings.items():
            assert inside(space[name], value) == value, (start.where, name)
        assert start.settings.get("start_epoch", 0) < epochs - 1
    assert starts(path, path.stem, epochs=epochs).keys() == {path.stem}


@pytest.mark.parametrize(("method", "settings"), [("fgm", {"epsilon"}), ("pgd", {"epsilon", "alpha", "K"})])
def test_the_listing_s_defaults_are_the_methods_own(method, settings):
    start, *_ = read_starts([str(path) for path in SHIPPED if path.stem == method])
    assert start.settings.keys() == settings
    assert all(getattr(METHODS[method](), name) == value for name, value in start.settings.items())


def test_a_mapping_a_list_and_json_are_the_same(write):
    assert starts(write("epsilon: 0.5\n"), "fgm") == {"fgm": [{"epsilon": 0.5, "start_epoch": 0}]}
    listed = starts(write(TWO), "fgm")
    assert listed == {"fgm": [{"epsilon": 0.5, "start_epoch": 0}, {"epsilon": 2.0, "start_epoch": 0}]}
    assert starts(write(json.dumps(yaml.safe_load(TWO), indent="\t"), "starts.json"), "fgm") == listed
    assert starts(write("epsilon: 5e-1\n"), "fgm")["fgm"][0]["epsilon"] == 0.5


def test_what_is_trial_0_or_there_already_is_not_run_again(write):
    assert starts(write("- epsilon: 1\n- epsilon: 0.5\n- {start_epoch: 0, epsilon: 0.5}\n"), "fgm")["fgm"] == [
        {"epsilon": 0.5, "start_epoch": 0}
    ]


def test_entries_concern_the_method_they_name_or_all_that_know_their_settings(write):
    name = write("- {method: fgm, epsilon: 0.5}\n- {epsilon: 0.7}\n- {alpha: 0.4}\n- {method: awp, adv_lr: 0.1}\n")
    found = starts(name, "fgm", "pgd", "awp")
    assert [start["epsilon"] for start in found["fgm"]] == [0.5, 0.7]
    assert [(start["epsilon"], start["alpha"]) for start in found["pgd"]] == [(0.7, 0.3), (1.0, 0.4)]
    # AWP knows epsilon and alpha too, but does not search them.
    assert [start["adv_lr"] for start in starts(write("- {method: awp, adv_lr: 0.1}\n"), "fgm", "awp")["awp"]] == [0.1]


def test_fixed_and_tuned_settings(write):
    name = write("{K: 3, alpha: 0.4, combine: mean}\n")
    (start,) = starts(name, "pgd", sets=["K=3"])["pgd"]
    assert "K" not in start
    assert "combine" not in start
    (start,) = starts(write("{epsilon: 0.5, learning_rate: 5e-3}\n"), "fgm", tune=["learning_rate"])["fgm"]
    assert start == {"epsilon": 0.5, "learning_rate": 5e-3, "start_epoch": 0}


BAD = [
    ("epsilonn: 1\n", {}, ["starts.yaml: entry 1", "fgm has no setting 'epsilonn'", "did you mean 'epsilon'?"]),
    ("- epsilon: 1\n- epsilon: -1\n", {}, ["entry 2", "epsilon must be a finite number >= 0", "-1"]),
    ("epsilon: high\n", {}, ["epsilon must be a finite number", "'high'"]),
    ("epsilon: [1]\n", {}, ["epsilon must be a finite number"]),
    ("epsilon: 9\n", {}, ["epsilon 9 is outside the searched 0.05:5:log", "--range epsilon=0.05:9:log"]),
    ("epsilon: 0\n", {}, ["epsilon 0 is outside", "--range epsilon=0:5"]),
    ("start_epoch: 5\n", {}, ["start_epoch 5 is outside the searched 0:4", "--epochs"]),
    ("combine: sum\n", {}, ["combine is not searched and is 'mean', not 'sum'", "--set combine=sum"]),
    ("epsilon: 0.5\n", {"sets": ["epsilon=0.4"]}, ["epsilon is 0.4 by --set or --space, not 0.5"]),
    ("learning_rate: 1\n", {}, ["learning_rate belongs to the recipe", "--tune learning_rate"]),
    ("learning_rate: -1\n", {"tune": ["learning_rate"]}, ["learning_rate is -1"]),
    ("batch_size: 10\n", {"tune": ["batch_size"]}, ["batch_size 10 is not searched; the choices are 8, 16, 32, 64"]),
    ("- {method: fgmm, epsilon: 1}\n", {}, ["unknown method 'fgmm'", "did you mean 'fgm'?"]),
    ("- {method: pgd, epsilon: 1}\n", {}, ["no entry is for fgm", "the first is for pgd"]),
    ("", {}, ["entry 1 is not a mapping"]),
    ("[]\n", {}, ["has no entries"]),
    ("- 3\n", {}, ["entry 1 is not a mapping"]),
    ("epsilon: [\n", {}, ["cannot be read"]),
    ("{method: fgm, settings: 3}\n", {}, ["settings is not a mapping"]),
]


@pytest.mark.parametrize(("text", "options", "words"), BAD, ids=[text.strip() or "empty" for text, *_ in BAD])
def test_a_bad_entry_is_named_with_its_setting(text, options, words, write):
    with pytest.raises(UserError) as caught:
        starts(write(text), "fgm", **options)
    said = as_options(caught.value.text)
    assert said.startswith("--start starts.yaml")
    assert_said(said, *words)


def test_an_entry_that_no_method_knows_is_refused(write):
    with pytest.raises(UserError, match="none of fgm, awp searches all of adv_lr, K_"):
        starts(write("{adv_lr: 1, K_: 3}\n"), "fgm", "awp")


def test_refused_before_anything_is_written(write, capsys, tmp_path):
    small = ["--method", "fgm", "--trials", "2", *SMALL]
    assert_said(refused(capsys, *small, "--start", write("epsilon: 9\n")), "--start starts.yaml: entry 1", "epsilon 9")
    assert_said(refused(capsys, *small, "--start", "none.yaml"), "--start none.yaml cannot be read")
    assert_said(refused(capsys, *small, "--start", str(tmp_path)), "cannot be read")
    said = refused(capsys, *small, "--start", write(TWO), "--explore", "2")
    assert_said(said, "--explore is 2", "trial 0 and the 2 of --start", "3 or more")


def test_a_search_tries_them_first_and_remembers_them(write, capsys):
    command = ["--method", "fgm", *SMALL]
    assert search.run([*command, "--trials", "2", "--start", write(TWO)]) == 0
    assert "trials 1 to 2 the settings of --start; --trials 2 ends before the last 1 of them" in capsys.readouterr().out
    assert search.run([*command, "--trials", "5", "--sampler", "tpe"]) == 0  # taken from the study
    assert search.run([*command, "--trials", "6", "--start", write(TWO)]) == 0  # the same ones
    found = trials("rows-fgm")
    assert [trial.params["epsilon"] for trial in found[:3]] == [1.0, 0.5, 2.0]
    about = optuna.load_study(study_name="rows-fgm", storage="sqlite:///studies.db").user_attrs["identity"]["search"]
    assert about["starts"] == [{"epsilon": 0.5, "start_epoch": 0}, {"epsilon": 2.0, "start_epoch": 0}]
    assert about["explore"] == 3
    said = refused(capsys, *command, "--trials", "7", "--start", write("epsilon: 0.6\n"))
    assert_said(said, "search.starts.1: there 'epsilon=0.5 start_epoch=0', here 'epsilon=0.6 start_epoch=0'")
    assert len(trials("rows-fgm")) == 6


def test_the_design_follows_after_them(write):
    command = ["--method", "fgm", *SMALL, "--trials", "5", "--explore", "5", "--start", write(TWO)]
    assert search.run(command) == 0
    found = [trial.params for trial in trials("rows-fgm")]
    assert found[3:] == [design_point(space_of("fgm", 1), 0, index) for index in range(2)]


def test_the_best_of_a_study_starts_another(write):
    assert search.run(["--method", "fgm", *SMALL, "--trials", "2", "--set", "start_epoch=0"]) == 0
    best = yaml.safe_load(Path("runs/rows-fgm/best.yaml").read_text())["settings"]
    assert search.run(["export", "--format", "json", "--output", "best.json"]) == 0
    for number, file in enumerate(("runs/rows-fgm/best.yaml", "best.json")):
        ranged = ["--range", "epsilon=0.01:10:log"]
        assert (
            search.run(["--method", "fgm", *SMALL, "--trials", "2", "--start", file, "--study", f"n{number}", *ranged]) == 0
        )
        values = [trial.params["epsilon"] for trial in trials(f"n{number}")]
        assert best["epsilon"] in values
