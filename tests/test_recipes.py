"""The configurations in recipes/: each runs on a tiny model, and each value has its reason."""

import re

import numpy as np
import pytest
import torch
import yaml
from helpers import competition_loop
from helpers.places import ROOT
from helpers.saved_families import folder_of

import search
import studies
from finetune.data.encode import Encoded, train_batches
from finetune.data.load import load_task
from finetune.models.pretrained import Models
from studies.planning.plain_yaml import Loader
from studies.planning.request import request_of

SHIPPED = sorted((ROOT / "recipes").glob("*.yaml"))
EMOBANK = ROOT / "../shared/data/emobank"
WORDS = "the film was good and bad but a plot that story is very long with some actor".split()
NAMES = ("Anna", "Paris", "Acme")


def sentence(number, length=8):
    return [WORDS[(number * 7 + place * (place + number)) % len(WORDS)] for place in range(3 + number % length)]


def table(path, header, rows):
    path.write_text("\n".join(["\t".join(header), *("\t".join(map(str, row)) for row in rows)]) + "\n")
    return ["--train-file", str(path)]


def pairs(folder):
    rows = [(" ".join(sentence(n)), " ".join(sentence(n + 1)), n % 2) for n in range(40)]
    return table(folder / "train.tsv", ("sentence1", "sentence2", "label"), rows)


def numbers(folder):
    rows = [(" ".join(sentence(n)), len(sentence(n)) / 2, n % 5 + 0.5, (n % 7) / 7) for n in range(44)]
    return [*table(folder / "train.tsv", ("text", "a", "b", "c"), rows), "--label-column", "a,b,c"]


def names(folder):
    tags = {"Anna": "B-PER", "Paris": "B-LOC", "Acme": "B-ORG"}
    rows = [[*sentence(n), NAMES[n % 3], *sentence(n + 2)] for n in range(40)]
    lines = ["\n".join(f"{word} {tags.get(word, 'O')}" for word in row) for row in rows]
    (folder / "train.conll").write_text("\n\n".join(lines) + "\n")
    return ["--train-file", str(folder / "train.conll")]


def labels(folder):
    rows = [(" ".join(sentence(n)), n % 2, int(n % 3 == 0)) for n in range(40)]
    arguments = table(folder / "train.tsv", ("comment_text", "toxic", "insult"), rows)
    return [*arguments, "--text-column", "comment_text", "--label-column", "toxic,insult"]


def classes(folder):
    return table(folder / "train.tsv", ("text", "label"), [(" ".join(sentence(n, 40)), n % 3) for n in range(36)])


# Data for each, and what keeps the run small.
SMALL = {
    "small_pairs": (pairs, ["--epochs", "2"]),
    "competition": (numbers, ["--batch-size", "7", "--epochs", "2"]),
    "ner": (names, []),
    "multilabel": (labels, ["--batch-size", "7"]),
    "long_texts": (classes, ["--max-length", "16", "--batch-size", "7", "--gradient-accumulation", "2"]),
}


def test_there_are_data_for_each():
    assert sorted(SMALL) == [path.stem for path in SHIPPED]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_each_value_has_its_reason(path):
    text = path.read_text("utf-8")
    assert text.startswith("# ")
    assert f"python search.py --config recipes/{path.name}" in text
    covered = False
    for line in filter(None, text.splitlines()):
        name, value = re.match(r"\s*(\w*):?\s*([^#]*)", line).groups()
        if not line.startswith((" ", "#")) and not value.strip():
            covered = "#" in line  # the reason of a block is that of its values
        elif value.strip() and not covered and name != "trials":
            assert "#" in line, f"{line} has no reason"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_each_runs_as_a_newcomer_starts_it(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder, (data, small) = folder_of(tmp_path / "tiny", num_hidden_layers=2), SMALL[path.stem]
    content = yaml.load(path.read_text("utf-8"), Loader)
    arguments = ["--config", str(path), "--model", str(folder), *data(tmp_path), "--trials", "2", "--pruner", "none"]
    assert search.run([*arguments, *small, "--threads", "1"]) == 0
    said = capsys.readouterr().out
    assert "trial 1 the settings of --config" in said.replace("has ", "")
    result = studies.load()
    assert result.metric == content["metric"]
    assert [trial["state"] for _, trial in result.to_frame().iterrows()] == ["complete", "complete"]


# Both sum in float32, in another order.
ROUNDING = 2e-6
# At the recipe's own rates a tiny random model hardly moves, and an error would not show.
STRONG = {"learning_rate": 5e-3, "adv_lr": 0.1, "adv_eps": 0.02}


def essays(split, many):
    numbers = range(len(split) * 9, len(split) * 9 + many)
    return [(" ".join(sentence(n, 20)), len(sentence(n)) / 2, n % 5 + 0.5, (n % 7) / 7) for n in numbers]


def emobank(split, many):
    lines = (EMOBANK / f"{split}.tsv").read_text("utf-8").splitlines()[1 : many + 1]
    return [line.split("\t") for line in lines]


NEEDS = pytest.mark.skipif(not EMOBANK.is_dir(), reason="the public data sets (../shared/data) are not here")


@pytest.mark.parametrize("rows", [essays, pytest.param(emobank, marks=NEEDS)])
def test_the_competition_recipe_does_what_a_loop_by_hand_does(rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    without = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    folder = folder_of(tmp_path / "tiny", "DebertaV2", num_hidden_layers=2, **without)
    for split, many in (("train", 16), ("dev", 10), ("test", 10)):
        table(tmp_path / f"{split}.tsv", ("text", "a", "b", "c"), rows(split, many))
    path = ROOT / "recipes/competition.yaml"
    given = {
        "config": path, "data": tmp_path, "label_column": ("a", "b", "c"), "quoting": "none", "model": folder,
        "batch_size": 4, "threads": 1, "learning_rate": STRONG["learning_rate"],
        "set": {n: STRONG[n] for n in ("adv_lr", "adv_eps")},
    }  # fmt: skip
    result, request = studies.search(trials=1, progress=False, **given), request_of(given)
    task = load_task(request.data)
    models = Models(request.recipe, task)
    lengths = np.array([len(ids) for ids in models.tokenizer(task.train.texts)["input_ids"]])
    encoded = Encoded({}, lengths, torch.zeros(len(lengths)), left=False)
    content = yaml.load(path.read_text("utf-8"), Loader)
    recipe = content["recipe"] | STRONG
    by_hand = competition_loop.run(
        folder,
        models.build(0).head.output,
        (task.train.texts, task.train.labels),
        (task.validation.texts, task.validation.labels),
        [train_batches(encoded, 4, 0, epoch) for epoch in range(recipe["epochs"])],
        recipe,
        content["set"]["start_epoch"],
    )
    values = list(result.to_frame(epochs=True)["mcrmse"].dropna())
    assert len(by_hand) == recipe["epochs"] * recipe["evals_per_epoch"] == len(values)
    assert values == pytest.approx(by_hand, rel=ROUNDING)
    assert result.best.value == pytest.approx(min(by_hand), rel=ROUNDING)
    assert max(by_hand) - min(by_hand) > 1000 * ROUNDING * min(by_hand)
