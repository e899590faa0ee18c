"""The code of a card loads the model with plain transformers, and gives its numbers."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.scripts_to_run import best_of_file, data_of, texts, write_csv

from finetune.folds import Folds
from finetune.tasks.task import Rows
from finetune.training.keep import LOG_ODDS
from finetune.training.saved import load_saved
from studies.results.handed.several import train_several
from studies.results.rerun import rerun


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def asked(folders):
    """The logits that the codes of these folders' cards leave, each with its folder as working folder; a fresh process."""
    codes = {name: (Path(name) / "README.md").read_text().split("```python\n")[1].split("```")[0] for name in folders}
    lines = [
        "import json, os, sys",
        "found = []",
        "for name, code in json.loads(sys.stdin.read()).items():",
        "    os.chdir(name)",
        "    here = {}",
        "    exec(code, here)",
        "    found.append([one.tolist() for one in here['logits']])",
        "print(json.dumps(found))",
    ]
    given = json.dumps({str(Path(name).resolve()): code for name, code in codes.items()})
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_code_of_a_card_gives_the_same_numbers_in_a_fresh_process():
    rows, expected = Rows(["a text", "another"], ["its second text", "the other's"], np.zeros(2, int)), []
    for pooling in ("stock", "mean"):
        best = best_of_file(data_of("pairs"), "accuracy", pooling=pooling, max_length=40)
        done = train_several(best, Folds(folds=2), Path(pooling), lambda line: None, lambda who, epoch: None)
        names = done.runs
        models = [load_saved(Path(pooling) / name).predict(rows) for name in names]
        expected += [models, models[1]]
    for found, numbers in zip(asked(["stock", "stock/fold-1", "mean", "mean/fold-1"]), expected, strict=True):
        np.testing.assert_allclose(found, numbers, atol=1e-5)


CODES = {
    "cumulative": {},
    "regression": {},
    "shares": {"loss": "bce"},
    "multilabel": {},
    "tokens": {},
    "number": {"pooling": "attention"},
}


@pytest.mark.parametrize("kind", CODES)
def test_the_code_of_every_card_runs_as_it_stands(kind, monkeypatch):
    data = data_of("regression" if kind == "shares" else kind)
    if kind == "shares":
        columns = {"text": texts(40), "a": [n / 40 for n in range(40)], "b": [1 - n / 50 for n in range(40)]}
        write_csv("numbers.csv", columns)
    best = best_of_file(data, {"tokens": "entity_f1", "multilabel": "log_loss"}.get(kind, "mae"), **CODES[kind])
    found = rerun(best, None, Path("model"), lambda who, epoch: None, lambda line: None)
    assert found.notes == [LOG_ODDS] * (kind == "shares")
    monkeypatch.chdir("model")
    card, here = Path("README.md").read_text(), {}
    exec(card.split("```python\n")[1].split("```")[0], here)
    logits = here["logits"].detach().numpy()
    if kind == "tokens":
        assert logits.shape[0] == 2
    else:
        expected = load_saved(Path()).predict(Rows(["a text", "another"], None, np.zeros(2, int)))
        logits = 1 / (1 + np.exp(-logits)) if kind == "shares" else logits
        np.testing.assert_allclose(logits, expected, atol=1e-4)
    assert ("log-odds" in card) == (kind == "shares")
    assert ("## Classes with an order" in card) == (kind in ("cumulative", "number"))
    assert card.count("```python") == 1
