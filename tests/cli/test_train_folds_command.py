"""Folds and seeds through the train command and the Python door, and what is refused."""

from pathlib import Path

import pytest
import yaml
from helpers.refusals import assert_said, refused, rows
from helpers.searched_folders import searched_in

import search
import studies
from finetune.errors import UserError
from finetune.folds import Folds
from finetune.training.oof import Oof
from studies.results.export import read_best
from studies.training import folds_for

BEST = "runs/rows-fgm/best.yaml"
SMALL = ("--train-file", "rows.csv", "--trials", "1", "--epochs", "1", "--method", "fgm")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The folder of a search with three folds."""
    return searched_in(tmp_path_factory, *SMALL, "--folds", "3")


@pytest.fixture(autouse=True)
def _here(found, monkeypatch):
    monkeypatch.chdir(found)


def test_a_folded_search_is_reproduced_by_its_own_folds(capsys):
    capsys.readouterr()
    assert search.run(["train", BEST, "--out", "own", "--license", "MIT"]) == 0
    said = capsys.readouterr().out
    value = yaml.safe_load(Path(BEST).read_text())["recorded"]["value"]
    assert f"accuracy {value:.6f}; recorded {value:.6f}: the same" in said
    assert "3 models in own: fold-0, fold-1, fold-2; search.py predict own FILE asks all of them" in said
    assert "not as recorded" not in said
    assert Oof.load(Path("own/oof.safetensors")).value == value
    assert "license: mit" in Path("own/fold-2/README.md").read_text()
    # The door finds them whole, and does not train again.
    again = studies.train(BEST, out="own", progress=False)
    assert (again.value, again.same, len(again.runs)) == (value, True, 3)
    other = studies.train(BEST, folds=2, out="two", progress=False)
    assert not other.same
    assert "records accuracy" in other.sentences[1]
    assert "of 3 folds and 1 seed: not comparable" in other.sentences[1]


REFUSED = [
    ("--folds 1", "--folds is 1"),
    ("--folds 0", "--folds is 0"),
    ("--folds 50", "50", "--folds"),
    ("--folds two", "--folds"),
    ("--seeds 0", "--seeds is 0"),
    ("--seeds 101", "--seeds is 101"),
    ("--fold-column nothere", "--fold-column nothere"),
    ("--fold-score median", "--fold-score is 'median'", "pooled"),
    ("--fold-column label --folds 4", "--fold-column"),
    ("--license my own", "--license"),
    ("--out rows.csv", "--out rows.csv"),
    ("--seed -1", "seed"),
]


@pytest.mark.parametrize(("line", "words"), [(line, words) for line, *words in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_cannot_be_is_refused(line, words, capsys):
    option, _, value = line.partition(" ")
    given = [option, value] if option == "--license" else line.split()
    place = [] if option == "--out" else ["--out", "new"]
    assert_said(refused(capsys, "train", BEST, *place, *given), *words)


def test_what_is_given_beside_the_file_wins():
    best = read_best(BEST)
    assert best.folds == Folds(folds=3)
    assert folds_for(best, {"seeds": 2}) == Folds(folds=3, seeds=2)
    assert folds_for(best, {"fold_column": "fold"}) == Folds(fold_column="fold")
    assert folds_for(best, {"folds": 5, "group_column": "g"}) == Folds(folds=5, group_column="g")
    plain = best.model_copy(update={"folds": None})
    with pytest.raises(UserError, match="fold_score='mean' needs folds or fold_column"):
        folds_for(plain, {"fold_score": "mean"})


def test_a_best_yaml_of_a_loop_of_one_s_own_is_refused(capsys):
    content = yaml.safe_load(Path(BEST).read_text())
    content["recorded"]["loop"] = {"loop": "mine.train"}
    Path("loop.yaml").write_text(yaml.safe_dump(content))
    assert_said(refused(capsys, "train", "loop.yaml", "--folds", "3"), "for your own loop, mine.train")
    with pytest.raises(UserError, match="folds is 1"):
        studies.train(BEST, folds=1)
    with pytest.raises(UserError, match="no such file"):
        studies.train("nothere.yaml", folds=3)


def test_a_single_model_and_folds_do_not_share_a_folder(capsys):
    Path("plain.csv").write_text(rows())
    plain = ["--train-file", "plain.csv", *SMALL[2:]]
    assert search.run(plain) == 0
    best = "runs/plain-fgm/best.yaml"
    assert search.run(["train", best, "--out", "one"]) == 0
    assert "# plain: the built-in encoder (tiny) with fgm" in Path("one/README.md").read_text()
    assert_said(refused(capsys, "train", best, "--folds", "2", "--out", "one"), "--out one holds a single model")
    assert search.run(["train", best, "--seeds", "2", "--out", "seeds"]) == 0
    assert_said(refused(capsys, "train", best, "--out", "seeds"), "models of several folds or seeds")
