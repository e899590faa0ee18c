"""A saved folder in a fresh process predicts, bit for bit, what the run was scored by: for every kind of task."""

import json
import shutil

import numpy as np
import pytest
from helpers.fresh_process import run_fresh
from helpers.places import ROOT
from helpers.saved_runs import cases, saved_run
from scipy.special import softmax

from adv import Clean
from finetune.errors import UserError
from finetune.tasks.metrics import evaluate
from finetune.training.about import read_known
from finetune.training.keep import put
from finetune.training.saved import load_saved

# All folders in one process: importing takes seconds.
FRESH = """
import json, sys
import numpy as np
sys.path[:0] = [sys.argv[3]]
from finetune.tasks.metrics import evaluate
from finetune.tasks.task import Rows
from finetune.training.members import members_of
from finetune.training.saved import chosen_of, load_saved, task_of
found = {}
for number, (folder, texts, pairs) in enumerate(json.load(open(sys.argv[1]))):
    saved = load_saved(folder)
    rows = Rows(texts, pairs, saved.kind.blank(saved.known.names, texts), labelled=False)
    chosen = chosen_of(members_of(saved.folder))[0]
    found[f"raw {number}"] = raw = saved.predict(rows)
    output = saved.kind.decided(raw)
    found[f"output {number}"] = output if chosen is None else saved.kind.settled(output, chosen)
np.savez(sys.argv[2], **found)
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Each case with its bench, raw outputs and values here, and outputs in a fresh process."""
    tmp_path = tmp_path_factory.mktemp("saved")
    made = {
        name: (*saved_run(task, tmp_path / name, Clean(), more), tmp_path / name)
        for name, (task, more) in cases(tmp_path).items()
    }
    rows = [(str(folder), *_texts(bench)) for bench, *_, folder in made.values()]
    (tmp_path / "asked.json").write_text(json.dumps(rows))
    run_fresh(FRESH, tmp_path, "asked.json", "found.npz", str(ROOT))
    there = np.load(tmp_path / "found.npz")
    return {name: (*made[name], there[f"raw {n}"], there[f"output {n}"]) for n, name in enumerate(made)}


def _texts(bench):
    rows = bench.task.validation
    return rows.texts, rows.pairs


def test_every_kind_predicts_bit_for_bit_what_it_was_scored_by(runs):
    for name, (bench, raw, values, _, _, there, output) in runs.items():
        assert there.dtype == raw.dtype, name
        assert np.array_equal(there, raw, equal_nan=True), name
        assert len(np.unique(raw[np.isfinite(raw)])) > 10, name
        assert evaluate(bench.task, bench.task.validation.labels, output) == values, name


def test_what_was_saved_in_other_units_is_saved_exactly_too(runs):
    exact = {name: [*read_known(folder).exact] for name, (*_, folder, _, _) in runs.items()}
    head = ["head.output.weight", "head.output.bias"]
    expected = {
        "numbers": head,
        "steps as a number": head,
        "number": ["score.weight", "transformer.ln_f.bias"],
    }
    assert {name: names for name, names in exact.items() if names} == expected
    assert [name for name, (*_, notes, _, _, _) in runs.items() if notes] == ["number", "standardised", "shares"]
    for name, (*_, folder, _, _) in runs.items():
        assert (folder / "advsearch.safetensors").exists() == (name in expected)


def test_a_folder_knows_the_run_and_no_places_of_files(runs):
    bench, *_, folder, _, _ = runs["thresholds"]
    known = read_known(folder)
    assert known.names == ("long", "with commas", "good")
    assert (known.kind, known.form, len(known.settled)) == ("multilabel", "tuned", 3)
    assert (known.recipe.batch_size, known.fingerprint, known.metric) == (80, bench.task.fingerprint, "macro_f1")
    assert "ada" not in (folder / "advsearch.json").read_text()


def altered(folder, **facts):
    path = folder / "advsearch.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


def shortened(path):
    path.write_bytes(path.read_bytes()[:-8])


DAMAGED = {
    "no exact weights": (lambda f: (f / "advsearch.safetensors").unlink(), "advsearch.safetensors cannot be read"),
    "half of them": (lambda f: shortened(f / "advsearch.safetensors"), "advsearch.safetensors cannot be read"),
    "of another": (lambda f: altered(f, exact=["head.output.bias"]), "its weights are not those of this model"),
    "of nobody": (lambda f: altered(f, exact=["x"]), "its weights are not those of this model"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "the model cannot be loaded"),
    "half a model": (lambda f: shortened(f / "model.safetensors"), "the model cannot be loaded"),
    "no head": (lambda f: (f / "head.safetensors").unlink(), "head.safetensors cannot be read"),
    "another head": (lambda f: altered(f, pooling="mean"), "pools by attention, advsearch.json says mean"),
    "no tokeniser": (lambda f: (f / "tokenizer.json").write_text("{}"), "its tokeniser cannot be read"),
    "more targets": (lambda f: altered(f, names=["a", "b", "c"]), "config.json has 2 outputs, advsearch.json 3"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_folder_is_told_in_one_line(runs, tmp_path, name):
    folder = tmp_path / "f"
    shutil.copytree(runs["numbers"][4], folder)
    harm, what = DAMAGED[name]
    harm(folder)
    with pytest.raises(UserError, match=r"f(/|:)") as refused:
        load_saved(folder)
    assert what in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_model_of_another_device_says_what_is_not_the_same(runs, tmp_path):
    folder, lines = tmp_path / "f", []
    shutil.copytree(runs["shares"][4], folder)
    altered(folder, device="cuda")
    saved = load_saved(folder, lines.append)
    if saved.device.type == "cpu":
        assert lines == [f"{folder}: it was scored on cuda in bf16; here, on a CPU, it predicts in fp32"]
        assert saved.recipe.precision == "fp32"


def test_a_new_model_in_the_place_of_another_leaves_nothing_of_it(runs, tmp_path):
    whole = tmp_path / "whole"
    shutil.copytree(runs["numbers"][4], tmp_path / "f")
    shutil.copytree(runs["classes"][4], whole)
    put(whole, tmp_path / "f")
    assert {path.name for path in (tmp_path / "f").iterdir()} == {path.name for path in runs["classes"][4].iterdir()}
    assert read_known(tmp_path / "f").kind == "classification"


def test_folds_are_averaged_with_names_in_any_order(runs, tmp_path):
    folds = [tmp_path / "f" / f"fold-{number}" for number in (0, 1)]
    for folder in folds:
        shutil.copytree(runs["classes"][4], folder)
    altered(folds[1], names=["positive", "negative"])
    bench, raw, *_ = runs["classes"]
    assert bench.task.names == ("negative", "positive")
    found = load_saved(tmp_path / "f").predict(bench.task.validation)
    # The second model says the contrary of the first, so both classes are as likely.
    np.testing.assert_allclose(found, np.full(raw.shape, np.log(0.5)), rtol=1e-12)
    members = [{"folder": folder.name, "weight": weight} for folder, weight in zip(folds, (3, 1), strict=True)]
    (tmp_path / "f" / "ensemble.json").write_text(json.dumps({"format": "advsearch ensemble 1", "members": members}))
    found, likely = load_saved(tmp_path / "f").predict(bench.task.validation), softmax(raw.astype(np.float64), 1)
    np.testing.assert_allclose(np.exp(found), (3 * likely + likely[:, ::-1]) / 4, rtol=1e-12)
