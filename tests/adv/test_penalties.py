"""Every smoothness penalty and the ascent before it, as the paper writes them, for texts and for tokens, with padding."""

from itertools import pairwise

import pytest
import torch
from helpers.by_hand import same, slope_at, slopes_of
from helpers.tiny_models import Bag, batch_for
from helpers.watched_steps import watch
from torch.nn import functional as F

from adv import R3F, SMART, VAT, SiFT

WEIGHT = 3.0


class Texts(Bag):
    """One prediction a text."""

    def predict(self, batch, shift=0.0, fixed=False):
        embedded = self.embedding(batch["input_ids"])
        return self.output(((embedded.detach() if fixed else embedded) + shift).mean(1))

    def loss(self, batch):
        return F.cross_entropy(self.predict(batch), batch["labels"])

    def mean(self, rows, batch):
        return rows.mean()


class Tokens(Texts):
    """One prediction a token; what a token is told depends on its neighbours, so that padding has a gradient."""

    def predict(self, batch, shift=0.0, fixed=False):
        embedded = self.embedding(batch["input_ids"])
        embedded = (embedded.detach() if fixed else embedded) + shift
        return self.output(embedded + embedded.mean(1, keepdim=True))

    def loss(self, batch):
        return F.cross_entropy(self.predict(batch).flatten(0, 1), batch["labels"].flatten(), ignore_index=-100)

    def mean(self, rows, batch):
        return rows[batch["attention_mask"] == 1].mean()

    def forward(self, input_ids, labels, attention_mask=None):
        logits = self.predict({"input_ids": input_ids})
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
        return {"loss": loss, "logits": logits}


def kl(target, logits):
    p, q = (side.exp() / side.exp().sum(-1, keepdim=True) for side in (target, logits))
    return (p * (p.log() - q.log())).sum(-1)


def bernoulli(target, logits):
    p, q = (1 / (1 + (-side).exp()) for side in (target, logits))
    return (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).sum(-1)


def mse(target, logits):
    return ((target - logits) ** 2).sum(-1) / logits.shape[-1]


def token_step(gradient, mask):
    return gradient / gradient.abs().amax(2, keepdim=True).clamp_min(1e-30) * mask


def text_step(gradient, mask):
    gradient = gradient * mask
    return gradient / gradient.square().sum((1, 2), keepdim=True).sqrt()


def deviation(model, batch):
    embedded = model.embedding(batch["input_ids"]).detach()
    return (embedded - embedded.mean(2, keepdim=True)).square().mean(2, keepdim=True).sqrt()


METHODS = {
    "smart": (SMART, {"epsilon": 0.25, "alpha": 0.2, "sigma": 0.1, "K": 2, "teacher_weight": 2.0}),
    "vat": (VAT, {"epsilon": 0.9, "xi": 0.2, "K": 2}),
    "alum": (VAT, {"epsilon": 0.4, "xi": 0.2, "K": 2, "form": "alum"}),
    "r3f": (R3F, {"sigma": 0.5}),
    "sift": (SiFT, {"sigma": 0.2, "alpha": 0.15, "K": 2}),
}


def next_shift(name, number, shift, gradient, mask, size):
    """The paper's ascent step, number 0 or 1."""
    if name == "smart":
        return (shift + 0.2 * token_step(gradient, mask)).clamp(-0.25, 0.25)
    if name == "sift":
        # For z, the shift over the deviation; a positive factor on a token's gradient leaves its direction.
        return shift + 0.15 * size * token_step(gradient, mask)
    if name == "vat":
        return (0.2, 0.9)[number] * text_step(gradient, mask)
    return (0.2, 0.4)[number] * token_step(gradient, mask)


def penalty(name, distance, one, other, mean):
    """R at weight 1; a side without a gradient is one that the paper's code holds fixed."""
    if name == "r3f":  # both sides of both terms (section 3.1); squared errors count once
        return mean(distance(one, other)) + (0 if distance is mse else mean(distance(other, one)))
    if name == "vat":  # the clean prediction is a target (eq. 5)
        return mean(distance(one.detach(), other))
    return mean(distance(one.detach(), other)) + mean(distance(other.detach(), one))


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("distance", [kl, bernoulli, mse])
@pytest.mark.parametrize("kind", [Texts, Tokens])
@pytest.mark.parametrize("name", METHODS)
def test_a_step_by_the_paper_s_formula(name, kind, distance, side):
    torch.manual_seed(4)
    model, teacher = kind(), kind()
    batch = batch_for(model, side)
    if kind is Tokens:
        batch["labels"] = (batch["input_ids"] % 3).masked_fill(batch["attention_mask"] == 0, -100)
    kind_of, given = METHODS[name]
    method = kind_of(reg_weight=WEIGHT, distance=distance.__name__, **given)
    mask = batch["attention_mask"][..., None].float()
    if name == "smart":
        method.load_state_dict({f"teacher.{i}": p.detach() for i, p in enumerate(teacher.parameters())})
    with watch(model) as seen:
        loss = method.backward(model, batch)
    shifts = [one.shift for one in seen.passes][1 + (name == "smart") :]
    assert len(shifts) == (1 if name == "r3f" else 3)

    def mean(rows):
        return model.mean(rows, batch)

    logits = model.predict(batch)
    for number, (shift, found) in enumerate(pairwise(shifts)):
        slope = slope_at(lambda delta: mean(distance(logits.detach(), model.predict(batch, delta))), shift)
        expected = next_shift(name, number, shift, slope, mask, deviation(model, batch))
        torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-4)
    moved = model.predict(batch, shifts[-1], fixed=name in ("alum", "r3f"))
    objective = model.loss(batch) + WEIGHT * penalty(name, distance, logits, moved, mean)
    if name == "smart":
        target = teacher.predict(batch).detach()
        both = mean(distance(target, logits)) + (0 if distance is mse else mean(distance(logits, target)))
        objective = objective + 2.0 * both
    torch.testing.assert_close(loss, objective.detach(), rtol=1e-4, atol=1e-5)
    same({n: p.grad for n, p in model.named_parameters()}, slopes_of(model, objective), rtol=1e-3, atol=1e-5)
