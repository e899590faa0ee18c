"""What only a GPU can show: the same gradients as on a CPU, no waiting for the GPU within a step, runs that repeat.

    python benchmarks/gpu_checks.py

For every method with its defaults, the gradients of a third step on a tiny BERT without dropout: their cosine to the CPU's
in fp32 and in bf16, whether a second run gives the same bits, and where the host waited for the GPU. Methods that draw
noise differ from the CPU, which has another generator. Then short runs on the built-in task, in each precision: whether a
second run, and one taken up after the first epoch, end alike.
"""

import copy
import tempfile
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification

from adv import METHODS, Precision
from finetune.config import Data, Recipe
from finetune.data.load import load_task
from finetune.training.bench import Bench
from finetune.training.loop import Training

Grads = dict[str, Tensor]


def step(base: nn.Module, batch: Grads, name: str, device: str, dtype: torch.dtype | None = None) -> tuple[Grads, list[str]]:
    """The gradients of the third step of training, and the places where the host waited in it."""
    model = copy.deepcopy(base).to(device)
    moved, precision = {key: value.to(device) for key, value in batch.items()}, Precision(dtype=dtype)
    method, optimiser = METHODS[name](), torch.optim.AdamW(model.parameters(), 1e-3)
    method.follow(optimiser)
    for number in range(2):
        torch.manual_seed(number)
        method.backward(model, moved, precision)
        optimiser.step()
        method.after_step(model)
        optimiser.zero_grad()
    torch.manual_seed(2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn" if device == "cuda" else "default")
        method.backward(model, moved, precision)
        torch.cuda.set_sync_debug_mode("default")
    waits = [f"{Path(each.filename).name}:{each.lineno}" for each in caught if "synchroniz" in str(each.message)]
    return {key: weight.grad.cpu() for key, weight in model.named_parameters() if weight.grad is not None}, waits


def cosine(one: Grads, other: Grads) -> float:
    """The cosine of two sets of gradients."""
    flat = [torch.cat([grads[name].flatten().double() for name in one]) for grads in (one, other)]
    return float(torch.cosine_similarity(*flat, dim=0))


def steps() -> None:
    """Print a row for every method."""
    torch.manual_seed(0)
    sizes = {
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_attention_heads": 2,
        "vocab_size": 500,
    }
    base = BertForSequenceClassification(BertConfig(**sizes, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))
    ids = torch.randint(10, 500, (8, 12))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.randint(2, (8,))}
    batch["attention_mask"][:3, 8:] = 0
    print(f"{'method':18} cos to CPU  bf16   repeats  waits")
    for name in METHODS:
        here, (there, waits) = step(base.train(), batch, name, "cpu")[0], step(base, batch, name, "cuda")
        again, half = step(base, batch, name, "cuda")[0], step(base, batch, name, "cuda", torch.bfloat16)[0]
        repeats = all(torch.equal(there[key], again[key]) for key in there)
        places = ", ".join(sorted(set(waits))) or "none"
        print(f"{name:18} {cosine(here, there):.6f}    {cosine(here, half):.3f}  {repeats!s:7}  {len(waits)}: {places}")


def runs() -> None:
    """Print whether runs repeat."""
    task = load_task(Data(task="reviews"))
    for precision in ("fp32", "bf16", "fp16"):
        recipe = Recipe(precision=precision, epochs=3)
        bench = Bench(task, recipe)
        for name, settings in (("fgm", {"epsilon": 0.5}), ("pgd", {}), ("awp", {"adv_lr": 0.01, "adv_eps": 0.01})):
            method = METHODS[name](**settings)
            one, other = ([epoch.metrics for epoch in Training(bench, recipe, method).epochs()] for _ in range(2))
            with tempfile.TemporaryDirectory() as folder:
                stopped, taken_up = Training(bench, recipe, method), Training(bench, recipe, method)
                next(stopped.epochs())
                stopped.save(Path(folder) / "snapshot")
                taken_up.load(Path(folder) / "snapshot")
                later = [epoch.metrics for epoch in taken_up.epochs()]
            print(f"{precision} {name}: {one[-1]['accuracy']:.4f}, repeats: {one == other}, taken up: {one == later}")


if __name__ == "__main__":
    steps()
    runs()
