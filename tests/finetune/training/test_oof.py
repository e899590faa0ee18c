"""Out-of-fold predictions come back as they were, and anything else in their place is told."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from finetune.errors import UserError
from finetune.training.oof import Oof

FOLDS = np.array([0, 1, 1, 0])
RAW = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")


def made(raw=RAW, folds=FOLDS, value=0.75, metric="accuracy"):
    return Oof(raw, folds, value, metric, "0123456789abcdef")


WORDS = np.where(np.arange(5)[None, None, :, None] < np.array([5, 2, 1, 3])[None, :, None, None], 1.5, np.nan)


@pytest.mark.parametrize(
    "raw",
    [
        RAW,
        RAW.astype("float64"),
        RAW.astype("float16"),
        np.broadcast_to(WORDS, (2, 4, 5, 3)),  # tags, read only
        RAW[::-1, ::-1],  # backwards in memory
        RAW.transpose(2, 1, 0)[:1],  # not contiguous
        np.full((1, 4, 1), -np.inf),
    ],
)
def test_what_is_saved_is_loaded_bit_for_bit(tmp_path, raw):
    made(raw).save(tmp_path / "new" / "oof-3.safetensors")
    found = Oof.load(tmp_path / "new" / "oof-3.safetensors")
    assert found.raw.dtype == raw.dtype
    assert np.array_equal(found.raw, raw, equal_nan=True)
    assert found.fold_of.tolist() == [0, 1, 1, 0]
    assert found.fold_of.dtype == np.int64
    assert (found.value, found.metric, found.fingerprint) == (0.75, "accuracy", "0123456789abcdef")
    assert (found.seeds, found.rows, found.folds) == (len(raw), 4, 2)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["oof-3.safetensors"]


@pytest.mark.parametrize("value", [-1.5, 0.1 + 0.2, 1e-300, float("inf"), 7])
def test_the_value_is_exact(tmp_path, value):
    made(value=value, metric="my_metric.py:größe").save(tmp_path / "oof.safetensors")
    assert Oof.load(tmp_path / "oof.safetensors").value == value
    assert Oof.load(tmp_path / "oof.safetensors").metric == "my_metric.py:größe"


def test_folds_of_a_narrower_type(tmp_path):
    made(folds=FOLDS.astype("int8")).save(tmp_path / "oof.safetensors")
    assert Oof.load(tmp_path / "oof.safetensors").fold_of.dtype == np.int64


@pytest.mark.parametrize(
    ("raw", "folds"),
    [
        (RAW, np.array([0, 1, 1])),
        (RAW[0], FOLDS),
        (RAW[:, :0], FOLDS[:0]),
        (RAW[:0], FOLDS),
        (RAW, FOLDS - 1),
        (RAW, FOLDS.astype(float)),
        (RAW.astype(int), FOLDS),
        (RAW, np.stack([FOLDS, FOLDS])),
    ],
)
def test_shapes_that_do_not_fit(raw, folds):
    with pytest.raises(ValueError, match="predictions"):
        made(raw, folds)


FACTS = '{"format": "advsearch out-of-fold predictions 1", "value": 1, "metric": "m", "fingerprint": "f"}'
WHOLE = {"raw": torch.zeros(1, 4, 2), "fold_of": torch.tensor([0, 1, 0, 1])}


@pytest.mark.parametrize(
    ("tensors", "facts", "said"),
    [
        (WHOLE, '{"history": []}', "no out-of-fold predictions of this version (something else)"),
        (WHOLE, FACTS.replace("1", "2", 1), "of this version (advsearch out-of-fold predictions 2)"),
        (WHOLE, "[1, 2]", "no out-of-fold predictions of this version"),
        (WHOLE, '"text"', "no out-of-fold predictions of this version"),
        (WHOLE, "{", "damaged"),
        ({"raw": WHOLE["raw"]}, FACTS, "damaged ('fold_of')"),
        (WHOLE | {"fold_of": torch.tensor([0, 1])}, FACTS, "damaged (predictions (1, 4, 2) do not fit folds (2,))"),
        (WHOLE | {"raw": torch.zeros(1, 4, 2, dtype=torch.int64)}, FACTS, "damaged"),
        (WHOLE | {"raw": torch.zeros(1, 4, 2, dtype=torch.bfloat16)}, FACTS, "damaged"),
        (WHOLE, FACTS.replace('"value": 1, ', ""), "damaged ('value')"),
        (WHOLE, FACTS.replace('"value": 1', '"value": null'), "damaged"),
    ],
)
def test_other_files_are_told(tmp_path, tensors, facts, said):
    save_file(tensors, tmp_path / "oof.safetensors", {"facts": facts})
    with pytest.raises(UserError) as error:
        Oof.load(tmp_path / "oof.safetensors")
    assert said in str(error.value)
    assert str(tmp_path / "oof.safetensors") in str(error.value)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6, 0.99])
def test_a_file_cut_anywhere_is_told(tmp_path, share):
    made().save(tmp_path / "oof.safetensors")
    whole = (tmp_path / "oof.safetensors").read_bytes()
    (tmp_path / "oof.safetensors").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UserError, match="is damaged, or no file of out-of-fold predictions"):
        Oof.load(tmp_path / "oof.safetensors")


def test_no_file(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(UserError, match="does not exist"):
            Oof.load(path)
