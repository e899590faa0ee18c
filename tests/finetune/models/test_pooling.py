"""Pooling heads on any encoder, against heads written out here, text by text and without padding."""

import pytest
import torch
import transformers
from helpers.small_tasks import assert_same_state
from torch.nn import functional as F

from finetune.models.pooling import Pooled, first_sees_all

SHAPE = {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 5, "num_attention_heads": 2, "intermediate_size": 32}
ENCODERS = {
    "DebertaV2": SHAPE | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False},
    "Roberta": SHAPE | {"pad_token_id": 1, "max_position_embeddings": 40},
    "ModernBert": SHAPE | {"pad_token_id": 0, "global_attn_every_n_layers": 2, "local_attention": 8},
    "DistilBert": {"vocab_size": 60, "dim": 16, "n_layers": 5, "n_heads": 2, "hidden_dim": 32},
}
POOLINGS = ("cls", "mean", "max", "attention", "last-layers")
TEXTS = [[7, 8, 9, 30, 31, 32, 33], [7], [7, 50, 51, 52], [7, 8], [9, 10, 11, 12, 13, 14, 15, 16, 17]]


def encoder(family, outputs=3, **more):
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**ENCODERS[family] | {"num_labels": outputs} | more)
    for name, value in vars(config).items():
        if "drop" in name and isinstance(value, int | float):
            setattr(config, name, 0.0)
    return getattr(transformers, f"{family}Model")(config)


def headed(base, pooling, **options):
    """With weights of the head that are large enough to be seen."""
    model = Pooled(base, pooling, **options)
    torch.manual_seed(1)
    with torch.no_grad():
        for value in model.head.parameters():
            value.normal_()
    return model.eval()


def padded(side, pad):
    longest = max(map(len, TEXTS))
    rows = [([pad] * (longest - len(t)) + t) if side == "left" else (t + [pad] * (longest - len(t))) for t in TEXTS]
    gaps = [longest - len(t) if side == "left" else 0 for t in TEXTS]
    mask = [[int(gap <= i < gap + len(t)) for i in range(longest)] for gap, t in zip(gaps, TEXTS, strict=True)]
    return {"input_ids": torch.tensor(rows), "attention_mask": torch.tensor(mask)}, gaps


def by_hand(model, family, text, gap):
    """The logits of one text alone; absolute positions begin where they begin behind the padding."""
    ids = torch.tensor([text])
    where = {"position_ids": torch.arange(gap, gap + len(text))[None]} if family == "DistilBert" else {}
    found = model.encoder(input_ids=ids, **where, output_hidden_states=True)
    states, head = found.last_hidden_state[0], model.head
    match head.pooling:
        case "cls":
            vector = states[0]
        case "mean":
            vector = states.sum(0) / len(text)
        case "max":
            vector = torch.stack([max(column) for column in states.T])
        case "attention":
            scores = torch.tanh(states @ head.hidden.weight.T + head.hidden.bias) @ head.score.weight[0]
            vector = sum(share * state for share, state in zip(scores.exp() / scores.exp().sum(), states, strict=True))
        case "last-layers":
            layers = [*found.hidden_states[2:5], found.last_hidden_state]
            shares = head.layers.exp() / head.layers.exp().sum()
            vector = sum(share * layer[0].mean(0) for share, layer in zip(shares, layers, strict=True))
    return head.output.weight @ vector + head.output.bias


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", ENCODERS)
def test_texts_of_any_length_padded_on_either_side_are_pooled_as_by_hand(family, side):
    base = encoder(family).eval()
    inputs, gaps = padded(side, base.config.pad_token_id or 0)
    for pooling in POOLINGS:
        model = headed(base, pooling)
        with torch.no_grad():
            found = model(**inputs).logits
            expected = torch.stack([by_hand(model, family, text, gap) for text, gap in zip(TEXTS, gaps, strict=True)])
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
            whole = {"input_ids": torch.tensor([TEXTS[0]])}
            torch.testing.assert_close(model(**whole).logits[0], by_hand(model, family, TEXTS[0], 0), rtol=1e-4, atol=1e-4)
    assert expected.std(0).min() > 0.01


def test_padding_has_no_gradient():
    base = encoder("Roberta").eval()
    for side in ("left", "right"):
        inputs, _ = padded(side, 1)
        for pooling in POOLINGS:
            seen = []
            handle = base.register_forward_hook(lambda module, args, output, seen=seen: seen.append(output[0]))
            out = headed(base, pooling)(**inputs).logits
            handle.remove()
            seen[-1].retain_grad()
            out.square().sum().backward()
            gradient = seen[-1].grad.abs().sum(-1)
            assert not gradient[inputs["attention_mask"] == 0].any()
            assert gradient.sum(1).min() > 0


