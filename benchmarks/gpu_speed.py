"""What training costs on a GPU: steps, tokens a second, memory, waits of the host; and memory over many runs.

    PYTHONPATH=. python benchmarks/gpu_speed.py [--minutes 2] [--precision bf16,fp16] [--batch 16] [--length 128]

DeBERTa-v3-base's shape with random weights. A step is forward and backward passes with the method's own work; rounds are
interleaved, medians are ratios to the clean step of the same rounds. "Listing" is the rule of the classes that people copy.
Tokens a second are those of a whole optimiser step (clipping, fused AdamW, scaler); memory is the peak of such a step above
what model and optimiser hold between steps. Then an optimiser step of every method under ``set_sync_debug_mode("error")``,
and the memory that is held after each of many runs of the training loop on the built-in task.
"""

import argparse
import copy
import gc
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import listing
import numpy as np
import torch
from torch import Tensor
from transformers import DebertaV2Config, DebertaV2ForSequenceClassification

from adv import AWP, FGM, METHODS, PGD, Clean, Method, Precision

GIB = 2**30
DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
OURS: dict[str, Method] = {
    "none": Clean(),
    "fgm": FGM(),
    "pgd": PGD(),
    "awp": AWP(adv_lr=0.01, adv_eps=0.01),
    "awp, momentum": AWP(adv_lr=0.01, adv_eps=0.01, direction="momentum"),
}


def deberta(args: argparse.Namespace) -> Any:
    """A model of the shape of DeBERTa-v3-base, and smaller where the options say so."""
    config = DebertaV2Config(
        vocab_size=args.vocabulary,
        hidden_size=args.hidden,
        num_hidden_layers=args.layers,
        num_attention_heads=args.hidden // 64,
        intermediate_size=4 * args.hidden,
        type_vocab_size=0,
        relative_attention=True,
        position_buckets=256,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        pooler_hidden_size=args.hidden,
        problem_type="single_label_classification",
        num_labels=3,
    )
    torch.manual_seed(0)
    return DebertaV2ForSequenceClassification(config).train().to(args.device)


def batch_of(args: argparse.Namespace) -> dict[str, Tensor]:
    """One batch; a quarter of its texts is half as long."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(10, args.vocabulary, (args.batch, args.length), generator=generator)
    mask = torch.ones_like(ids)
    mask[: args.batch // 4, args.length // 2 :] = 0
    labels = torch.randint(3, (args.batch,), generator=generator)
    named = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    return {name: value.to(args.device) for name, value in named.items()}


def finish(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


class Run:
    """A model with its optimiser, trained on one batch in one precision."""

    def __init__(self, args: argparse.Namespace, precision: str) -> None:
        self.device, self.model, self.batch = args.device, deberta(args), batch_of(args)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=1e-5, fused=True)
        scaler = torch.amp.GradScaler(args.device.split(":")[0], init_scale=1024.0) if precision == "fp16" else None
        self.precision = Precision(dtype=DTYPES[precision], scaler=scaler)

    def passing(self) -> Tensor:
        """One forward and backward pass, as a plain loop makes it."""
        with self.precision.autocast(torch.device(self.device)):
            loss: Tensor = self.model(**self.batch).loss
        self.precision.scale(loss).backward()
        return loss

    def update(self) -> None:
        """The rest of an optimiser step, as in the training loop."""
        scaler = self.precision.scaler
        if scaler is not None:
            scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        if scaler is None:
            self.optimiser.step()
        else:
            scaler.step(self.optimiser)
            scaler.update()
        self.optimiser.zero_grad()

    def steps(self) -> dict[str, Callable[[], object]]:
        """Every step by name."""
        found: dict[str, Callable[[], object]] = {}
        for name, method in OURS.items():
            mine = copy.deepcopy(method)
            mine.follow(self.optimiser)
            found[name] = lambda mine=mine: mine.backward(self.model, self.batch, self.precision)  # type: ignore[misc]
            if name in listing.RULES and name != "none":
                rule = listing.RULES[name]
                found[f"{name}, listing"] = lambda rule=rule: rule(self.model, self.passing)  # type: ignore[misc]
        return found


def costs(args: argparse.Namespace, precision: str, seconds: float) -> None:
    """Print a row for every step."""
    run = Run(args, precision)
    tokens, cuda = int(run.batch["attention_mask"].sum()), args.device.startswith("cuda")
    steps = run.steps()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    peaks = dict.fromkeys(steps, 0)
    until, number = time.perf_counter() + seconds, 0
    while number < 3 or time.perf_counter() < until:
        for name, step in steps.items():
            finish(args.device)
            held = torch.cuda.memory_allocated() if cuda else 0
            if cuda:
                torch.cuda.reset_peak_memory_stats()
            began = time.perf_counter()
            step()
            finish(args.device)
            passed = time.perf_counter()
            run.update()
            finish(args.device)
            if number:  # the first round warms up
                times[name].append((passed - began, time.perf_counter() - began))
                peaks[name] = max(peaks[name], torch.cuda.max_memory_allocated() - held) if cuda else 0
        number += 1
    base, total = (statistics.median(part) for part in zip(*times["none"], strict=True))
    print(f"\n{precision}: {args.batch} x {args.length} tokens ({tokens} without padding), {number - 1} rounds")
    print(f"{'step':<16} {'ms':>8} {'x clean':>8} {'with optimiser':>15} {'x clean':>8} {'tokens/s':>9} {'peak GiB':>9}")
    for name, pairs in times.items():
        one, whole = (statistics.median(part) for part in zip(*pairs, strict=True))
        row = f"{name:<16} {one * 1000:8.1f} {one / base:8.2f} {whole * 1000:15.1f} {whole / total:8.2f}"
        print(f"{row} {tokens / whole:9.0f} {peaks[name] / GIB:9.2f}", flush=True)


def let_through(model: Any) -> None:
    """Exempt DeBERTa's own wait: its table of relative positions begins as a number on the CPU, in every pass."""
    encoder = model.deberta.encoder
    table = encoder.get_rel_pos

    def unwatched(*args: Any, **kwargs: Any) -> Any:
        mode = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("default")
        try:
            return table(*args, **kwargs)
        finally:
            torch.cuda.set_sync_debug_mode(mode)

    encoder.get_rel_pos = unwatched


