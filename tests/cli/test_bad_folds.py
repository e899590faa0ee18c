"""Folds that cannot be made: the command says which option is wrong, and leaves nothing behind."""

from pathlib import Path

import pytest
from helpers.refusals import assert_said, refused

HEADER = "text,label,author,part,id\n"
ROWS = "".join(f"film number {n},{'good' if n % 2 else 'bad'},{'wxyz'[n % 4]},{n % 3}.0,{n}\n" for n in range(40))
REFUSED = {
    "misspelt": (["--folds", "3", "--group-column", "Author"], ["--group-column Author", "did you mean 'author'?"]),
    "too many for the groups": (["--folds", "4", "--group-column", "author"], ["4 groups", "5 are needed", "--test-file"]),
    "too many for the rows": (["--folds", "41"], ["--folds 41", "only 34 rows"]),
    "other than the column": (
        ["--folds", "5", "--fold-column", "part"],
        ["--folds 5", "--fold-column part has 3 folds: 0, 1, 2"],
    ),
    "ids": (["--fold-column", "id"], ["40 values in 40 rows", "--group-column id and --folds 5"]),
    "the label": (["--folds", "3", "--group-column", "label"], ["--group-column label is already the --label-column"]),
    "fewer validation rows": (
        ["--folds", "3", "--max-validation-rows", "9"],
        ["--max-validation-rows 9", "--max-train-rows"],
    ),
    "a score of no folds": (["--fold-score", "mean"], ["--fold-score mean", "--folds or --fold-column"]),
}


@pytest.mark.parametrize(("options", "words"), REFUSED.values(), ids=REFUSED)
def test_folds_that_cannot_be_made_are_refused(options, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("films.csv").write_text(HEADER + ROWS)
    assert_said(refused(capsys, "--train-file", "films.csv", *options), *words)
