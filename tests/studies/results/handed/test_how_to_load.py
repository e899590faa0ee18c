"""The code of a card loads the model with plain transformers, and gives its numbers."""

import json
import os
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

import numpy as np
import pytest
from helpers.forks import forked
from helpers.scripts_to_run import best_of_file, data_of, texts, write_csv
from transformers import CONFIG_MAPPING, TOKENIZER_MAPPING
from transformers.models.auto import modeling_auto
from transformers.models.auto.auto_factory import _LazyAutoMapping

from finetune.folds import Folds
from finetune.tasks.task import Rows
from finetune.training.keep import LOG_ODDS
from finetune.training.saved import load_saved
from studies.results.handed.several import train_several
from studies.results.rerun import rerun


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


OURS = ("adv", "finetune", "spaces", "studies", "search")


class OutOfReach(MetaPathFinder):
    """This project is not installed where a card's code runs."""

    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in OURS:
            raise ModuleNotFoundError(name)


def answered(codes):
    """Print the logits that these codes leave, each with its folder as working folder and nothing of this project."""
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]
    sys.meta_path.insert(0, OutOfReach())
    found = []
    for name, code in codes.items():
        os.chdir(name)
        here = {}
        exec(code, here)
        found.append([one.tolist() for one in here["logits"]])
    print(json.dumps(found))


def asked(folders):
    """The logits that the codes of these folders' cards leave, in a process that cannot import this project."""
    codes = {name: (Path(name) / "README.md").read_text().split("```python\n")[1].split("```")[0] for name in folders}
    with forked(answered, {str(Path(name).resolve()): code for name, code in codes.items()}) as (process, lines):
        said = lines.read()
    assert process.exitcode == 0
    return json.loads(said)


def test_transformers_has_no_classes_of_this_project():
    """So what loads where all of it is imported loads elsewhere, too."""
    mappings = [one for one in vars(modeling_auto).values() if isinstance(one, _LazyAutoMapping)]
    assert len(mappings) > 10
    added = [name for one in [*mappings, TOKENIZER_MAPPING, CONFIG_MAPPING] for name in one._extra_content]
    assert added == []


def test_the_code_of_a_card_gives_the_same_numbers_where_this_project_is_not():
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
    assert "model" in here or "model.config" not in card  # names what the code leaves
