"""AWP: every touched weight goes along its gradient, inside its box; against the paper's equation, by hand."""

from dataclasses import replace

import pytest
import torch
from helpers.tiny_models import Bag, batch_for, build
from helpers.watched_steps import gradients, state_of, watch
from torch import nn
from torch.nn import functional as F

from adv import AWP, SAM, AttackError
from adv.core import weights


def test_one_step_by_hand():
    """``w + adv_lr * g / ||g|| * ||w||``, clipped to ``w0 +- adv_eps |w0|``, for W and the rows that were looked up."""
    model = Bag()
    batch = batch_for(model)
    del batch["attention_mask"]
    matrix, output = model.embedding.weight.detach().clone(), model.output.weight.detach().clone()
    at_text, at_output, _ = model.slopes(matrix[batch["input_ids"]], batch["labels"])
    at_matrix = torch.zeros_like(matrix).index_add(0, batch["input_ids"].reshape(-1), at_text.detach().reshape(-1, 4))
    box = [torch.maximum, torch.minimum]
    expected = []
    for weight, gradient in ((matrix, at_matrix), (output, at_output.detach())):
        moved = weight + 0.1 * gradient / gradient.norm() * weight.norm()
        for side, bound in zip(box, (weight - 0.05 * weight.abs(), weight + 0.05 * weight.abs()), strict=True):
            moved = side(moved, bound)
        expected.append(moved)
    with watch(model) as seen:
        AWP(adv_lr=0.1, adv_eps=0.05).backward(model, batch)
    last = seen.passes[-1].weights
    torch.testing.assert_close(last["embedding.weight"], expected[0], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(last["output.weight"], expected[1], rtol=1e-5, atol=1e-7)
    assert torch.equal(last["output.bias"], model.output.bias)
    # The gradient is that at the moved weights: W' mean(e') + b, by hand.
    with torch.no_grad():
        model.embedding.weight.copy_(expected[0])
        model.output.weight.copy_(expected[1])
        _, at_output, at_bias = model.slopes(expected[0][batch["input_ids"]], batch["labels"])
    torch.testing.assert_close(model.output.weight.grad, at_output)
    torch.testing.assert_close(model.output.bias.grad, at_bias)


@pytest.mark.parametrize("adv_step", [1, 2, 3])
@pytest.mark.parametrize(("adv_lr", "adv_eps"), [(1.0, 0.2), (0.01, 0.2), (1.0, 1e-3)])
def test_stays_in_its_box_at_every_step(adv_step, adv_lr, adv_eps):
    model = build("bert")
    batch = batch_for(model)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    with watch(model) as seen:
        AWP(adv_step=adv_step, adv_lr=adv_lr, adv_eps=adv_eps).backward(model, batch)
    for name, weight in start.items():
        slack = 1e-5 * weight.abs()
        low, high = weight - adv_eps * weight.abs(), weight + adv_eps * weight.abs()
        for one in seen.passes:
            assert (one.weights[name] >= low - slack).all()
            assert (one.weights[name] <= high + slack).all()
    assert len(seen.passes) == adv_step + 1


def test_moves_what_it_should_and_nothing_else():
    model = build("bert")
    batch = batch_for(model)
    with watch(model) as seen:
        AWP(adv_lr=0.01).backward(model, batch)
    first, last = seen.passes[0].weights, seen.passes[-1].weights
    words = "bert.embeddings.word_embeddings.weight"
    for name in first:
        assert torch.equal(first[name], last[name]) != name.endswith("weight"), name
    in_batch = torch.zeros(60, dtype=torch.bool).index_fill(0, batch["input_ids"].unique(), True)
    in_batch[model.config.pad_token_id] = False
    moved = (first[words] != last[words]).any(1)
    assert torch.equal(moved, in_batch)
    assert not in_batch.all()


def test_the_size_of_a_step_is_adv_lr_of_each_tensors_norm_where_the_box_is_wide():
    model = build("bert")
    method = AWP(adv_lr=0.01, adv_eps=1e9)
    with watch(model) as seen:
        method.backward(model, batch_for(model))
    first, last = seen.passes[0].weights, seen.passes[-1].weights
    for name in (name for name in first if name.endswith("weight")):
        assert float((last[name] - first[name]).norm() / first[name].norm()) == pytest.approx(0.01, rel=0.1), name
    found = method.diagnostics()
    assert found["relative"] == pytest.approx(0.01, rel=0.02)
    assert found["clipped"] == 0


def test_the_box_is_reported():
    model = build("bert", dropout=0.0)
    wide, narrow = AWP(adv_lr=0.1, adv_eps=1e9), AWP(adv_lr=10.0, adv_eps=1e-3)
    wide.backward(model, batch_for(model))
    narrow.backward(model, batch_for(model))
    assert wide.diagnostics()["clipped"] == 0
    found = narrow.diagnostics()
    assert 0.5 < found["clipped"] <= 1
    assert found["relative"] == pytest.approx(1e-3, rel=0.2)


class Plain(nn.Embedding):
    """Not exactly ``nn.Embedding``, so that its matrix is moved as a whole."""


@pytest.mark.parametrize("combine", ["replace", "mean", "sum"])
@pytest.mark.parametrize("adv_step", [1, 3])
def test_moving_rows_is_the_same_as_moving_the_matrix(combine, adv_step):
    rows, whole = build("bert"), build("bert")
    old = whole.get_input_embeddings()
    new = Plain(60, 32, padding_idx=old.padding_idx)
    new.load_state_dict(old.state_dict())
    whole.set_input_embeddings(new)
    batch = batch_for(rows)
    method = AWP(combine=combine, adv_step=adv_step, adv_lr=0.1, adv_eps=0.05)
    with watch(rows) as seen_rows, watch(whole) as seen_whole:
        expected, _ = gradients(method, whole, batch)
        found, _ = gradients(method, rows, batch)
    for name, weight in seen_whole.passes[-1].weights.items():
        torch.testing.assert_close(seen_rows.passes[-1].weights[name], weight, rtol=1e-5, atol=1e-8)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("adv_param", [r"word_embeddings\.weight$", r"encoder\.layer\.0", r"classifier\.weight"])
def test_adv_param_chooses_the_weights(adv_param):
    import re

    model = build("bert")
    with watch(model) as seen:
        AWP(adv_param=adv_param).backward(model, batch_for(model))
    first, last = seen.passes[0].weights, seen.passes[-1].weights
    moved = {name for name in first if not torch.equal(first[name], last[name])}
    # Biases start at zero, and a zero weight's box is a point.
    assert moved == {name for name in first if re.search(adv_param, name) and first[name].any()}


def test_nothing_to_move_is_an_error_that_says_what_to_do():
    model = build("bert")
    batch = batch_for(model)
    with pytest.raises(AttackError, match=r"adv_param='wieght' matches no parameter of BertFor.* \(it has bert\.embed"):
        AWP(adv_param="wieght").backward(model, batch)
    model.classifier.requires_grad_(False)
    with pytest.raises(AttackError, match="all 2 parameters that adv_param='classifier' matches are frozen: unfreeze"):
        AWP(adv_param="classifier").backward(model, batch)
    embedded = {"inputs_embeds": torch.zeros(4, 9, 32), "labels": batch["labels"]}
    with pytest.raises(AttackError, match="the embedding module was not called"):
        AWP(adv_param="word_embeddings").backward(model, embedded)
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_weights_are_refused(dtype):
    model = build("bert").to(dtype)
    before = {name: p.clone() for name, p in model.named_parameters()}
    with pytest.raises(AttackError, match=f"stored as {dtype}.*load the model in fp32 and use autocast"):
        AWP().backward(model, batch_for(model))
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_a_tied_matrix_moves_as_a_whole():
    """The output layer's gradient reaches rows that were not looked up, so they move too."""
    model = build("gpt2", head="LMHeadModel", dropout=0.0)
    batch = batch_for(model)
    batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    before = state_of(model)
    with watch(model) as seen:
        AWP(adv_lr=0.01).backward(model, batch)
    first, last = (seen.passes[i].weights["transformer.wte.weight"] for i in (0, -1))
    assert (first != last).any(1).all()
    assert float((last - first).norm() / first.norm()) == pytest.approx(0.01, rel=0.05)
    assert state_of(model) == before


class Sum(Bag):
    """Two weights that share one gradient, and one whose gradient is a single number, repeated."""

    def __init__(self):
        super().__init__()
        self.added_weight = nn.Parameter(torch.randn(3, 4))
        self.free_weight = nn.Parameter(torch.randn(5))

    def forward(self, input_ids, labels, attention_mask=None):
        mean = self.embedding(input_ids).mean(1)
        logits = F.linear(mean, self.output.weight + self.added_weight)
        return {"loss": F.cross_entropy(logits, labels) + self.free_weight.sum(), "logits": logits}


def test_weights_that_share_a_gradient_each_make_their_own_step():
    model = Sum()
    with watch(model) as seen:
        AWP(adv_lr=0.01, adv_eps=1e9).backward(model, batch_for(model))
    first, last = seen.passes[0].weights, seen.passes[-1].weights
    for name in ("embedding.weight", "output.weight", "added_weight", "free_weight"):
        assert float((last[name] - first[name]).norm() / first[name].norm()) == pytest.approx(0.01, rel=1e-4), name


def test_texts_given_as_embeddings_move_the_other_weights():
    model = build("bert")
    embedded = {"inputs_embeds": torch.randn(4, 9, 32), "labels": torch.tensor([0, 1, 2, 1])}
    with watch(model) as seen:
        AWP(adv_lr=0.01).backward(model, embedded)
    first, last = seen.passes[0].weights, seen.passes[-1].weights
    still = {name for name in first if torch.equal(first[name], last[name]) and name.endswith("weight")}
    assert still == {"bert.embeddings.word_embeddings.weight"}


def test_a_micro_batch_of_weight_zero_adds_nothing():
    model = build("bert")
    found, _ = gradients(AWP(), model, batch_for(model), share=0.0)
    assert found
    assert not any(gradient.any() for gradient in found.values())


@pytest.mark.parametrize("method", [AWP(adv_lr=0.1, adv_eps=0.05, adv_step=2), AWP(form="gamma", adv_lr=0.1), SAM(rho=0.3)])
@pytest.mark.parametrize("cached", [1, 7, 100, 2000])
def test_how_much_is_worked_on_together_changes_no_bit(method, cached, monkeypatch):
    model = build("deberta")
    batch = batch_for(model)
    found = []
    for numbers in (10**9, cached):
        monkeypatch.setattr(weights, "CACHED", numbers)
        one = replace(method)
        one.looks()  # the step that takes the diagnostics works on everything together
        found.append(gradients(one, model, batch)[0])
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_every_number_of_a_tensor_is_in_one_part(monkeypatch):
    monkeypatch.setattr(weights, "CACHED", 6)
    tensors = [torch.arange(3.0), torch.zeros(()), torch.zeros(0, 4), torch.arange(40.0).view(5, 8).T, torch.ones(2, 3, 7)]
    others = [tensor.clone() for tensor in tensors]
    for ones, twos in weights.parts(tensors, others):
        assert [one.shape for one in ones] == [two.shape for two in twos]
        for one in ones:
            one.add_(1)
    assert all(torch.equal(tensor, other + 1) for tensor, other in zip(tensors, others, strict=True))
