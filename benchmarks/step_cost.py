"""What a step costs, compared with clean training and with the listings that people copy, measured side by side.

    PYTHONPATH=. python benchmarks/step_cost.py [--rounds 5] [--threads 1] [--layers 6] [--hidden 384] [--batch 16]
        [--length 24] [--vocabulary 30522]

With ``--device cuda`` on a GPU. "Listing" is the rule of the classes that people copy (``listing.py``). Rounds are
interleaved. It prints medians as ratios to the clean step of the same run, and the median of the ratios within a round.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from listing import awp as listed_awp
from listing import fgm as listed_fgm
from listing import pgd as listed_pgd
from torch import Tensor
from transformers import BertConfig, BertForSequenceClassification

from adv import AWP, FGM, FP32, PGD, Clean


def model_and_batch(args: argparse.Namespace) -> tuple[BertForSequenceClassification, dict[str, Tensor]]:
    """A BERT of this size with random weights, and a batch of random tokens."""
    sizes = {"num_hidden_layers": args.layers, "hidden_size": args.hidden, "intermediate_size": 4 * args.hidden}
    model = BertForSequenceClassification(
        BertConfig(num_attention_heads=args.hidden // 32, vocab_size=args.vocabulary, **sizes)
    )
    model = model.train().to(args.device)
    ids = torch.randint(1000, 30000, (args.batch, args.length), device=args.device)
    labels = torch.randint(2, (args.batch,), device=args.device)
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}
    return model, batch


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--length", type=int, default=24)
    parser.add_argument("--vocabulary", type=int, default=30522)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model, batch = model_and_batch(args)

    def passing() -> Tensor:
        loss: Tensor = model(**batch).loss
        loss.backward()
        return loss

    fgm, pgd, awp, clean = FGM(), PGD(), AWP(adv_lr=0.1, adv_eps=0.01), Clean()
    steps: dict[str, Callable[[], object]] = {
        "clean": lambda: clean.backward(model, batch, FP32),
        "fgm": lambda: fgm.backward(model, batch, FP32),
        "fgm, listing": lambda: listed_fgm(model, passing),
        "pgd K=3": lambda: pgd.backward(model, batch, FP32),
        "pgd K=3, listing": lambda: listed_pgd(model, passing),
        "awp": lambda: awp.backward(model, batch, FP32),
        "awp, listing": lambda: listed_awp(model, passing),
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
        paired = statistics.median(one / other for one, other in zip(times, seconds["clean"], strict=True))
        print(f"{name:<18} {statistics.median(times) * 1000:9.1f} ms  {ratio:.2f}x clean, {paired:.2f}x by rounds")


if __name__ == "__main__":
    main()
