"""best.yaml trained again: all that differs is named before training, and another seed has clean training beside it."""

import re
from pathlib import Path

import pytest
import yaml
from helpers.refusals import SMALL, assert_said, refused, rows
from helpers.searched_folders import searched_in

import search

BEST = Path("runs/rows-fgm/best.yaml")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The folder of a finished search."""
    return searched_in(tmp_path_factory, "--method", "fgm", "--train-file", "rows.csv", *SMALL)


@pytest.fixture
def here(found, monkeypatch):
    monkeypatch.chdir(found)
    kept = {path: path.read_text() for path in (BEST, Path("rows.csv"))}
    yield
    for path, text in kept.items():
        path.write_text(text)


def edit(**changes):
    """Change the file above what it records; ``recorded__x`` changes that."""
    content = yaml.safe_load(BEST.read_text())
    for name, value in changes.items():
        *sections, last = name.split("__")
        place = content
        for section in sections:
            place = place[section]
        place[last] = value
    BEST.write_text(yaml.safe_dump(content))


def trained(capsys, *arguments):
    capsys.readouterr()
    assert search.run(["train", str(BEST), *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def line_with(lines, start):
    [line] = [line for line in lines if line.startswith(start)]
    return line


def test_nothing_differs_and_clean_training_is_known(here, capsys):
    lines = trained(capsys)
    assert [line for line in lines if line.startswith("not as recorded")] == []
    assert line_with(lines, "accuracy").endswith(": the same")
    assert "(recorded)" in line_with(lines, "seed 0: fgm")
    assert [line for line in lines if line.startswith("clean, epoch")] == []


def test_everything_that_differs_is_named_before_training(here, capsys):
    Path("rows.csv").write_text(rows(42))
    edit(recipe__epochs=2, recipe__batch_size=8, settings__epsilon=0.123, recorded__versions__torch="1.2.3")
    lines = trained(capsys)
    told = line_with(lines, "not as recorded: ")
    words = (
        "epochs 1 then, 2 now",
        "batch_size 16 then, 8 now",
        "then, 0.123 now",
        "the data has changed",
        "torch 1.2.3 then",
    )
    assert_said(told, *words, "train and")
    assert lines.index(told) < lines.index(line_with(lines, "fgm, epoch 1"))
    verdict = line_with(lines, "accuracy")
    assert "NOT the same" not in verdict or all(word in verdict for word in words)
    assert "recorded, before the differences" in line_with(lines, "seed 0: fgm")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recipe__learning_rate": 0.001}, "learning_rate 0.004 then, 0.001 now"),
        ({"recipe__threads": 2}, "threads 1 then, 2 now"),
        ({"data__max_train_rows": 20}, "max_train_rows 40 then, 20 now"),
        ({"recorded__model_fingerprint": "0" * 16}, "the pretrained model has changed"),
        ({"recorded__data_fingerprint": "0" * 16}, "the data has changed (28 train and 6 validation rows now)"),
        ({"recorded__device": "cuda"}, "device cuda then, cpu now"),
        ({"recorded__versions__optuna": "1.0"}, "optuna 1.0 then"),
        ({"recorded__searched__method": "pgd"}, "method pgd then, fgm now"),
        ({"recipe__seed": 3}, "seed 0 then, 3 now"),
    ],
    ids=str,
)
def test_each_kind_of_difference_has_its_name(change, words, here, capsys):
    edit(**change)
    assert words in line_with(trained(capsys), "not as recorded: ")


def test_an_equal_value_says_what_differs_all_the_same(here, capsys):
    edit(recorded__versions__torch="1.2.3")
    assert re.search(
        r": the same, although not all is as it was \(torch 1\.2\.3 then", line_with(trained(capsys), "accuracy")
    )


def test_a_value_that_differs_beyond_the_digits_is_equal_at_them(here, capsys):
    value = yaml.safe_load(BEST.read_text())["recorded"]["value"]
    edit(recorded__value=value + 1e-9)
    assert "equal at these digits, 1e-09 apart" in line_with(trained(capsys), "accuracy")


def test_another_seed_trains_clean_beside_it(here, capsys):
    lines = trained(capsys, "--seed", "4")
    assert "seed 0 then, 4 now" in line_with(lines, "not as recorded: ")
    clean = float(line_with(lines, "clean, epoch 1").split()[4].rstrip(","))
    found = float(line_with(lines, "fgm, epoch 1").split()[4].rstrip(","))
    last = line_with(lines, "seed 4: fgm")
    assert last.startswith(f"seed 4: fgm {found:.4f}, clean {clean:.4f} (trained now): ")
    sign = "+" if found > clean else ""
    word = "better" if found > clean else "worse" if found < clean else "equal"
    assert f"{sign}{found - clean + 0.0:.4f} ({word})" in last
    assert last.endswith("one seed is no proof")


def test_a_file_from_before_is_read_and_its_edits_are_not_seen(here, capsys):
    content = yaml.safe_load(BEST.read_text())
    del content["recorded"]["searched"], content["recorded"]["device"]
    BEST.write_text(yaml.safe_dump(content))
    assert line_with(trained(capsys), "accuracy").endswith(": the same")


@pytest.mark.parametrize(
    "broken", [3, {"method": "fgm"}, {"method": "fgm", "settings": {}, "data": {}, "recipe": {"epochs": 0}}]
)
def test_a_broken_record_is_named(broken, here, capsys):
    edit(recorded__searched=broken)
    assert_said(refused(capsys, "train", str(BEST)), "recorded: searched")
