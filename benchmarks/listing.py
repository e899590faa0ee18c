"""The rules of the classes that most people copy, written plainly: what an attacked step costs without this project.

FGM and PGD copy and shift the embedding matrix, AWP keeps three copies of every weight it touches. ``passing`` makes one
forward and backward pass on the batch of the step and returns its loss.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Pass = Callable[[], Tensor]
Rule = Callable[..., Tensor]


def clean(model: nn.Module, passing: Pass) -> Tensor:
    return passing()


def fgm(model: Any, passing: Pass, epsilon: float = 1.0) -> Tensor:
    loss = passing()
    matrix = model.get_input_embeddings().weight
    kept = matrix.data.clone()
    norm = torch.norm(matrix.grad)
    if norm != 0 and not torch.isnan(norm):
        matrix.data.add_(epsilon * matrix.grad / norm)
    passing()
    matrix.data = kept
    return loss


def pgd(model: Any, passing: Pass, epsilon: float = 1.0, alpha: float = 0.3, K: int = 3) -> Tensor:
    loss = passing()
    kept_grads = {p: p.grad.clone() for p in model.parameters() if p.grad is not None}
    matrix = model.get_input_embeddings().weight
    kept = matrix.data.clone()
    for step in range(K):
        norm = torch.norm(matrix.grad)
        if norm != 0 and not torch.isnan(norm):
            matrix.data.add_(alpha * matrix.grad / norm)
            shift = matrix.data - kept
            if torch.norm(shift) > epsilon:
                shift = epsilon * shift / torch.norm(shift)
            matrix.data = kept + shift
        if step < K - 1:
            model.zero_grad()
        else:
            for p, grad in kept_grads.items():
                p.grad = grad
        passing()
    matrix.data = kept
    return loss


def awp(model: nn.Module, passing: Pass, adv_lr: float = 0.1, adv_eps: float = 0.01) -> Tensor:
    loss = passing()
    kept, boxes = {}, {}
    for name, p in model.named_parameters():
        if p.requires_grad and p.grad is not None and "weight" in name:
            kept[name] = p.data.clone()
            size = adv_eps * p.detach().abs()
            boxes[name] = (kept[name] - size, kept[name] + size)
    for name, p in model.named_parameters():
        if name in kept and p.grad is not None:
            norm, length = torch.norm(p.grad), torch.norm(p.detach())
            if norm != 0 and not torch.isnan(norm):
                p.data.add_(adv_lr * p.grad / (norm + 1e-6) * (length + 1e-6))
                p.data = torch.min(torch.max(p.data, boxes[name][0]), boxes[name][1])
    model.zero_grad()  # the listing runs the forward pass first; the order changes nothing
    loss = passing()
    for name, p in model.named_parameters():
        if name in kept:
            p.data = kept[name]
    return loss


RULES: dict[str, Rule] = {"none": clean, "fgm": fgm, "pgd": pgd, "awp": awp}
