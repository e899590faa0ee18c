"""AWP under an embedding attack: texts first, then weights, and the gradient where both are at their worst."""

import pytest
import torch
import transformers
from helpers.by_hand import MATRICES, ascend, loss_at, moved, passes_of, same, slopes_of, unmasked, weight_step
from helpers.tiny_models import Bag, batch_for, build, trained_bag
from helpers.watched_steps import gradients, state_of, watch

from adv import ASAM, AWP, FGM, PGD, SAM, AttackError, RandomWeights


@pytest.mark.parametrize("combine", ["replace", "mean"])
def test_under_pgd_by_hand(combine):
    """delta at the clean weights, then the weights' step at delta, and the gradient where both are at their worst."""
    model = Bag()
    batch = unmasked(batch_for(model))
    settings = {"epsilon": 0.7, "alpha": 0.5, "K": 2, "norm": "example"}
    method = AWP(form="gamma", adv_lr=0.1, attack="pgd", combine=combine, **settings)
    with watch(model) as seen:
        found, _ = gradients(method, model, batch)
    delta = torch.zeros(4, 9, 4)
    for number in range(2):
        assert torch.equal(seen.passes[number].weights["output.weight"], model.output.weight)
        torch.testing.assert_close(seen.passes[number].shift, delta, rtol=1e-4, atol=1e-6)
        delta = ascend(lambda shift: loss_at(model, batch, shift), delta, 0.5, 0.7)
    at_delta = slopes_of(model, loss_at(model, batch, delta))
    twin = moved(model, weight_step(model, model, at_delta, 0.1))
    worst = seen.passes[-1]
    assert len(seen.passes) == 4
    # The embeddings are read as a difference to those of the moved weights.
    torch.testing.assert_close(worst.shift, delta, rtol=1e-4, atol=1e-5)
    for name in MATRICES:
        torch.testing.assert_close(worst.weights[name], twin.get_parameter(name).detach(), rtol=1e-4, atol=1e-6)
    at_both = slopes_of(twin, loss_at(twin, batch, delta))
    half = 0.5 * (combine == "mean")
    same(found, {name: half * at_delta[name] + (1 - half) * at_both[name] for name in at_both})
    assert worst.loss > seen.passes[-2].loss > seen.passes[0].loss
    assert method.cost()[:3] == (4, 2, 2)


@pytest.mark.parametrize("norm", ["matrix", "example", "token"])
@pytest.mark.parametrize("attack", ["fgm", "pgd"])
def test_the_embedding_attack_is_the_method_of_that_name(attack, norm):
    model = build("bert")
    batch = batch_for(model)
    alone = FGM(epsilon=0.5, norm=norm) if attack == "fgm" else PGD(epsilon=0.5, norm=norm)
    expected = passes_of(alone, model, batch)[-1]
    found = passes_of(AWP(attack=attack, epsilon=0.5, norm=norm), model, batch)
    torch.testing.assert_close(found[-1], expected, rtol=1e-3, atol=1e-5)
    # Without a step on the weights, it is that method's adversarial gradient.
    still, _ = gradients(AWP(attack=attack, epsilon=0.5, norm=norm, adv_lr=0.0), model, batch)
    plain = FGM(epsilon=0.5, norm=norm, combine="replace")
    if attack == "pgd":
        plain = PGD(epsilon=0.5, norm=norm, combine="replace")
    same(still, gradients(plain, model, batch)[0], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("attack", ["none", "pgd"])
@pytest.mark.parametrize("form", ["box", "gamma"])
def test_beats_random_weights(form, attack):
    model, batch = trained_bag()
    rises = []
    for kind in (AWP, RandomWeights):
        with watch(model) as seen:
            kind(adv_lr=0.05, form=form, attack=attack, epsilon=0.3).backward(model, batch)
        # The last two passes: before and after the weights moved.
        rises.append(float(seen.losses[-1] - seen.losses[-2]))
    assert rises[0] > max(0.0, 2 * rises[1])


def test_the_attacked_embedding_may_be_named():
    """T5 looks texts up in its encoder's own module, and tells one that is never called: both find the same."""
    config = transformers.T5Config(vocab_size=60, d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2)
    config.decoder_start_token_id = 0
    model = transformers.T5ForConditionalGeneration(config).eval()
    batch = batch_for(model)
    batch["labels"] = batch["input_ids"]
    with pytest.raises(AttackError, match=r"was not called in the forward pass: set emb_name to one that was \(encoder\.em"):
        AWP(attack="fgm", emb_name=r"^shared\.weight").backward(model, batch)
    before = state_of(model)
    alone, loss = gradients(AWP(adv_lr=0.01), model, batch)
    found, objective = gradients(AWP(adv_lr=0.01, attack="fgm", emb_name=r"encoder\.embed_tokens"), model, batch)
    assert objective > loss
    assert any(not torch.equal(found[name], gradient) for name, gradient in alone.items())
    told, _ = gradients(AWP(adv_lr=0.01, attack="fgm"), model, batch)
    assert all(torch.equal(told[name], gradient) for name, gradient in found.items())
    assert state_of(model) == before


def test_weights_in_double_precision_move_as_well():
    model = Bag().double()
    batch = batch_for(model)
    for method in (AWP(), AWP(form="gamma"), SAM(), ASAM()):
        found, _ = gradients(method, model, batch)
        assert all(gradient.dtype == torch.float64 for gradient in found.values())
        assert method.diagnostics()["relative"] > 0
