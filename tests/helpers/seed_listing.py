"""The listing in circulation (FGM, PGD, AWP on the weights themselves, plain fp32) as the oracle of the parity tests."""

import torch

from helpers.tiny_models import grads_of


def fgm(model, batch, matrix, epsilon):
    """The matrix moves by epsilon along its gradient; the second backward adds to the first."""
    model.zero_grad()
    model(**batch).loss.backward()
    saved = matrix.data.clone()
    matrix.data.add_(epsilon * matrix.grad / matrix.grad.norm())
    model(**batch).loss.backward()
    matrix.data = saved
    return grads_of(model)


def pgd(model, batch, matrix, epsilon, alpha, steps):
    """K moves of the matrix, each projected; only the last gradient joins the clean one."""
    model.zero_grad()
    model(**batch).loss.backward()
    clean, saved = grads_of(model), matrix.data.clone()
    for step in range(steps):
        moved = matrix.data + alpha * matrix.grad / matrix.grad.norm() - saved
        if moved.norm() > epsilon:
            moved = epsilon * moved / moved.norm()
        matrix.data = saved + moved
        model.zero_grad()
        if step == steps - 1:
            for name, p in model.named_parameters():
                p.grad = clean.get(name)
        model(**batch).loss.backward()
    matrix.data = saved
    return grads_of(model)


def awp(model, batch, adv_lr, adv_eps, steps, name_part="weight", e=1e-6):
    """Every named weight moves along its gradient, inside its box, with a fresh gradient for each step."""
    model.zero_grad()
    model(**batch).loss.backward()
    saved, box = {}, {}
    for name, p in model.named_parameters():
        if p.grad is not None and name_part in name:
            saved[name] = p.data.clone()
            room = adv_eps * p.detach().abs()
            box[name] = (p.data - room, p.data + room)
    for _ in range(steps):
        for name, p in model.named_parameters():
            if name in saved and p.grad is not None and p.grad.norm() != 0:
                p.data.add_(adv_lr * p.grad / (p.grad.norm() + e) * (p.data.norm() + e))
                p.data = torch.min(torch.max(p.data, box[name][0]), box[name][1])
        loss = model(**batch).loss
        model.zero_grad()
        loss.backward()
    for name, p in model.named_parameters():
        p.data = saved.get(name, p.data)
    return grads_of(model)
