"""The project's own way to train, on a given loader, and each example as one function: what tests/test_examples.py compares.

Dropout is 0 (frameworks draw from the generators at other places), the optimiser plain SGD (Adam blows rounding up).
"""

from dataclasses import dataclass, field
from functools import partial

import accelerate_loop
import hf_trainer
import lightning_module
import plain_pytorch
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from pytorch_lightning import Trainer as Lightning
from pytorch_lightning.plugins import MixedPrecision
from tiny_setup import tiny_loader, tiny_model, tiny_rows
from transformers import TrainingArguments

from adv import AWP, FGM, PGD, R3F, SAM, SMART, Clean, Precision
from adv.core.passes import call_model
from helpers import cheap_trainers  # noqa: F401
from helpers.tiny_models import grads_of

AUTOCAST = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
SIZE, ACCUMULATE = 8, 2


def seeded(kind):
    """The method with noise of its own for each call: frameworks draw from the generators at other places."""

    class Seeded(kind):
        calls = 0

        def backward(self, *args, **kwargs):
            self.calls += 1
            torch.manual_seed(self.calls)
            return super().backward(*args, **kwargs)

    return Seeded


METHODS = {
    "fgm": partial(FGM, epsilon=0.5),
    "pgd": partial(PGD, epsilon=0.5, alpha=0.2, K=3),
    "awp": partial(AWP, adv_lr=0.1, adv_eps=0.1),
}
# With a regulariser beside the loss, a teacher, all weights at once.
OTHERS = {
    "r3f": partial(seeded(R3F), sigma=0.1),
    "smart": partial(seeded(SMART), sigma=0.1, alpha=0.1),
    "sam": partial(SAM, rho=0.1),
}
# Two of each kind of step: on embeddings, on weights, with a regulariser.
KINDS = (("fgm", "pgd"), ("awp", "sam"), ("r3f", "smart"))


def crossed(cases):
    """Every case with a method of each kind, every method with half of the cases."""
    return [(case, kind[number % 2]) for number, case in enumerate(cases) for kind in KINDS]


@dataclass
class Run:
    """A model and its optimiser; keeps the gradients that each step used.

    Read after the step: Lightning clips in a closure that the optimiser calls.
    """

    model: torch.nn.Module = field(default_factory=lambda: tiny_model(dropout=0.0))
    seen: list[dict[str, torch.Tensor]] = field(default_factory=list)

    def __post_init__(self):
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.SGD(trained, lr=0.1, momentum=0.5)
        self.optimizer.register_step_post_hook(lambda *_: self.seen.append(grads_of(self.model)))


def by_rows(group):
    """Every row of an optimiser step counts the same."""
    rows = [len(batch["labels"]) for batch in group]
    return [count / sum(rows) for count in rows]


def by_batches(group):
    """Every micro-batch counts 1/N, also in a last group that is short of micro-batches."""
    return [1 / ACCUMULATE] * len(group)


def by_group(group):
    """Every micro-batch counts the same; those of a short last group count more."""
    return [1 / len(group)] * len(group)


def own_loop(run, method, batches, shares, epochs=2, precision="fp32", forward=call_model):
    """As finetune.training.loop trains: ``Method.backward`` with the share of each micro-batch, then unscale, clip, step."""
    scaler = torch.amp.GradScaler("cpu", enabled=precision == "fp16")
    how = Precision(dtype=AUTOCAST[precision], scaler=scaler)
    for epoch in range(epochs):
        for first in range(0, len(batches), ACCUMULATE):
            active = method if epoch + first / len(batches) >= method.start_epoch else Clean()
            group = batches[first : first + ACCUMULATE]
            for batch, share in zip(group, shares(group), strict=True):
                active.backward(run.model, batch, how, forward, share)
            scaler.unscale_(run.optimizer)
            torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
            scaler.step(run.optimizer)
            scaler.update()
            run.optimizer.zero_grad()
            active.after_step(run.model)
    return run


