"""The Trainer's mixin keeps whatever loss the Trainer computes, and the way in which it weighs micro-batches."""

from dataclasses import dataclass, field

import pytest
import torch
from helpers.framework_loops import (
    METHODS,
    OTHERS,
    Run,
    Told,
    assert_same,
    by_group,
    crossed,
    own_loop,
    tiny_model,
    tiny_rows,
    trainer_of,
)
from torch.nn import functional as F
from torch.utils.data import DataLoader
from transformers import LlamaConfig, LlamaForCausalLM, Trainer

from adv import Clean
from adv.core.passes import call_model
from adv.trainer import AdversarialTraining


def by_items(group):
    """Every label counts the same."""
    items = [int(labels_of(batch).sum()) for batch in group]
    return [count / sum(items) for count in items]


def labels_of(batch):
    """Where a label is learned: a row's, or a token's from the second on, as language models shift them."""
    labels = batch["labels"]
    return labels.ne(-100) if labels.dim() == 1 else labels[:, 1:].ne(-100)


def language_model():
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    return LlamaForCausalLM(LlamaConfig(vocab_size=60, pad_token_id=0, **shape)).train()


def language_rows(count):
    """The rows with their own tokens as labels; padding is not learned."""
    rows = tiny_rows(count)
    return [row | {"labels": row["input_ids"].masked_fill(row["attention_mask"] == 0, -100)} for row in rows]


def smoothed(model, batch):
    output = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    return {"loss": F.cross_entropy(output.logits, batch["labels"], label_smoothing=0.2), "logits": output.logits}


def summed(outputs, labels, num_items_in_batch=None):
    return F.cross_entropy(outputs["logits"], labels, reduction="sum") / num_items_in_batch


@dataclass
class Case:
    """A loss of the Trainer, and the same in the own loop."""

    shares: object
    forward: object = call_model
    model: object = lambda: tiny_model(dropout=0.0)
    rows: object = tiny_rows
    attributes: dict = field(default_factory=dict)
    arguments: dict = field(default_factory=dict)

    def run(self, method, folder, count=12):
        """The Trainer's run: a stock one's where there is no method."""
        kind = type("Kind", (AdversarialTraining, Trainer) if method is not None else (Trainer,), self.attributes)
        run = Run(self.model())
        trainer = trainer_of(kind, run, self.rows(count), folder, **self.arguments)
        if method is not None:
            trainer.method = method
        trainer.train()
        return run, trainer

    def own(self, method, count=12):
        batches = list(DataLoader(self.rows(count), batch_size=8))
        return own_loop(Run(self.model()), method, batches, self.shares, forward=self.forward)


CASES = {
    "mean of a batch": Case(by_group, attributes={"loss_is_scaled_for_ga": False}),
    "label smoothing": Case(by_items, smoothed, arguments={"label_smoothing_factor": 0.2}),
    "function of the user": Case(by_items, arguments={"more": {"compute_loss_func": summed}}),
    "tokens": Case(by_items, model=language_model, rows=language_rows),
}


# As the stock Trainer has it for BERT: the means of micro-batches, added up.
STOCK = CASES | {"mean, taken for scaled": Case(None)}


@pytest.mark.parametrize("name", STOCK)
def test_without_a_method_it_is_the_stock_trainer(name, tmp_path):
    (stock, reported), (run, trainer) = STOCK[name].run(None, tmp_path), STOCK[name].run(Clean(), tmp_path)
    assert_same(run, stock)
    losses = [t.state.log_history[-1]["train_loss"] for t in (trainer, reported)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize(("name", "method"), crossed(CASES))
def test_all_passes_use_the_loss_and_the_weights_of_the_trainer(name, method, tmp_path):
    run, _ = CASES[name].run((METHODS | OTHERS)[method](), tmp_path)
    assert_same(run, CASES[name].own((METHODS | OTHERS)[method]()))


def test_a_last_group_that_is_short(tmp_path):
    run, _ = CASES["label smoothing"].run(METHODS["fgm"](), tmp_path, count=20)
    assert_same(run, CASES["label smoothing"].own(METHODS["fgm"](), count=20))


def test_training_twice_tells_of_a_step_once(tmp_path):
    method = Told(epsilon=0.5)
    _, trainer = CASES["mean of a batch"].run(method, tmp_path)
    before = method.taken
    trainer.train()
    assert method.taken == 2 * before == 4
