"""Which models a folder stands for, from its files alone; and everything that is no folder of models, or no one mean."""

import json

import numpy as np
import pytest

from finetune.config import Recipe
from finetune.errors import UserError
from finetune.training.about import Known, read_known, write_known
from finetune.training.keep import put
from finetune.training.members import members_of, together
from finetune.training.saved import chosen_of, in_order


def known(**more):
    values = {"recipe": Recipe(), "task": "films", "fingerprint": "0", "kind": "classification", "names": ("bad", "good")}
    return Known(**values | {"max_length": 8, "side": "right", "inputs": ("input_ids",)} | more)


def made(folder, **more):
    folder.mkdir(parents=True)
    write_known(known(**more), folder)
    return folder


def folds(folder, count=2, seeds=1, **more):
    for fold in range(count):
        for seed in range(seeds):
            name = f"fold-{fold}" + (f"-seed-{seed}" if seed else "")
            made(folder / name, fold=fold, seed=seed, folds=count, seeds=seeds, **more)
    return folder


def ensemble(folder, members, **more):
    folder.mkdir(exist_ok=True)
    facts = {"format": "advsearch ensemble 1", "members": members, "chosen": None} | more
    (folder / "ensemble.json").write_text(json.dumps(facts))
    return folder


def weights_of(members):
    return {one.folder.name: round(one.weight, 6) for one in members.models}


def test_a_model_the_mean_of_runs_and_weighted_members(tmp_path):
    assert weights_of(members_of(made(tmp_path / "one"))) == {"one": 1}
    assert weights_of(members_of(folds(tmp_path / "both", 2, 2))) == {
        "fold-0": 0.25,
        "fold-0-seed-1": 0.25,
        "fold-1": 0.25,
        "fold-1-seed-1": 0.25,
    }
    folds(tmp_path / "all" / "a")
    made(tmp_path / "all" / "b")
    asked = [{"folder": "a", "weight": 3, "study": "x", "trial": 1}, {"folder": "b", "weight": 1}]
    assert weights_of(members_of(ensemble(tmp_path / "all", asked))) == {"fold-0": 0.375, "fold-1": 0.375, "b": 0.25}
    (tmp_path / "both" / "notes").mkdir()  # what is not a run does not count
    several = together([tmp_path / "one", tmp_path / "both"])
    assert weights_of(several)["one"] == 0.5
    assert sum(one.weight for one in several.models) == pytest.approx(1)


def test_thresholds_are_those_of_the_mean_or_the_mean_of_the_models(tmp_path):
    several = {"kind": "multilabel", "form": "tuned", "names": ("x", "y")}
    made(tmp_path / "f" / "fold-0", fold=0, folds=2, settled=(1, -2), **several)
    made(tmp_path / "f" / "fold-1", fold=1, folds=2, settled=(4, 0), **several | {"names": ("y", "x")})
    chosen, line = chosen_of(members_of(tmp_path / "f"))
    assert chosen.tolist() == [0.5, 1]  # x: 1 and 0, y: -2 and 4
    assert line.startswith("thresholds are the mean of those that the models settled")
    (tmp_path / "f" / "mean.json").write_text(json.dumps({"format": "advsearch mean 1", "chosen": [7, 8]}))
    chosen, line = chosen_of(members_of(tmp_path / "f"))
    assert (chosen.tolist(), line) == ([7, 8], "")
    assert chosen_of(members_of(made(tmp_path / "plain"))) == (None, "")


def test_a_model_that_is_moved_in_part_is_none(tmp_path):
    whole = made(tmp_path / "whole")
    (whole / "model.safetensors").write_bytes(b"new")
    out = made(tmp_path / "out")
    (out / "model.safetensors").mkdir()  # it cannot be replaced
    with pytest.raises(OSError, match=r"model\.safetensors"):
        put(whole, out)
    assert not (out / "advsearch.json").exists()


def test_outputs_are_put_into_the_order_of_the_first_model_s_names():
    first, other = known(names=("a", "b", "c")), known(names=("b", "c", "a"))
    assert in_order(np.array([[2.0, 3.0, 1.0]]), other, first).tolist() == [[1, 2, 3]]
    assert in_order(np.array([[1.0, 2.0, 3.0]]), first, first).tolist() == [[1, 2, 3]]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


