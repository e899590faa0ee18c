"""Plain torch on the Bag, with none of the package's helpers: what the methods are compared with."""

import math
from contextlib import contextmanager

import torch
from torch.nn import functional as F

from helpers.tiny_models import Bag
from helpers.watched_steps import watch

MATRICES = ("embedding.weight", "output.weight")


def unmasked(batch):
    """The batch without its attention mask: every token counts."""
    return {key: value for key, value in batch.items() if key != "attention_mask"}


def logits_at(model, batch, shift=0.0):
    """The Bag's logits at ``e + shift``; weights and shift may have gradients."""
    return model.output((model.embedding(batch["input_ids"]) + shift).mean(1))


def loss_at(model, batch, shift=0.0):
    return F.cross_entropy(logits_at(model, batch, shift), batch["labels"])


def slope_at(objective, shift):
    """The gradient of ``objective(shift)``."""
    shift = shift.detach().clone().requires_grad_()
    return torch.autograd.grad(objective(shift), shift)[0]


def slopes_of(model, objective):
    """The gradients of ``objective`` at all weights, by name."""
    names = [name for name, _ in model.named_parameters()]
    gradients = torch.autograd.grad(objective, list(model.parameters()), allow_unused=True, materialize_grads=True)
    return dict(zip(names, gradients, strict=True))


def lengths(shift):
    """One L2 length for each text."""
    return shift.flatten(1).norm(dim=1)[:, None, None]


def unit(gradient):
    return gradient / lengths(gradient)


def project(shift, epsilon):
    """Each text into its ball."""
    return torch.where(lengths(shift) > epsilon, shift * epsilon / lengths(shift).clamp_min(1e-30), shift)


def ascend(objective, shift, alpha, epsilon, mask=1.0):
    """``Pi(shift + alpha g / ||g||_2)``, text by text."""
    return project(shift + alpha * unit(slope_at(objective, shift) * mask), epsilon)


def inside(shift, epsilon, norm="example"):
    """In the ball, but for the rounding of a perturbation that was read as a difference."""
    return bool(((shift.norm(dim=2) if norm == "token" else lengths(shift)) <= epsilon * (1 + 1e-5) + 1e-6).all())


def kl(target, logits):
    """``sum_c p_c log(p_c / q_c)`` as a mean over the texts, ``p = softmax(target)``, ``q = softmax(logits)``."""
    p, q = (values.exp() / values.exp().sum(-1, keepdim=True) for values in (target, logits))
    return (p * (p / q).log()).sum(-1).mean()


def held(one, other):
    """``KL(one' || other) + KL(other' || one)``, a dash for the side that is held fixed."""
    return kl(one.detach(), other) + kl(other.detach(), one)


def largest_one(gradient):
    """Each token's gradient over its largest entry."""
    return gradient / gradient.abs().amax(2, keepdim=True)


def passes_of(method, model, batch, seed=3, **options):
    """The perturbation in each pass of one step."""
    torch.manual_seed(seed)
    with watch(model) as seen:
        method.backward(model, batch, **options)
    return [one.shift for one in seen.passes]


def same(found, expected, rtol=1e-4, atol=1e-6):
    """Gradients, by name."""
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=rtol, atol=atol)


def bitwise(found, expected):
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], gradient) for name, gradient in expected.items())


def beats_random(rise, shift, mask=1.0, draws=20):
    """Whether ``rise(shift)`` is above zero and twice that of every random perturbation with each text's length."""
    generator = torch.Generator().manual_seed(0)
    noise = [torch.randn(shift.shape, generator=generator) * mask for _ in range(draws)]
    with torch.no_grad():
        rivals = [float(rise(unit(one) * lengths(shift))) for one in noise]
        return float(rise(shift)) > max(0.0, *(2 * rival for rival in rivals))


def raises_loss(model, batch, shift):
    """Whether the loss at ``e + shift`` is above the clean one, and above that of random perturbations."""
    clean, mask = loss_at(model, batch).detach(), batch["attention_mask"][..., None]
    return beats_random(lambda delta: loss_at(model, batch, delta) - clean, shift, mask)


def moves_predictions(model, batch, shift):
    """Whether predictions move further than under random perturbations."""
    clean, mask = logits_at(model, batch).detach(), batch["attention_mask"][..., None]
    return beats_random(lambda delta: kl(clean, logits_at(model, batch, delta)), shift, mask)


def moved(model, displacements):
    """A twin of the Bag with these displacements added."""
    twin = Bag()
    ends = {name: p.detach() + displacements.get(name, 0) for name, p in model.named_parameters()}
    twin.load_state_dict(ends)
    return twin


def weight_step(start, at, gradients, adv_lr, adv_eps=None):
    """AWP's displacements of the Bag's matrices after one more step from ``at``, in a box around ``start``."""
    result = {}
    for name in MATRICES:
        weight, now = start.get_parameter(name).detach(), at.get_parameter(name).detach()
        to = now + adv_lr * gradients[name] / gradients[name].norm() * now.norm()
        if adv_eps is not None:
            to = torch.minimum(torch.maximum(to, weight - adv_eps * weight.abs()), weight + adv_eps * weight.abs())
        result[name] = to - weight
    return result


@contextmanager
def spoiled(model, *calls):
    """An infinite gradient at the Bag's dropout in these of its calls, counted from 1."""
    count = 0

    def spoil(module, args, output):
        nonlocal count
        count += 1
        if count in calls and output.requires_grad:
            output.register_hook(lambda gradient: gradient * math.inf)

    handle = model.dropout.register_forward_hook(spoil)
    try:
        yield
    finally:
        handle.remove()
