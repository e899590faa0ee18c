"""The forward passes: where the loss is found, dropout masks and noise."""

from types import SimpleNamespace

import pytest
import torch
from helpers.tiny_models import Bag, batch_for, build
from helpers.watched_steps import ON_WEIGHTS, REGULARISED, gradients, made, plain_step, state_of, watch
from torch import nn
from torch.nn import functional as F
from transformers.modeling_outputs import SequenceClassifierOutput

from adv import FP32, METHODS, AttackError
from adv.core.passes import Passes, call_model, read_loss

every_method = pytest.mark.parametrize("name", METHODS)


class Answers(Bag):
    """A model that gives its loss in several ways."""

    shape = staticmethod(lambda loss, logits: {"loss": loss, "logits": logits})

    def forward(self, input_ids, labels=None, attention_mask=None):
        logits = self.output(self.dropout(self.embedding(input_ids)).mean(1))
        return self.shape(None if labels is None else F.cross_entropy(logits, labels), logits)


SHAPES = {
    "ModelOutput": lambda loss, logits: SequenceClassifierOutput(loss=loss, logits=logits),
    "tuple": lambda loss, logits: (loss, logits),
    "object": lambda loss, logits: SimpleNamespace(loss=loss, logits=logits),
    "one loss for each replica": lambda loss, logits: {"loss": loss.expand(2), "logits": logits},
    "tensor": lambda loss, logits: loss,
}


@every_method
@pytest.mark.parametrize("shape", SHAPES)
def test_the_loss_is_found_in_what_a_model_returns(name, shape):
    model = Answers()
    batch = batch_for(model)
    expected, loss = gradients(made(name, model), model, batch)
    model.shape = SHAPES[shape]
    if shape == "tensor" and name in REGULARISED:
        with pytest.raises(AttackError, match="compares predictions, but the model returned no logits"):
            gradients(made(name, model), model, batch)
        return
    found, same = gradients(made(name, model), model, batch)
    assert torch.equal(loss, same)
    assert all(torch.equal(found[key], value) for key, value in expected.items())


@every_method
def test_a_users_own_forward_may_take_any_batch_and_return_the_loss(name):
    def weighted(model, batch):
        texts, labels, weights = batch
        logits = model(texts)["logits"]
        return {
            "loss": (F.cross_entropy(logits, labels, reduction="none") * weights).sum() / weights.sum(),
            "logits": logits,
        }

    model = Answers()
    batch = batch_for(model)
    del batch["attention_mask"]
    expected, _ = gradients(made(name, model), model, batch)
    own = (batch["input_ids"], batch["labels"], torch.ones(4))
    found, _ = gradients(made(name, model), model, own, forward=weighted)
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    "output",
    [
        {"logits": torch.ones(2, 3)},
        SequenceClassifierOutput(logits=torch.ones(2, 3)),
        (torch.ones(2, 3),),
        torch.ones(2, 3),
        torch.ones((), dtype=torch.long),
        SimpleNamespace(loss=None),
        {"loss": "loss"},
        None,
    ],
)
def test_no_loss_is_an_error_and_not_the_mean_of_the_logits(output):
    with pytest.raises(AttackError, match="the model returned no loss: put the labels into the batch, or pass forward"):
        read_loss(output)


VECTOR, NUMBER = torch.ones(4), torch.ones(())


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ((VECTOR, NUMBER), r"a tensor \(4,\) and a number, and a loss is expected first"),
        ((torch.ones(4, 1), NUMBER), r"a tensor \(4, 1\) and a number, and a loss is expected first"),
        ((torch.ones(4, 3), torch.ones(4, 9, 8), NUMBER), "and a loss is expected first"),
        ((torch.ones(1), NUMBER), r"a tensor \(1,\) and a number, and a loss is expected first"),
        ((VECTOR, VECTOR), "may be losses or predictions"),
        ((VECTOR, torch.ones(4, 3)), "may be losses or predictions"),
        ((VECTOR, torch.ones(4, 9, 8)), "may be losses or predictions"),
        ((torch.ones(1), torch.ones(1, 9, 8)), "may be losses or predictions"),
        ((VECTOR,), r"a tensor \(4,\), which may be losses or predictions"),
        (VECTOR, "may be losses or predictions"),
    ],
)
def test_a_loss_that_would_have_to_be_guessed_is_refused(output, words):
    """The predictions of one output are a vector, as losses of texts are; their mean is no loss."""
    with pytest.raises(AttackError, match=words) as caught:
        read_loss(output)
    assert 'forward=lambda model, batch: {"loss": ..., "logits": ...}' in str(caught.value)


@pytest.mark.parametrize(
    "output",
    [
        torch.tensor(2.0),
        torch.tensor([2.0]),
        (torch.tensor(2.0),),
        (torch.tensor(2.0), VECTOR),
        (torch.tensor(2.0), torch.ones(4, 1), torch.ones(())),
        (torch.tensor(2.0), None, [torch.ones(4, 9, 8)]),
        (torch.tensor([2.0]), torch.ones(4, 3)),
        {"loss": torch.tensor([1.0, 3.0]), "logits": torch.ones(2)},
        SimpleNamespace(loss=torch.tensor([1.0, 3.0])),
    ],
)
def test_a_loss_that_is_named_or_stands_alone_is_read(output):
    assert read_loss(output) == 2.0