ASKED = [{"folder": "a", "weight": 1}]
# What is made in the folder f, and what the message says.
WRONG = {
    "no folder": (lambda f: None, "there is no such folder; name a saved model, a folder of folds, or an ensemble"),
    "a model of the hub": (lambda f: write(f / "config.json", "{}"), "train it again with search.py train"),
    "models of other names": (
        lambda f: (made(f / "b"), made(f / "a")),
        "holds models under other names: name them one by one (a, b)",
    ),
    "a file": (lambda f: write(f, "model"), "there is no such folder"),
    "no JSON": (lambda f: write(f / "advsearch.json", "{'format': 1"), "advsearch.json cannot be read"),
    "a list": (lambda f: write(f / "advsearch.json", "[1]"), "its format is 'None', this version reads 1"),
    "a later one": (lambda f: write(f / "advsearch.json", '{"format": 2}'), "its format is '2', this version reads 1"),
    "without a kind": (lambda f: write(f / "advsearch.json", '{"format": 1}'), "advsearch.json: recipe is damaged"),
    "nested": (lambda f: write(f / "advsearch.json", "[" * 100_000), "advsearch.json cannot be read"),
    "half saved": (lambda f: (folds(f), (f / "fold-1" / "advsearch.json").unlink()), "fold-1 has no advsearch.json"),
    "a fold too few": (lambda f: made(f / "fold-0", fold=0, folds=3), "fold-1, fold-2 of 3 runs are missing"),
    "a seed too few": (
        lambda f: made(f / "fold-0", fold=0, seed=0, folds=1, seeds=2),
        "fold-0-seed-1 of 2 runs is missing",
    ),
    "a later seed that was not finished": (
        lambda f: (folds(f), made(f / "fold-0-seed-1", fold=0, seed=1, folds=2, seeds=2)),
        "fold-1-seed-1 of 4 runs is missing",
    ),
    "other kinds": (
        lambda f: (made(f / "fold-0"), made(f / "fold-1", kind="regression")),
        "classification and regression are different kinds of task",
    ),
    "other classes": (
        lambda f: (made(f / "fold-0"), made(f / "fold-1", names=("bad", "ok"))),
        "only the first has 'good' and only the second has 'ok'",
    ),
    "another order": (
        lambda f: (made(f / "fold-0", kind="ordinal"), made(f / "fold-1", kind="ordinal", names=("good", "bad"))),
        "their classes are in another order",
    ),
    "pairs": (lambda f: (made(f / "fold-0"), made(f / "fold-1", pairs=True)), "one reads single texts, the other pairs"),
    "a way out": (lambda f: ensemble(f, [{"folder": "../x", "weight": 1}]), "'../x' is not the name of a folder beside it"),
    "up": (lambda f: ensemble(f, [{"folder": "..", "weight": 1}]), "'..' is not the name of a folder beside it"),
    "absolute": (lambda f: ensemble(f, [{"folder": "/etc", "weight": 1}]), "'/etc' is not the name of a folder beside"),
    "no weight": (lambda f: ensemble(f, [{"folder": "a"}]), "the weight of a is None, not a number above 0"),
    "below": (lambda f: ensemble(f, [{"folder": "a", "weight": -1}]), "the weight of a is -1, not a number above 0"),
    "not a number": (lambda f: ensemble(f, [{"folder": "a", "weight": float("nan")}]), "the weight of a is nan"),
    "yes": (lambda f: ensemble(f, [{"folder": "a", "weight": True}]), "the weight of a is True"),
    "no members": (lambda f: ensemble(f, []), "members is not a list of models"),
    "names": (lambda f: ensemble(f, ["a"]), "members is not a list of models"),
    "absent": (lambda f: ensemble(f, ASKED), "a: there is no such folder"),
    "inside": (lambda f: (ensemble(f, ASKED), ensemble(f / "a", ASKED)), "a is an ensemble itself"),
    "itself": (lambda f: ensemble(f, ASKED, format="advsearch ensemble 2"), "its format is 'advsearch ensemble 2'"),
    "thresholds": (lambda f: (made(f / "a"), ensemble(f, ASKED, chosen=["x"])), "chosen is not a list of numbers"),
    "too many": (lambda f: (made(f / "a"), ensemble(f, ASKED, chosen=[1, 2, 3])), "3 thresholds for 2 labels"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_folder_of_models_is_said_in_one_line(tmp_path, name):
    make, what = WRONG[name]
    make(tmp_path / "f")
    with pytest.raises(UserError, match="f") as refused:
        members_of(tmp_path / "f")
    assert what in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_named_twice_is_refused(tmp_path):
    made(tmp_path / "one")
    with pytest.raises(UserError, match="is named twice"):
        together([tmp_path / "one", tmp_path / "x" / ".." / "one"])


def test_what_a_model_knows_comes_back_as_it_was(tmp_path):
    names = ('a, "b"', "two\nlines", "\U0001f600", "  ")
    one = known(names=names, settled=tuple(np.float64([0.1, 1 / 3, 2, -5e-324])), settings={"adv_lr": 0.1 + 0.2})
    write_known(one, tmp_path)
    assert read_known(tmp_path) == one
