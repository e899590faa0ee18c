"""A snapshot is whole or absent, and never runs code."""

import os
import pickle
import resource
import signal

import pytest
import torch
from helpers.forks import forked
from helpers.snapshot_contents import FACTS, TENSORS
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from finetune.training.snapshot import (
    read_snapshot,
    write_snapshot,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "state.safetensors"


@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_reads_as_none(tmp_path_factory, share):
    path = tmp_path_factory.mktemp("cut") / "state.safetensors"
    write_snapshot(path, TENSORS, FACTS)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert read_snapshot(path) is None


def test_what_is_no_snapshot_reads_as_none(tmp_path):
    assert read_snapshot(tmp_path / "none") is None
    assert read_snapshot(tmp_path) is None
    (tmp_path / "text").write_text("hello, this is no snapshot")
    assert read_snapshot(tmp_path / "text") is None
    save_file({"a": torch.ones(1)}, tmp_path / "bare")
    assert read_snapshot(tmp_path / "bare") is None
    save_file({"a": torch.ones(1)}, tmp_path / "other", {"facts": "{"})
    assert read_snapshot(tmp_path / "other") is None


class Harm:
    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def test_nothing_is_unpickled(tmp_path):
    (tmp_path / "pickled").write_bytes(pickle.dumps(Harm(tmp_path / "one")))
    torch.save({"a": Harm(tmp_path / "two")}, tmp_path / "saved")
    assert read_snapshot(tmp_path / "pickled") is None
    assert read_snapshot(tmp_path / "saved") is None
    assert {entry.name for entry in tmp_path.iterdir()} == {"pickled", "saved"}


class Interrupting(torch.Tensor):
    """A tensor whose bytes cannot be had: the user pressed Ctrl-C."""

    def contiguous(self):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("tensors", "facts", "error"),
    [
        ({"a": torch.ones(3), "b": torch.ones(2).as_subclass(Interrupting)}, {}, KeyboardInterrupt),
        ({"a": torch.ones(3)}, {"no": object()}, TypeError),
    ],
)
def test_an_interrupted_write_leaves_the_earlier_file_and_no_other(path, tensors, facts, error):
    write_snapshot(path, {"a": torch.zeros(1)}, {"number": 1})
    before = path.read_bytes()
    with pytest.raises(error):
        write_snapshot(path, tensors, facts)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def writes_on_a_full_disk(path):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    try:
        write_snapshot(path, {"a": torch.zeros(1_000_000)}, {})
    except OSError as error:
        print("told:", error)


def test_a_full_disk_is_told_and_leaves_no_file(path):
    with forked(writes_on_a_full_disk, path) as (process, lines):
        said = lines.read()
    assert process.exitcode == 0
    assert said.startswith("told:")
    assert list(path.parent.iterdir()) == []