@pytest.mark.parametrize("name", METHODS)
def test_one_output_s_predictions_before_the_loss_are_not_the_loss(name):
    model = Answers(labels=1)
    batch = batch_for(model) | {"labels": torch.rand(4)}

    def forward(model, batch):
        logits = model.output(model.dropout(model.embedding(batch["input_ids"])).mean(1)).squeeze(-1)
        return logits, F.mse_loss(logits, batch["labels"])

    before = state_of(model)
    with pytest.raises(AttackError, match="a loss is expected first: say which it is, forward="):
        made(name, model).backward(model, batch, forward=forward)
    assert state_of(model) == before
    said, _ = gradients(made(name, model), model, batch, forward=lambda m, b: named(*forward(m, b)))
    assert said


def named(logits, loss):
    """As the message advises; the predictions as (batch, outputs)."""
    return {"loss": loss, "logits": logits[:, None]}


@pytest.mark.parametrize("name", REGULARISED)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "tensor"])
def test_predictions_without_an_axis_for_outputs_are_refused_with_their_shape(name, shape):
    model = Answers(labels=1)
    batch = batch_for(model) | {"labels": torch.rand(4)}

    def forward(model, batch):
        logits = model.output(model.embedding(batch["input_ids"]).mean(1)).squeeze(-1)
        return SHAPES[shape](F.mse_loss(logits, batch["labels"]), logits)

    with pytest.raises(AttackError, match=r"compares predictions: logits must be \(batch, outputs\), but are \(4,\)"):
        made(name, model).backward(model, batch, forward=forward)


@every_method
def test_a_text_only_batch_is_refused_by_every_method(name):
    model = build("bert")
    batch = batch_for(model)
    del batch["labels"]
    with pytest.raises(AttackError, match="no loss"):
        METHODS[name]().backward(model, batch)


@every_method
@pytest.mark.parametrize("return_dict", [True, False])
def test_transformers_tuples_and_outputs_agree(name, return_dict):
    model = build("bert")
    expected, _ = plain_step(name)
    found, _ = gradients(METHODS[name](), model, batch_for(model) | {"return_dict": return_dict})
    assert all(torch.equal(found[key], value) for key, value in expected.items())


@pytest.mark.parametrize(
    ("family", "name"),
    [("bert", name) for name in METHODS]
    + [(family, name) for family in ("deberta", "modernbert") for name in ("fgm", "yopo", "gradient_penalty", "awp")],
)
def test_layers_computed_again_give_the_same_gradients_bit_for_bit(family, name):
    """With the same dropout masks, at the weights and perturbations of their pass."""
    model = build(family)
    batch = batch_for(model)
    expected, objective = gradients(METHODS[name](), model, batch)
    state, after = state_of(model), torch.get_rng_state()
    model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    calls, before = [], state_of(model)
    inside = next(module for module in model.modules() if isinstance(module, nn.Linear))  # of the first layer
    handle = inside.register_forward_hook(lambda *_: calls.append(torch._C._current_graph_task_id() != -1))
    found, same = gradients(METHODS[name](), model, batch)
    handle.remove()
    assert any(calls)
    assert torch.equal(same, objective)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], value) for key, value in expected.items())
    assert torch.equal(torch.get_rng_state(), after)
    assert state_of(model) == before
    assert before["weights"] == state["weights"]


# What torch says of a pass without gradients, as SMART's teacher's.
@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad=True")
@every_method
def test_reentrant_checkpointing_works_or_is_refused_with_the_remedy(name):
    model = build("bert")
    batch = batch_for(model)
    expected, _ = plain_step(name)
    model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": True})
    before = state_of(model)
    cost = METHODS[name]().cost()
    if cost.inner or cost.first_layer or (name in ON_WEIGHTS and name != "random_weights"):
        with pytest.raises(AttackError, match=r"reentrant gradient checkpointing .*use_reentrant"):
            METHODS[name]().backward(model, batch)
        assert state_of(model) == before
    else:
        found, _ = gradients(METHODS[name](), model, batch)
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-7)


def test_masks_that_are_not_replayed_depend_on_the_seed_alone():
    model = build("bert")
    batch = batch_for(model)
    method = METHODS["pgd"](same_dropout=False)
    with watch(model) as seen:
        first, _ = gradients(method, model, batch, seed=5)
        second, _ = gradients(method, model, batch, seed=5)
        gradients(method, model, batch, seed=6)
    assert all(torch.equal(second[key], value) for key, value in first.items())
    losses = list(map(float, seen.losses))
    assert losses[:4] == losses[4:8]
    assert not set(losses[:4]) & set(losses[8:])


def test_noise_is_new_in_every_step_and_does_not_touch_the_dropout():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    forward = lambda model, batch: model(batch).sum()  # noqa: E731
    shape = torch.Size((3, 4))
    noises = []
    for _ in range(2):
        with Passes(model, torch.ones(1, 2), FP32, forward, True) as passes:
            passes.loss()
            state = torch.get_rng_state()
            noises.append(passes.normal(shape))
            assert torch.equal(noises[-1], passes.normal(shape))
            assert not torch.equal(noises[-1], passes.normal(shape, 1))
            assert passes.uniform(shape).abs().max() <= 1
            assert torch.equal(torch.get_rng_state(), state)
    assert noises[0].shape == shape
    assert not torch.equal(*noises)


def test_the_default_forward_is_that_of_transformers():
    model = Bag()
    batch = batch_for(model)
    assert torch.equal(call_model(model, batch)["loss"], model(**batch)["loss"])
