import json

import pytest
import torch
from helpers.snapshot_contents import FACTS, TENSORS
from torch import nn

from finetune.training.snapshot import (
    load_model,
    load_optimiser,
    model_tensors,
    optimiser_tensors,
    read_snapshot,
    write_snapshot,
)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3, bias=False)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.register_buffer("kept", torch.rand(2))
        self.register_buffer("forgotten", torch.rand(2), persistent=False)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "state.safetensors"


def bits(tensor):
    return tensor.dtype, tensor.shape, bytes(tensor.contiguous().flatten().view(torch.uint8).numpy())


def test_tensors_and_facts_come_back_bit_for_bit(path):
    write_snapshot(path, TENSORS, FACTS)
    tensors, facts = read_snapshot(path)
    assert {name: bits(value) for name, value in tensors.items()} == {name: bits(value) for name, value in TENSORS.items()}
    assert json.dumps(facts) == json.dumps(FACTS)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_the_file_is_plain_safetensors(path):
    write_snapshot(path, TENSORS, FACTS)
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert set(header) == {"__metadata__", *TENSORS}


def test_a_later_snapshot_replaces_the_earlier_one(path):
    for number in (1, 2):
        write_snapshot(path, {"a": torch.tensor(number)}, {"number": number})
    tensors, facts = read_snapshot(path)
    assert (int(tensors["a"]), facts) == (2, {"number": 2})


def test_tied_weights_are_stored_once_and_stay_tied(path):
    saved, other = Tied(), Tied()
    tensors = model_tensors(saved)
    assert set(tensors) == {"model.first.weight", "model.second.bias", "model.kept"}
    write_snapshot(path, tensors, {})
    load_model(other, read_snapshot(path)[0])
    assert other.second.weight is other.first.weight
    for name, value in saved.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


def test_an_optimiser_goes_on_as_if_nothing_had_happened(path):
    def made():
        torch.manual_seed(0)
        model = nn.Linear(4, 2)
        groups = [{"params": [model.weight], "weight_decay": 0.1}, {"params": [model.bias], "weight_decay": 0.0}]
        return model, torch.optim.AdamW(groups, lr=0.1, fused=True)

    def steps(model, optimiser, numbers):
        for number in numbers:
            optimiser.zero_grad()
            model(torch.full((3, 4), float(number))).square().mean().backward()
            optimiser.step()

    model, optimiser = made()
    steps(model, optimiser, range(3))
    write_snapshot(path, model_tensors(model) | optimiser_tensors(optimiser), {})
    steps(model, optimiser, range(3, 6))
    resumed, again = made()
    tensors = read_snapshot(path)[0]
    load_model(resumed, tensors)
    load_optimiser(again, tensors)
    steps(resumed, again, range(3, 6))
    assert torch.equal(resumed.weight, model.weight)
    assert torch.equal(resumed.bias, model.bias)
    for name, value in optimiser_tensors(optimiser).items():
        assert torch.equal(optimiser_tensors(again)[name], value), name
    assert [group["weight_decay"] for group in again.param_groups] == [0.1, 0.0]