def plain(run, method, count, precision, folder, epochs=2):
    plain_pytorch.train(run.model, method, tiny_loader(count, SIZE), run.optimizer, epochs, ACCUMULATE, AUTOCAST[precision])


def accelerated(run, method, count, precision, folder, epochs=2):
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    mixed = "no" if precision == "fp32" else precision
    accelerator = Accelerator(cpu=True, mixed_precision=mixed, gradient_accumulation_steps=ACCUMULATE)
    on_the_cpu_too(accelerator, precision)
    accelerate_loop.train(run.model, method, tiny_loader(count, SIZE), run.optimizer, accelerator, epochs)


def on_the_cpu_too(accelerator, precision):
    """Accelerate leaves fp16 out on a CPU, without a word; this is what it sets up on a GPU."""
    if precision == "fp16":
        accelerator.native_amp, accelerator.scaler = True, torch.amp.GradScaler("cpu")


def trainer_of(kind, run, rows, folder, precision="fp32", epochs=2, more=None, **arguments):
    """A Trainer that keeps the order of the rows and writes nothing but into ``folder``."""
    arguments = TrainingArguments(
        str(folder),
        num_train_epochs=epochs,
        per_device_train_batch_size=SIZE,
        gradient_accumulation_steps=ACCUMULATE,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        lr_scheduler_type="constant",
        train_sampling_strategy="sequential",
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        dataloader_pin_memory=False,
        disable_tqdm=True,
        **arguments,
    )
    trainer = kind(run.model, arguments, train_dataset=rows, optimizers=(run.optimizer, None), **(more or {}))
    on_the_cpu_too(trainer.accelerator, precision)
    return trainer


def hugging_face(run, method, count, precision, folder, epochs=2):
    trainer = trainer_of(hf_trainer.AdversarialTrainer, run, tiny_rows(count), folder, precision, epochs)
    trainer.method = method
    trainer.train()


def lightning(run, method, count, precision, folder, epochs=2):
    module = lightning_module.Adversarial(run.model, method, run.optimizer, ACCUMULATE)
    # Lightning makes bf16 of fp16 on a CPU, unless the plugin is given.
    half = {"fp16": {"plugins": MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))}}
    how = half.get(precision, {"precision": "bf16-mixed" if precision == "bf16" else "32-true"})
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    Lightning(max_epochs=epochs, accelerator="cpu", default_root_dir=folder, **how, **quiet).fit(
        module, tiny_loader(count, SIZE)
    )


# How each runs, and how it weighs micro-batches.
LOOPS = {
    "plain_pytorch": (plain, by_rows),
    "accelerate_loop": (accelerated, by_batches),
    "hf_trainer": (hugging_face, by_group),
    "lightning_module": (lightning, by_batches),
}


def assert_same(run, own):
    """Gradients of each optimiser step, and the weights in the end."""
    assert_same_gradients(run.seen, own.seen)
    for (key, weight), wanted in zip(run.model.named_parameters(), own.model.parameters(), strict=True):
        torch.testing.assert_close(weight, wanted, rtol=1e-5, atol=1e-7, msg=key)


def assert_same_gradients(steps, wanted):
    """Of each optimiser step."""
    assert len(steps) == len(wanted) > 0
    for gradients, others in zip(steps, wanted, strict=True):
        assert gradients.keys() == others.keys()
        for key, gradient in gradients.items():
            torch.testing.assert_close(gradient, others[key], rtol=1e-5, atol=1e-7)


class Told(FGM):
    """FGM that counts what it is told."""

    def __post_init__(self):
        super().__post_init__()
        self.followed, self.taken, self.batches = [], 0, 0

    def follow(self, optimizer):
        self.followed.append(optimizer)

    def backward(self, *args, **kwargs):
        self.batches += 1
        return super().backward(*args, **kwargs)

    def after_step(self, model):
        assert isinstance(model, torch.nn.Module)
        self.taken += 1
