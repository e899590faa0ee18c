"""Arguments of folds and seeds: what excludes what, and files that have them."""

import pytest

import studies
from finetune.arguments import as_options
from finetune.errors import UserError
from finetune.folds import Folds
from studies.planning.request import request_of
from studies.running.command import command_of

USED = [{"folds": 3}, {"fold_column": "part"}, {"group_column": "who"}, {"seeds": 2}, {"folds": 2, "fold_score": "mean"}]


@pytest.mark.parametrize("given", USED, ids=str)
def test_whatever_is_not_the_default_is_used(given):
    assert Folds(**given).used
    assert Folds(**given).folded == bool({"folds", "fold_column"} & given.keys())


def test_a_plain_search_has_no_folds():
    assert not Folds().used
    assert not Folds(folds=None, fold_score="pooled", seeds=1).used
    assert request_of({}).folds == Folds()


COLUMNS = "the built-in task reviews has no further columns"
REFUSED = {
    "one fold": ({"folds": 1}, "folds is 1: input should be greater than or equal to 2"),
    "no fold": ({"folds": 0}, "folds is 0: input should be greater"),
    "half a fold": ({"folds": 2.5}, "folds is 2.5: input should be a valid integer"),
    "a word": ({"folds": "five"}, "folds is 'five': input should be a valid integer"),
    "no seed": ({"seeds": 0}, "seeds is 0: input should be greater"),
    "too many seeds": ({"seeds": 101}, "seeds is 101: input should be less"),
    "empty column": ({"group_column": ""}, "group_column is empty"),
    "another score": (
        {"folds": 3, "fold_score": "pool"},
        "fold_score is 'pool': input should be 'pooled' or 'mean'; did you mean 'pooled'?",
    ),
    "score without folds": (
        {"fold_score": "mean"},
        "fold_score='mean' only has an effect with folds or fold_column",
    ),
    "score with seeds alone": ({"fold_score": "mean", "seeds": 3}, "fold_score='mean' only has an effect with folds"),
    "part of the validation rows": (
        {"folds": 3, "max_validation_rows": 50},
        "max_validation_rows=50 does nothing with folds: every row is validated",
    ),
    "groups of the built-in task": ({"folds": 3, "group_column": "author"}, f"group_column='author': {COLUMNS}"),
    "folds of the built-in task": ({"fold_column": "fold"}, f"fold_column='fold': {COLUMNS}"),
    "a misspelt argument": (
        {"group_colum": "author"},
        "there is no argument 'group_colum'; did you mean 'group_column'?",
    ),
}


@pytest.mark.parametrize(("given", "words"), REFUSED.values(), ids=REFUSED)
def test_what_would_do_nothing_is_refused(given, words):
    with pytest.raises(UserError) as caught:
        request_of(given)
    assert str(caught.value).startswith(words)


BLOCKS = ["folds: {folds: 4, seeds: 2}", "folds: {n_folds: 4, seeds: 2}"]
FILES = ["folds: 4\nseeds: 2", "n_fold: 4\nseeds: 2", "n_splits: 4\nseeds: 2", *BLOCKS]


@pytest.mark.parametrize("text", FILES)
def test_a_file_has_them_by_name_or_as_a_block(tmp_path, text):
    path = tmp_path / "asked.yaml"
    path.write_text(text)
    assert request_of({"config": str(path)}).folds == Folds(folds=4, seeds=2)
    beside = request_of({"config": str(path), "folds": 5})
    assert beside.folds == Folds(folds=5, seeds=2)
    assert any("folds 4 is now 5" in line for line in beside.notes)


def test_folds_replace_those_of_the_file(tmp_path):
    path = tmp_path / "asked.yaml"
    path.write_text("train_file: null\nfolds: {fold_column: part, group_column: who, seeds: 2}\ndata: some/set\n")
    asked = request_of({"config": str(path), "folds": 5})
    assert asked.folds == Folds(folds=5, group_column="who", seeds=2)
    assert f"config={str(path)!r}: fold_column part left out, because folds is 5" in asked.notes
    path.write_text("folds: 4\ndata: some/set\n")
    assert request_of({"config": str(path), "fold_column": "part"}).folds == Folds(fold_column="part")
    path.write_text("folds: 4\nfold_column: part\ndata: some/set\n")
    assert request_of({"config": str(path)}).folds == Folds(folds=4, fold_column="part")


def test_usual_values_of_a_file_do_not_exclude_others(tmp_path):
    path = tmp_path / "best.yaml"
    path.write_text("folds: {folds: null, fold_column: null, group_column: null, fold_score: pooled, seeds: 3}\n")
    assert request_of({"config": str(path)}).folds == Folds(seeds=3)


def test_the_command_that_goes_on_has_them():
    asked = request_of({"data": "some/set", "folds": 4, "group_column": "the author", "fold_score": "mean", "seeds": 2})
    line = "python search.py --data some/set --folds 4 --group-column 'the author' --fold-score mean --seeds 2"
    assert command_of(asked, as_options) == line


def test_check_looks_at_a_step_of_the_first_fold():
    seen = studies.check("fgm", max_train_rows=40, folds=4, batch_size=64, progress=False)
    assert seen.good
    assert len(seen.seen.bed.micro.batch["labels"]) == 30
