"""Weights in pickled files: tensors are read, and nothing else is unpickled."""

import json
import pickle
import warnings

import pytest
import torch
from helpers.saved_families import BIN, SAFE, Harm, as_bin, built, folder_of
from helpers.small_tasks import assert_same_state
from safetensors.torch import load_file

from finetune.errors import UserError


@pytest.mark.parametrize("shards", [False, True])
def test_pickled_tensors_give_the_same_model_as_safetensors(tmp_path, shards):
    folder = folder_of(tmp_path / "m")
    expected = built(folder)[0].state_dict()
    tensors = load_file(folder / SAFE)
    as_bin(folder)
    if shards:
        (folder / BIN).unlink()
        halves = {name: f"pytorch_model-0000{1 + i % 2}-of-00002.bin" for i, name in enumerate(tensors)}
        for file in set(halves.values()):
            torch.save({name: tensors[name] for name in tensors if halves[name] == file}, folder / file)
        (folder / f"{BIN}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": halves}))
    assert_same_state(built(folder)[0].state_dict(), expected)
    if shards:
        (folder / "pytorch_model-00002-of-00002.bin").unlink()
        with pytest.raises(UserError, match=r"pytorch_model-00002-of-00002\.bin is missing, one of the 2 shards"):
            built(folder)


def test_missing_weights_of_pickled_tensors_are_named_too(tmp_path):
    folder = folder_of(tmp_path / "m")
    tensors = load_file(folder / SAFE)
    as_bin(folder, {name: value for name, value in tensors.items() if "word_embeddings" not in name})
    with pytest.raises(
        UserError, match=r"weights is missing in pytorch_model.bin: bert.embeddings.word.*config.json and pytorch_model.bin"
    ):
        built(folder)


@pytest.mark.parametrize("kind", ["pickle", "archive", "shard", "beside tensors"])
@pytest.mark.parametrize("forced", [False, True])
def test_a_pickle_that_runs_code_is_refused_and_not_run(tmp_path, monkeypatch, recwarn, kind, forced):
    if forced:
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    folder, marker = folder_of(tmp_path / "m"), tmp_path / "marker"
    tensors = load_file(folder / SAFE)
    as_bin(folder)
    if kind == "pickle":
        (folder / BIN).write_bytes(pickle.dumps(Harm(marker)))
    elif kind == "archive":
        torch.save(Harm(marker), folder / BIN)
    elif kind == "beside tensors":
        torch.save(tensors | {"more": Harm(marker)}, folder / BIN)
    else:
        (folder / BIN).unlink()
        torch.save({"more": Harm(marker)}, folder / "shard.bin")
        torch.save(tensors, folder / "whole.bin")
        index = {name: "whole.bin" for name in tensors} | {"more": "shard.bin"}
        (folder / f"{BIN}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    with pytest.raises(UserError, match="hold more than tensors; nothing else is unpickled"):
        built(folder)
    assert not marker.exists()
    assert not recwarn.list
    pickle.loads(pickle.dumps(Harm(marker)))
    assert marker.exists()


def test_safetensors_win_and_pickles_beside_them_are_not_touched(tmp_path):
    folder = folder_of(tmp_path / "m")
    (folder / BIN).write_bytes(pickle.dumps(Harm(tmp_path / "marker")))
    built(folder)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("content", [b"", b"junk", b"\x80\x02N.", b"PK\x03\x04"])
def test_damaged_pickles_are_refused(tmp_path, content):
    folder = as_bin(folder_of(tmp_path / "m"))
    (folder / BIN).write_bytes(content)
    with pytest.raises(UserError, match=f"model='{folder}' cannot be loaded"):
        built(folder)


def test_a_script_archive_is_refused(tmp_path):
    folder = as_bin(folder_of(tmp_path / "m"))
    with warnings.catch_warnings(action="ignore"):  # torch's own: scripts are going out of use
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), folder / BIN)
    with pytest.raises(UserError, match="hold more than tensors; nothing else is unpickled"):
        built(folder)
