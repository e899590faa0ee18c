"""LoRA by PEFT: embedding methods attack through frozen embeddings, AWP moves what is trained."""

import pytest
import torch
from helpers.framework_loops import LOOPS, METHODS, Run, tiny_loader, tiny_model
from helpers.tiny_models import grads_of
from peft import LoraConfig, get_peft_model

from adv import AWP, AttackError, Clean

pytestmark = pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")


def lora_model():
    """Adapters on queries and values; the classifier is trained whole."""
    model = tiny_model(dropout=0.0)
    torch.manual_seed(1)
    config = LoraConfig(task_type="SEQ_CLS", r=4, lora_dropout=0.0, target_modules=["query", "value"])
    return get_peft_model(model, config).train()


def gradients(model, method):
    method.backward(model, next(iter(tiny_loader(8))))
    return grads_of(model)


@pytest.mark.parametrize("name", METHODS)
def test_gradients_land_on_the_trainable_weights_alone(name):
    model = lora_model()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    attacked, clean = gradients(model, METHODS[name]()), gradients(lora_model(), Clean())
    assert attacked.keys() == {key for key, p in model.named_parameters() if p.requires_grad}
    assert not any("embeddings" in key for key in attacked)
    assert any("lora_B" in key and not torch.allclose(attacked[key], clean[key], rtol=1e-3) for key in attacked)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("loop", LOOPS)
def test_every_loop_trains_the_adapters_alone(loop, tmp_path):
    run = Run(lora_model())
    frozen = {key: p.clone() for key, p in run.model.named_parameters() if not p.requires_grad}
    trained = {key: p.detach().clone() for key, p in run.model.named_parameters() if p.requires_grad}
    LOOPS[loop][0](run, METHODS["fgm"](), 12, "fp32", tmp_path)
    now = dict(run.model.named_parameters())
    assert any("word_embeddings" in key for key in frozen)
    assert all(torch.equal(p, now[key]) for key, p in frozen.items())
    assert any("lora_B" in key and not torch.equal(p, now[key]) for key, p in trained.items())


def test_awp_refuses_a_pattern_of_frozen_weights_alone():
    with pytest.raises(AttackError, match="frozen: unfreeze some"):
        gradients(lora_model(), AWP(adv_param="word_embeddings"))


def test_awp_moves_the_adapters():
    seen = []
    model = lora_model()
    adapter = next(p for key, p in model.named_parameters() if "lora_A" in key)
    frozen = model.get_input_embeddings().weight
    model.register_forward_pre_hook(lambda *_: seen.append((adapter.detach().clone(), frozen.detach().clone())))
    # lora_B starts from zero, where lora_A has no gradient: one clean step first.
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    gradients(model, Clean())
    optimizer.step()
    seen.clear()
    gradients(model, AWP(adv_lr=0.1, adv_eps=0.1))
    assert len(seen) == 2
    assert not torch.equal(seen[0][0], seen[1][0])
    assert torch.equal(seen[0][1], seen[1][1])
    assert torch.equal(adapter, seen[0][0])