def waits(args: argparse.Namespace, precision: str) -> None:
    """Print for every method whether the host waited for the GPU in an optimiser step."""
    run, found = Run(args, precision), dict[str, str]()
    let_through(run.model)
    for name, kind in METHODS.items():
        method = kind()
        method.follow(run.optimiser)
        try:
            for number in range(3):
                # The first steps compile kernels and build tables.
                torch.cuda.set_sync_debug_mode("error" if number == 2 else "default")
                method.backward(run.model, run.batch, run.precision)
                run.update()
                method.after_step(run.model)
        except RuntimeError as error:
            frames, at = list[str](), error.__traceback__
            while at is not None:
                frames.append(f"{at.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{at.tb_lineno}")
                at = at.tb_next
            found[name] = f"{' > '.join(frames[-3:])} {str(error).splitlines()[0][:90]}"
        finally:
            torch.cuda.set_sync_debug_mode("default")
            run.optimiser.zero_grad()
    print(f"\n{precision}, set_sync_debug_mode('error'): {len(METHODS) - len(found)} of {len(METHODS)} methods never wait")
    for name, why in found.items():
        print(f"  {name}: {why}")


def many_runs(runs: int, seconds: float) -> None:
    """Print the memory that is held after runs of the training loop on the built-in task."""
    from finetune.config import Data, Recipe
    from finetune.data.load import load_task
    from finetune.training.bench import Bench
    from finetune.training.loop import Training

    task, index = load_task(Data(task="reviews")), np.arange(64)
    task = replace(task, train=task.train.take(index), validation=task.validation.take(index))
    recipe = Recipe(epochs=1)
    bench, until, cuda = Bench(task, recipe), time.perf_counter() + seconds, torch.cuda.is_available()
    print("\nruns  GPU held MiB  GPU reserved MiB  process GiB (peak)")
    for number in range(1, runs + 1):
        method = METHODS["awp"](adv_lr=0.01, adv_eps=0.01) if number % 2 else METHODS["pgd"]()
        for _ in Training(bench, recipe, method).epochs():
            pass
        if number in (1, 2, 10, 25, 50, runs) or time.perf_counter() > until:
            gc.collect()
            held, reserved = (torch.cuda.memory_allocated(), torch.cuda.memory_reserved()) if cuda else (0, 0)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            print(f"{number:4} {held / 2**20:13.1f} {reserved / 2**20:17.1f} {peak:12.2f}", flush=True)
        if time.perf_counter() > until:
            break


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--precision", default="bf16,fp16")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--hidden", type=int, default=768)
    parser.add_argument("--vocabulary", type=int, default=128100)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--runs", type=int, default=100)
    args = parser.parse_args()
    began, names = time.perf_counter(), args.precision.split(",")
    where = torch.cuda.get_device_name() if args.device.startswith("cuda") else "CPU"
    print(f"{where}, torch {torch.__version__}; {args.layers} layers of {args.hidden}, {args.vocabulary} words")
    for name in names:
        costs(args, name, 20 * args.minutes / len(names))
    if args.device.startswith("cuda"):
        for name in names:
            waits(args, name)
    many_runs(args.runs, max(10.0, 60 * args.minutes - (time.perf_counter() - began)))
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
