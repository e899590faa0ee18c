"""What a step costs, compared with clean training and with the listings that people copy, measured side by side.

    python benchmarks/step_cost.py [--rounds 5] [--layers 6] [--hidden 384] [--batch 16] [--length 24] [--device cpu]

The peers are rewrites of the listings: FGM and PGD copy and shift the embedding matrix, AWP keeps three copies of every
weight. Rounds are interleaved. It prints medians, as ratios to the clean step of the same run.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification

from adv import AWP, FGM, FP32, PGD, Clean

Batch = dict[str, Tensor]


def peer_fgm(model: nn.Module, batch: Batch, epsilon: float = 1.0) -> None:
    model(**batch).loss.backward()
    matrix = model.get_input_embeddings().weight
    kept = matrix.data.clone()
    norm = torch.norm(matrix.grad)
    if norm != 0 and not torch.isnan(norm):
        matrix.data.add_(epsilon * matrix.grad / norm)
    model(**batch).loss.backward()
    matrix.data = kept


def peer_pgd(model: nn.Module, batch: Batch, epsilon: float = 1.0, alpha: float = 0.3, steps: int = 3) -> None:
    model(**batch).loss.backward()
    kept_grads = {p: p.grad.clone() for p in model.parameters() if p.grad is not None}
    matrix = model.get_input_embeddings().weight
    kept = matrix.data.clone()
    for step in range(steps):
        matrix.data.add_(alpha * matrix.grad / torch.norm(matrix.grad))
        shift = matrix.data - kept
        if torch.norm(shift) > epsilon:
            shift = epsilon * shift / torch.norm(shift)
        matrix.data = kept + shift
        if step < steps - 1:
            model.zero_grad()
        else:
            for p, grad in kept_grads.items():
                p.grad = grad
        model(**batch).loss.backward()
    matrix.data = kept


def peer_awp(model: nn.Module, batch: Batch, adv_lr: float = 0.1, adv_eps: float = 0.01) -> None:
    model(**batch).loss.backward()
    kept, boxes = {}, {}
    for name, p in model.named_parameters():
        if p.grad is not None and "weight" in name:
            kept[name] = p.data.clone()
            size = adv_eps * p.detach().abs()
            boxes[name] = (kept[name] - size, kept[name] + size)
    for name, p in model.named_parameters():
        if name in kept:
            norm = torch.norm(p.grad)
            if norm != 0 and not torch.isnan(norm):
                p.data.add_(adv_lr * p.grad / (norm + 1e-6) * (torch.norm(p.detach()) + 1e-6))
                p.data = torch.min(torch.max(p.data, boxes[name][0]), boxes[name][1])
    loss = model(**batch).loss
    model.zero_grad()
    loss.backward()
    for name, p in model.named_parameters():
        if name in kept:
            p.data = kept[name]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--length", type=int, default=24)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    sizes = {"num_hidden_layers": args.layers, "hidden_size": args.hidden, "intermediate_size": 4 * args.hidden}
    model = BertForSequenceClassification(BertConfig(num_attention_heads=args.hidden // 32, **sizes))
    model = model.train().to(args.device)
    ids = torch.randint(1000, 30000, (args.batch, args.length), device=args.device)
    labels = torch.randint(2, (args.batch,), device=args.device)
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}
    fgm, pgd, awp, clean = FGM(), PGD(), AWP(adv_lr=0.1, adv_eps=0.01), Clean()
    steps: dict[str, Callable[[], object]] = {
        "clean": lambda: clean.backward(model, batch, FP32),
        "fgm": lambda: fgm.backward(model, batch, FP32),
        "fgm, listing": lambda: peer_fgm(model, batch),
        "pgd K=3": lambda: pgd.backward(model, batch, FP32),
        "pgd K=3, listing": lambda: peer_pgd(model, batch),
        "awp": lambda: awp.backward(model, batch, FP32),
        "awp, listing": lambda: peer_awp(model, batch),
    }
    finish = torch.cuda.synchronize if args.device.startswith("cuda") else lambda: None
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(args.rounds + 1):
        for name, step in steps.items():
            model.zero_grad()
            finish()
            began = time.perf_counter()
            step()
            finish()
            if number:  # the first round warms up
                seconds[name].append(time.perf_counter() - began)
    base = statistics.median(seconds["clean"])
    for name, times in seconds.items():
        ratio = statistics.median(times) / base
        print(f"{name:<18} {statistics.median(times) * 1000:9.1f} ms  {ratio:.2f}x clean")


if __name__ == "__main__":
    main()
