"""Models whose weights are spread over processes, or quantised: refused, with the reason."""

import pytest
import torch
from helpers.tiny_models import Bag, batch_for, build
from helpers.watched_steps import has, having, state_of
from torch import distributed, nn
from torch.distributed.fsdp import fully_shard

from adv import METHODS, AttackError
from adv.core.sharded import sharding


def made(name, **settings):
    """A method that finds its modules on a Bag, also in a wrapper."""
    return METHODS[name](**settings, **({"layer_name": "dropout"} if has(name, "layer_name") else {}))


@pytest.fixture(scope="module")
def _group():
    if not (distributed.is_available() and distributed.is_gloo_available()):
        pytest.skip("needs torch.distributed with gloo")
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("_group")
@pytest.mark.parametrize("name", METHODS)
def test_every_method_refuses_a_model_that_fsdp2_shards(name):
    model = Bag()
    batch = batch_for(model)
    mesh = distributed.device_mesh.init_device_mesh("cpu", (1,))
    fully_shard(model, mesh=mesh)
    state = torch.get_rng_state()
    with pytest.raises(AttackError, match=r"sharded by FSDP2 or tensor parallelism \(DTensor\): norms .* Use DDP or one"):
        made(name).backward(model, batch)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None for p in model.parameters())


class FullyShardedDataParallel(nn.Module):
    """Of FSDP's name; the real one needs processes."""

    def __init__(self, module):
        super().__init__()
        self.module = module


class DeepSpeedEngine(FullyShardedDataParallel):
    """Of DeepSpeed's name, which cannot be installed everywhere."""


@pytest.mark.parametrize("name", METHODS)
def test_every_method_refuses_a_wrapper_that_shards(name):
    model = Bag()
    batch = batch_for(model)
    for wrapper, words in ((FullyShardedDataParallel, "sharded by FSDP:"), (DeepSpeedEngine, "sharded by DeepSpeed:")):
        with pytest.raises(AttackError, match=words):
            made(name).backward(wrapper(model), batch)


def zero_3():
    """A model as ZeRO-3 leaves it: parameters are empty until a module runs, and have an id."""
    model = Bag()
    for i, p in enumerate(model.parameters()):
        p.ds_id, p.data = i, torch.empty(0)
    return model


@pytest.mark.parametrize("name", METHODS)
def test_every_method_refuses_zero_3(name):
    for settings in ({}, {"form": "gamma"}) if has(name, "adv_eps") else ({},):
        with pytest.raises(AttackError, match=r"sharded by DeepSpeed ZeRO-3: .* or LoRA if memory is short"):
            made(name, **settings).backward(zero_3(), batch_for(Bag()))


@pytest.mark.parametrize("name", having("emb_name"))
def test_a_name_for_the_embeddings_does_not_hide_the_reason(name):
    with pytest.raises(AttackError, match="sharded by DeepSpeed ZeRO-3"):
        made(name, emb_name="embedding").backward(zero_3(), batch_for(Bag()))


def test_whole_models_are_not_taken_for_sharded():
    for model in (Bag(), build("bert"), nn.DataParallel(Bag())):
        assert sharding(model) is None


def quantised():
    """A Bag whose matrices are int8, as after loading in 8 bits; they cannot be trained."""
    model = Bag()
    for module in (model.embedding, model.output):
        whole = (module.weight.detach() * 30).to(torch.int8)
        module.weight = nn.Parameter(whole, requires_grad=False)
    return model


@pytest.mark.parametrize("name", having("adv_param"))
def test_weight_attacks_refuse_quantised_weights(name):
    model = quantised()
    before = state_of(model)
    with pytest.raises(AttackError, match=r"embedding.weight is quantised \(torch.int8\): .* Use an embedding method"):
        METHODS[name](adv_param="weight").backward(model, batch_for(model))
    assert state_of(model) == before


@pytest.mark.parametrize("name", METHODS)
def test_replicas_on_several_devices_are_refused(name):
    model = Bag()
    wrapped = torch.nn.DataParallel(model)
    wrapped.device_ids = [0, 1]
    layer = {"layer_name": "dropout"} if has(name, "layer_name") else {}
    with pytest.raises(AttackError, match=r"nn\.DataParallel over several devices"):
        METHODS[name](**layer).backward(wrapped, batch_for(model))
