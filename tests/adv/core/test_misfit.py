"""A batch that does not fit the model is one line that shows ``forward=``; such a forward is as good as a loss inside."""

import re
from types import SimpleNamespace

import pytest
import torch
from helpers.own_models import LSTM, ManyDropouts, MeanPooled, text_batch
from helpers.watched_steps import gradients
from torch import nn
from torch.nn import functional as F
from transformers import BatchEncoding

from adv import FGM, METHODS, SMART, AttackError
from adv.core.modules import unwrapped
from adv.core.passes import call_model


class Broken(MeanPooled):
    """A fault of its own."""

    def forward(self, input_ids, attention_mask, labels=None):
        return len(3)


class Handing(nn.Module):
    """Hands all on to an encoder."""

    def __init__(self):
        super().__init__()
        self.inside = MeanPooled()

    def forward(self, **batch):
        return self.inside(**batch)


def misfits():
    batch = text_batch()
    ids, mask, labels = batch["input_ids"], batch["attention_mask"], batch["labels"]
    lstm, many, pooled = LSTM(), ManyDropouts(), MeanPooled()
    named, keyed = {"input_ids": ids, "target": labels}, {"q": ids, "y": labels}
    yield "tuple", pooled, (ids, mask, labels), "tuple, .* criterion(model(batch[0], batch[1]), batch[2])"
    yield "list", lstm, [ids, labels], "list, .* criterion(model(batch[0]), batch[1])"
    yield "object", lstm, SimpleNamespace(text=ids, label=labels), "criterion(model(batch.text), batch.label)"
    yield "names", lstm, named, 'LSTM.forward(x, lengths): .* criterion(model(batch["input_ids"]), batch["target"])'
    yield "one argument", many, batch, "ManyDropouts.forward(inputs): .* criterion(model(batch), batch["
    yield "too few", pooled, {"input_ids": ids, "labels": labels}, "MeanPooled.forward(input_ids, attention_mask, labels)"
    yield "handed on", Handing(), batch | {"idx": ids}, "attention_mask, labels, idx do not fit Handing.forward(batch)"
    yield "compiled", torch.compile(lstm, backend="eager"), keyed, 'model(batch["q"]), batch["y"])'
    yield (
        "numbers",
        lstm,
        {0: ids, 1: labels},
        "0, 1 do not fit LSTM.forward(x, lengths): .*(model(batch[0]), batch[1])",
    )
    yield "a tensor", lstm, ids, "the batch is of type Tensor"
    yield "nothing", lstm, None, "the batch is of type NoneType"


@pytest.mark.filterwarnings("ignore:the model is compiled")
@pytest.mark.parametrize("kind", [kind for kind, *_ in misfits()])
def test_a_batch_that_does_not_fit_is_one_line_that_shows_forward(kind):
    ((model, batch, words),) = [rest for name, *rest in misfits() if name == kind]
    pattern = ".*".join(re.escape(part) for part in words.split(".*"))
    with pytest.raises(AttackError, match=pattern) as caught:
        FGM(emb_name=r"embedding\.weight|word_embeddings").backward(model, batch)
    message = str(caught.value)
    assert "pass forward=, as in forward=lambda model, batch: criterion(model(" in message
    assert "\n" not in message
    assert len(message) < 400
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    with pytest.raises(AttackError, match=pattern):
        METHODS["none"]().backward(unwrapped(model), batch)


def test_a_model_that_returns_no_loss_is_shown_a_criterion_outside():
    batch = text_batch()
    labels = batch.pop("labels")
    for model in (MeanPooled(), MeanPooled().backbone, nn.Linear(2, 2)):
        given = {"input": torch.ones(3, 2)} if isinstance(model, nn.Linear) else batch
        with pytest.raises(
            AttackError, match=r"returned no loss: .* or pass forward=, as in forward=lambda model, batch: crit"
        ):
            METHODS["sam"]().backward(model, given)
    FGM().backward(MeanPooled(), batch, forward=lambda model, batch: F.cross_entropy(model(**batch)["logits"], labels))


def test_a_fault_inside_the_model_is_shown_as_it_is():
    with pytest.raises(TypeError, match=r"object of type 'int' has no len"):
        FGM().backward(Broken(), text_batch())
    with pytest.raises(TypeError, match=r"no len"):
        call_model(Broken(), text_batch())


def test_what_a_tokenizer_returns_is_a_batch():
    model = MeanPooled()
    batch = text_batch()
    expected, _ = gradients(FGM(), model, batch)
    found, _ = gradients(FGM(), model, BatchEncoding(batch))
    assert all(torch.equal(found[key], value) for key, value in expected.items())


def test_a_criterion_outside_gives_the_gradients_of_one_inside():
    """As mappings, tuples, and for methods that compare predictions."""
    model, batch = MeanPooled(), text_batch()
    weights = torch.tensor([1.0, 2.0, 1.0])

    def inside(model, batch):
        logits = model(batch["input_ids"], batch["attention_mask"])["logits"]
        return {"loss": F.cross_entropy(logits, batch["labels"], weights), "logits": logits}

    def outside(model, batch):
        ids, mask, labels = batch
        logits = model(ids, mask)["logits"]
        return nn.CrossEntropyLoss(weights)(logits, labels), logits

    as_tuple = tuple(batch.values())
    for method in (FGM(), SMART(sigma=0.01)):
        expected, loss = gradients(method, model, batch, forward=inside)
        found, same = gradients(type(method)(**vars_of(method)), model, as_tuple, forward=outside)
        torch.testing.assert_close(loss, same)
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value)
    with pytest.raises(AttackError, match="compares predictions, but the model returned no logits"):
        SMART().backward(model, as_tuple, forward=lambda model, batch: outside(model, batch)[0])


def vars_of(method):
    return {"sigma": method.sigma} if isinstance(method, SMART) else {}


def test_shares_of_accumulated_batches_add_up_to_the_whole_for_a_forward_of_ones_own():
    model, batch = MeanPooled().eval(), text_batch()
    forward = lambda model, batch: F.cross_entropy(model(batch[0], batch[1])["logits"], batch[2])  # noqa: E731
    whole, _ = gradients(FGM(norm="example"), model, tuple(batch.values()), forward=forward)
    model.zero_grad()
    for part in (slice(0, 3), slice(3, 4)):
        rows = tuple(value[part] for value in batch.values())
        FGM(norm="example").backward(model, rows, forward=forward, share=len(rows[2]) / 4)
    for name, p in model.named_parameters():
        if p.grad is not None:
            torch.testing.assert_close(p.grad, whole[name], rtol=1e-4, atol=1e-6)