LOSSES = {
    "single_label_classification": (torch.tensor([2, 0, 1, 1, 0]), F.cross_entropy),
    "multi_label_classification": (torch.rand(5, 3).round(), F.binary_cross_entropy_with_logits),
    "regression": (torch.rand(5, 3), F.mse_loss),
}


@pytest.mark.parametrize("problem", LOSSES)
def test_the_loss_is_that_of_the_problem(problem):
    model = headed(encoder("Roberta", problem_type=problem), "mean")
    labels, loss = LOSSES[problem]
    inputs, _ = padded("right", 1)
    output = model(**inputs, labels=labels)
    torch.testing.assert_close(output.loss, loss(output.logits, labels))
    assert model(**inputs).loss is None


def test_one_number_is_compared_row_by_row():
    model = headed(encoder("Roberta", outputs=1, problem_type="regression"), "max")
    labels = torch.arange(5.0)[:, None]
    output = model(**padded("right", 1)[0], labels=labels)
    torch.testing.assert_close(output.loss, ((output.logits[:, 0] - labels[:, 0]) ** 2).mean())


def test_several_dropout_masks_are_drawn_for_one_pass_and_their_logits_averaged():
    model = headed(encoder("DistilBert"), "mean", dropout=0.5, samples=3).train()
    inputs, _ = padded("right", 0)
    calls = []
    model.encoder.register_forward_hook(lambda *_: calls.append(1))
    torch.manual_seed(5)
    found = model(**inputs).logits
    assert len(calls) == 1
    states, mask = model.encoder(**inputs).last_hidden_state, inputs["attention_mask"][..., None]
    vectors = (states * mask).sum(1) / mask.sum(1)
    torch.manual_seed(5)
    kept = [(torch.empty_like(vectors).bernoulli_(0.5)) / 0.5 for _ in range(3)]
    outputs = [(vectors * one) @ model.head.output.weight.T + model.head.output.bias for one in kept]
    torch.testing.assert_close(found, sum(outputs) / 3)
    seen = []
    model.head.output.register_forward_hook(lambda *_: seen.append(1))
    torch.testing.assert_close(model.eval()(**inputs).logits, vectors @ model.head.output.weight.T + model.head.output.bias)
    assert len(seen) == 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near_and_its_gradients_are_finite(dtype):
    base = encoder("ModernBert").eval()
    inputs, _ = padded("left", 0)
    for pooling in POOLINGS:
        model = headed(base, pooling)
        expected = model(**inputs).logits
        with torch.autocast("cpu", dtype):
            loss = model(**inputs, labels=torch.tensor([0, 1, 2, 0, 1])).loss
            found = model(**inputs).logits
        loss.backward()
        torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.2)
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_a_sum_over_many_tokens_does_not_overflow():
    model = headed(encoder("DistilBert"), "mean")
    states = torch.full((1, 400, 16), 1000.0, dtype=torch.float16)
    assert torch.equal(model.head.pooled([states], torch.ones(1, 400, dtype=torch.bool)), torch.full((1, 16), 1000.0))


def test_checkpointing_reaches_the_encoder_and_changes_no_gradient():
    model = headed(encoder("Roberta", problem_type="single_label_classification"), "last-layers").train()
    batch = padded("right", 1)[0] | {"labels": torch.tensor([0, 1, 2, 0, 1])}
    gradients = []
    assert model.supports_gradient_checkpointing
    for checkpointing in (False, True):
        if checkpointing:
            model.activation_checkpointing_enable({"use_reentrant": False})
        assert model.is_activation_checkpointing is checkpointing
        model.zero_grad()
        torch.manual_seed(2)
        model(**batch).loss.backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert_same_state(*gradients)
    model.activation_checkpointing_disable()
    assert not model.is_activation_checkpointing


def test_dropout_does_not_hide_that_a_first_token_is_blind():
    shape = {"vocab_size": 60, "n_embd": 16, "n_layer": 1, "n_head": 2}
    causal = transformers.GPT2Model(transformers.GPT2Config(**shape)).train()
    assert not first_sees_all(causal)
    assert first_sees_all(encoder("Roberta").train())
    assert causal.training
