"""Searches of several labels and of classes with an order, end to end."""

import csv
from pathlib import Path

import pytest
import yaml
from helpers.refusals import SMALL, assert_said, refused

import search
from studies.results.export import read_best

LABELS = ("good | long", "bad|long", "bad", "")
WORDS = ("bad", "so so", "good")
SEVERAL = ("--label-column", "tags", "--label-separator", "|", "--thresholds", "tuned")
ORDER = ("--label-column", "word", "--label-order", "bad,so so,good", "--ordinal-as", "number")


@pytest.fixture(autouse=True)
def _file():
    lines = [f"film {n} is {LABELS[n % 4]},{LABELS[n % 4]},{WORDS[n % 3]}" for n in range(60)]
    Path("films.csv").write_text("\n".join(["text,tags,word", *lines]) + "\n")


def asked(*options):
    return ["--train-file", "films.csv", "--method", "fgm", *SMALL, *options]


def table(path):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_several_labels_are_searched_kept_and_trained_again(capsys):
    assert search.run(asked(*SEVERAL)) == 0
    said = capsys.readouterr().out
    assert "thresholds are tuned on the validation rows, which also score the trials" in said
    assert "f1 of" in said
    best = read_best("runs/films-fgm/best.yaml")
    assert (best.data.label_separator, best.data.thresholds, best.metric) == ("|", "tuned", "macro_f1")
    (path,) = Path("runs/films-fgm").glob("predictions-*.csv")
    assert {row["labels"] for row in table(path)} <= {"good, long", "bad, long", "bad", ""}
    assert {"f1 good", "roc_auc", "lrap"} <= table("runs/films-fgm/trials.csv")[0].keys()
    assert "f1 by label" in Path("runs/films-fgm/report.html").read_text()
    assert search.run(["train", "runs/films-fgm/best.yaml", "--out", "model"]) == 0
    assert "the same" in capsys.readouterr().out
    assert "label_thresholds" in Path("model/config.json").read_text()
    fixed = refused(capsys, *asked(*SEVERAL[:4]))
    assert_said(fixed, "data.thresholds: there 'tuned', here 'fixed'")


def test_classes_with_an_order_are_searched_and_kept(capsys):
    assert search.run(asked(*ORDER)) == 0
    said = capsys.readouterr().out
    assert "bad < so so < good, trained as the number of the class in its order" in said
    data = yaml.safe_load(Path("runs/films-fgm/best.yaml").read_text())["data"]
    assert (data["label_order"], data["ordinal_as"], data["kind"]) == (["bad", "so so", "good"], "number", None)
    assert read_best("runs/films-fgm/best.yaml").data.label_order == ("bad", "so so", "good")
    (path,) = Path("runs/films-fgm").glob("predictions-*.csv")
    assert table(path)[0].keys() == {"row", "text", "label", "predicted", "rank"}
    assert {"qwk", "accuracy", "macro_f1", "mae"} <= table("runs/films-fgm/trials.csv")[0].keys()
    assert_said(refused(capsys, *asked(*ORDER[:4])), "data.ordinal_as: there 'number', here None")
