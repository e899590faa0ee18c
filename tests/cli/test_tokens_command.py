"""A search on words with tags, from a folder of CoNLL files to a saved model, as people type it."""

import csv
from pathlib import Path

import pytest
import transformers
from helpers.refusals import assert_said, refused
from helpers.tagged_sentences import conll, sentences

import search
from studies import load

FOLDER = ["--data", "names", "--method", "smart", "--trials", "2"]
SMALL = [*FOLDER, "--epochs", "1", "--learning-rate", "0.02", "--max-length", "9"]


def write(folder="names"):
    Path(folder).mkdir()
    for seed, name in enumerate(("train", "dev", "test")):
        Path(folder, f"{name}.bio").write_text(conll(sentences(32, seed)))


def test_sentences_are_searched_and_the_best_is_trained_again(capsys):
    write()
    assert search.run(SMALL) == 0
    said = capsys.readouterr().out
    assert_said(said, "train.bio, dev.bio and test.bio are read as words with tags", "entities in train (IOB2)")
    assert_said(said, "32 train and 32 validation rows", "every word counts once", "metric entity_f1", "entity_f1 of")
    assert_said(said, "person", "place", "constant guess  0.0000")
    (table,) = Path("runs/names-smart").glob("predictions-*.csv")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(len(row["text"].split()) == len(row["tags"].split()) == len(row["predicted"].split()) for row in rows)
    result = load("sqlite:///studies.db", "names-smart")
    assert 0 < result.study.best_value <= 1
    assert search.run(["train", "runs/names-smart/best.yaml", "--out", "kept"]) == 0
    assert "the same" in capsys.readouterr().out
    model = transformers.AutoModelForTokenClassification.from_pretrained("kept")
    assert model.config.label2id == {"O": 0, "B-person": 1, "I-person": 2, "B-place": 3, "I-place": 4}
    page = Path("runs/names-smart/report.html").read_text()
    assert "entity_f1" in page


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--metric", "accuracy"), ["--metric accuracy is not for tokens", "token_accuracy"]),
        (("--kind", "classification"), ["--kind classification: .bio files are read as words", "--kind tokens"]),
        (("--pair-column", "b"), ["--pair-column b: tokens has no second text"]),
        (("--label-column", "3"), ["--label-column 3", "columns have numbers from 1 to 2"]),
        (("--delimiter", ";"), ["has one column", "--delimiter"]),
        (("--pooling", "mean"), ["--pooling mean", "tokens"]),
        (("--label-separator", ","), ["--label-separator , is for --kind multilabel"]),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(more, words, capsys):
    write()
    assert_said(refused(capsys, *SMALL, *more), *words)
