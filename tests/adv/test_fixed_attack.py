"""The attack under which trained models are compared: by hand, and what it must not touch."""

from types import SimpleNamespace

import pytest
import torch
from helpers.tiny_models import batch_for, build
from torch import nn

from adv import METHODS, AttackError, Precision
from adv.core.passes import accelerators, random_state
from adv.steps.fixed import FixedAttack

SPECIAL = 4  # every text of ``batch_for`` begins and ends with it


class Linear(nn.Module):
    """The mean of the real tokens' embeddings and a linear layer; it notes the embeddings of every pass."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.words, self.out, self.seen = nn.Embedding(60, 5), nn.Linear(5, 3), []

    def get_input_embeddings(self):
        return self.words

    def forward(self, input_ids, attention_mask, labels):
        embedded = self.words(input_ids)
        self.seen.append(embedded.detach())
        mask = attention_mask.unsqueeze(-1)
        logits = self.out((embedded * mask).sum(1) / mask.sum(1))
        return SimpleNamespace(loss=nn.functional.cross_entropy(logits, labels), logits=logits)


def by_hand(model, ids, label, epsilon, steps):
    """One text without padding: ``delta <- Pi(delta + r/2 g/|g|)`` token by token, with the gradient of the softmax."""
    noise = torch.rand(len(ids), 5, generator=torch.Generator().manual_seed(0)) * 2 - 1
    clean = model.words.weight.detach()[ids]
    radii = [epsilon * float(row.norm()) for row in clean]
    deltas = [radius / 2 * z / z.norm() for radius, z in zip(radii, noise, strict=True)]
    target = torch.eye(3)[label]
    for _ in range(steps):
        logits = model.out((clean + torch.stack(deltas)).mean(0)).detach()
        gradient = (logits.softmax(0) - target) @ model.out.weight.detach() / len(ids)
        for token, radius in enumerate(radii):
            moved = deltas[token] + radius / 2 * gradient / gradient.norm()
            deltas[token] = moved * min(1.0, radius / float(moved.norm()))
    return model.out((clean + torch.stack(deltas)).mean(0)).detach()


@pytest.mark.parametrize(("epsilon", "steps"), [(0.05, 3), (0.7, 1), (20.0, 4)])
def test_it_is_the_formula(epsilon, steps):
    model, ids = Linear().eval(), torch.tensor([[7, 9, 7, 31]])
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.tensor([2])}
    found = FixedAttack(epsilon=epsilon, K=steps).answer(model, batch).logits
    torch.testing.assert_close(found[0].detach(), by_hand(model, ids[0], 2, epsilon, steps))


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_and_special_tokens_never_move_and_no_token_leaves_its_ball(side):
    model = Linear().eval()
    batch = batch_for(model, side)
    FixedAttack(epsilon=0.3).sparing([SPECIAL]).answer(model, batch)
    clean = model.words(batch["input_ids"]).detach()
    moved = (model.seen[-1] - clean).norm(dim=-1)
    still = (batch["input_ids"] == SPECIAL) | (batch["attention_mask"] == 0)
    assert (moved[still] == 0).all()
    assert (moved[~still] > 0).all()
    assert (moved <= 0.3001 * clean.norm(dim=-1)).all()
    assert moved.max() > 0.2 * clean.norm(dim=-1).min()


@pytest.mark.parametrize(("family", "side"), [("bert", "right"), ("gpt2", "left"), ("xlnet", "left")])
def test_radius_zero_gives_the_clean_answer_and_another_radius_a_higher_loss(family, side):
    model = build(family).eval()
    batch = batch_for(model, side)
    with torch.no_grad():
        clean = model(**batch)
    assert torch.equal(FixedAttack(epsilon=0.0).answer(model, batch).logits, clean.logits)
    assert FixedAttack(epsilon=0.5).answer(model, batch).loss > clean.loss


# Positions of texts that are padded on the left are others alone: that side has the model without positions.
@pytest.mark.parametrize(("side", "made"), [("left", Linear), ("right", lambda: build("bert"))])
def test_a_text_meets_the_same_attack_in_every_batch(side, made):
    model = made().eval()
    batch = batch_for(model, side)
    together = FixedAttack(epsilon=0.3).answer(model, batch).logits
    for row, mask in enumerate(batch["attention_mask"].bool()):
        alone = {"input_ids": batch["input_ids"][row : row + 1, mask], "labels": batch["labels"][row : row + 1]}
        alone["attention_mask"] = torch.ones_like(alone["input_ids"])
        torch.testing.assert_close(FixedAttack(epsilon=0.3).answer(model, alone).logits[0], together[row])
    order = torch.tensor([2, 0, 3, 1])
    turned = FixedAttack(epsilon=0.3).answer(model, {name: values[order] for name, values in batch.items()}).logits
    torch.testing.assert_close(turned, together[order])


def state(model):
    hooks = [len(module._forward_hooks) for module in model.modules()]
    weights = [(p.clone(), p.requires_grad, None if p.grad is None else p.grad.clone()) for p in model.parameters()]
    drawn = [value for _, value in random_state(accelerators(model))]
    return hooks, weights, drawn, [module.training for module in model.modules()]


def assert_same(one, other):
    assert (one[0], one[3]) == (other[0], other[3])
    assert all(map(torch.equal, one[2], other[2]))
    for (weight, needed, grad), (weight2, needed2, grad2) in zip(one[1], other[1], strict=True):
        assert torch.equal(weight, weight2)
        assert needed == needed2
        assert (grad is None) == (grad2 is None)
        assert grad is None or torch.equal(grad, grad2)


@pytest.mark.parametrize("broken", [False, True])
def test_it_leaves_everything_as_it_was(broken):
    model = build("bert").eval()
    batch = batch_for(model)
    model(**batch).loss.backward()
    model.classifier.weight.requires_grad_(False)
    if broken:
        with torch.no_grad():
            model.classifier.bias.fill_(torch.inf)
    before = state(model)
    if broken:
        with pytest.raises(AttackError, match="not finite"):
            FixedAttack().answer(model, batch)
    else:
        with torch.no_grad():
            FixedAttack().answer(model, batch)
    assert_same(before, state(model))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_measures_nearly_the_same(dtype):
    model = build("bert").eval()
    batch = batch_for(model)
    full, half = (FixedAttack().answer(model, batch, Precision(dtype=kind)).logits.float() for kind in (None, dtype))
    torch.testing.assert_close(half, full, atol=0.02, rtol=0.1)


def test_it_does_not_depend_on_the_generator_and_no_method_trains_with_it():
    model = build("electra").eval()
    batch, found = batch_for(model), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.append(FixedAttack().answer(model, batch).logits)
    assert torch.equal(*found)
    assert not any(issubclass(FixedAttack, method) or issubclass(method, FixedAttack) for method in METHODS.values())
