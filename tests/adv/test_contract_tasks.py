"""What every method promises on every kind of task: one label, numbers, several labels, a label for each token."""

import pytest
import torch
from helpers.tiny_models import batch_for, build
from helpers.watched_steps import KNOWN, REGULARISED, clean, gradients, named_tensors, one_of_each_kind, shifts_of

from adv.core.divergence import detached_pair, divergence, scored, symmetric

# Labels of four texts; the models have three outputs.
TEXTS = {
    "one label": ("single_label_classification", torch.tensor([0, 1, 2, 1])),
    "numbers": ("regression", torch.tensor([[0.5, -1.0, 2.0], [0.0, 1.0, 0.3], [-0.2, 0.1, 0.4], [1.0, 0.0, -1.0]])),
    "several labels": (
        "multi_label_classification",
        torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 1.0]]),
    ),
}
TAGGERS = ("roberta", "deberta", "electra", "distilbert", "modernbert", "albert", "gpt2")


def pairs():
    """On BERT every method with a label for each token, those that compare predictions on every task, others on one more.

    On other families, with a label for each token, a third of the kinds of step, so that each kind meets several families.
    """
    for i, name in enumerate(KNOWN):
        tasks = TEXTS if name in REGULARISED else [list(TEXTS)[i % len(TEXTS)]]
        yield from (("bert", task, name) for task in (*tasks, "tokens"))
    for i, family in enumerate(TAGGERS):
        yield from ((family, "tokens", name) for name in one_of_each_kind()[i % 3 :: 3])


every_pair = pytest.mark.parametrize(("family", "task", "name"), list(pairs()))


def given(family, task, side="right"):
    """A model and a batch. Of the tokens, only the second and every third have a label, as the first ones of words do."""
    tokens = task == "tokens"
    model = build(family, head="ForTokenClassification" if tokens else "ForSequenceClassification")
    batch = batch_for(model, side)
    problem, labels = TEXTS.get(task, ("single_label_classification", None))
    if tokens:
        labels = torch.full_like(batch["input_ids"], -100)
        labels[:, 1::3] = batch["input_ids"][:, 1::3] % 3
        labels[batch["attention_mask"] == 0] = -100
    model.config.problem_type = problem
    return model, batch | {"labels": labels}


def assert_alike(found, expected, times=1):
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        scale = float(gradient.abs().max())
        torch.testing.assert_close(found[name], times * gradient, rtol=1e-4, atol=1e-8 + 1e-6 * scale, msg=name)


@every_pair
def test_a_step_leaves_all_as_it_was_and_padding_alone(family, task, name):
    model, batch = given(family, task)
    expected, loss, after = clean(model, batch)
    before = [(key, value.clone()) for key, value in named_tensors(model)]
    for radius in KNOWN[name].null[:1]:
        found, objective = gradients(KNOWN[name](**radius), model, batch)
        times = round(float(objective / loss))  # two equal gradients are added, or averaged
        torch.testing.assert_close(objective, times * loss)
        assert_alike(found, expected, times)
    padding = batch["attention_mask"] == 0
    with shifts_of(model.get_input_embeddings()) as seen:
        found, objective = gradients(KNOWN[name](), model, batch)
    assert torch.isfinite(objective)
    assert torch.equal(torch.get_rng_state(), after)
    now = dict(named_tensors(model))
    assert all(torch.equal(now[key], value) for key, value in before)
    assert not any(shift[padding].any() for _, shift in seen)
    if (family, task) == ("bert", "tokens"):
        other = batch["input_ids"].masked_fill(padding, 7)
        assert_alike(gradients(KNOWN[name](), model, batch | {"input_ids": other})[0], found)


@pytest.mark.parametrize("name", KNOWN)
def test_predictions_of_tokens_without_a_label_have_no_gradient(name):
    """Of no pass: neither the loss nor a divergence looks at them."""
    model, batch = given("bert", "tokens", "left")
    reached = []

    def look(module, args, output):
        if output.requires_grad:  # the teacher's have none
            output.register_hook(reached.append)

    handle = model.classifier.register_forward_hook(look)
    gradients(KNOWN[name](), model, batch)
    handle.remove()
    assert reached
    assert all(not gradient[batch["labels"] == -100].any() for gradient in reached)
    assert any(gradient.any() for gradient in reached)


def logits_of(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)


@pytest.mark.parametrize("compare", [divergence, symmetric, detached_pair])
@pytest.mark.parametrize(
    ("distance", "shape", "labels"),
    [
        ("kl", (4, 3), [0, -100, 2, 1]),
        ("kl", (2, 4, 3), [[-100, 1, -100, 2], [-100, -100, 0, -100]]),
        ("bernoulli", (3, 3), [[1.0, -100, 0], [-100, -100, -100], [0, 1, 1]]),
        ("bernoulli", (1, 4, 2), [[[1.0, 0], [-100, -100], [-100, 1], [0, 0]]]),
    ],
)
def test_the_divergence_is_a_mean_over_what_has_a_label(compare, distance, shape, labels):
    one, other = logits_of(*shape)
    labels = torch.tensor(labels)
    mask = scored(torch.ones(*shape[:2], 1), one, {"labels": labels}, torch.nn.Linear(1, 1), distance)
    p, q = one.double(), other.double()
    if distance == "kl":
        there, back = ((a.softmax(-1) * (a.log_softmax(-1) - b.log_softmax(-1))).sum(-1) for a, b in ((p, q), (q, p)))
        rows = (there if compare is divergence else there + back)[labels != -100]
    else:
        both = [torch.stack([x.sigmoid(), 1 - x.sigmoid()]) for x in (p, q)]
        there, back = ((a * (a / b).log()).sum(0) for a, b in (both, both[::-1]))
        cells = torch.where(labels == -100, 0, there if compare is divergence else there + back)
        rows = cells.sum(-1)[(labels != -100).any(-1)]
    torch.testing.assert_close(compare(one, other, distance, mask).double(), rows.mean(), rtol=1e-4, atol=1e-6)


def test_without_ignored_labels_the_divergence_is_to_the_bit_what_it_was():
    one, other = logits_of(7, 3)
    for distance, labels in (("kl", torch.arange(7) % 3), ("bernoulli", (one > 0).float()), ("mse", one)):
        mask = scored(torch.ones(7, 5, 1), one, {"labels": labels}, torch.nn.Linear(1, 1), distance)
        for compare in (divergence, symmetric, detached_pair):
            assert torch.equal(compare(one, other, distance, mask), compare(one, other, distance))


def test_where_labels_do_not_say_it_every_real_token_counts():
    mask = (torch.arange(4) < torch.tensor([4, 2])[:, None]).float().unsqueeze(-1)
    logits, labels = torch.zeros(2, 4, 3), torch.full((2, 4), -100)
    for batch in ({}, {"labels": labels[:, 0]}, {"input_ids": labels}, (labels, mask)):
        assert scored(mask, logits, batch, torch.nn.Linear(1, 1), "kl") is mask
    assert scored(mask, logits, {"labels": labels}, torch.nn.Linear(1, 1), "mse") is mask
    model = build("gpt2", head="LMHeadModel")
    assert scored(mask, logits, {"labels": labels}, model, "kl") is mask
    tagger = build("gpt2", head="ForTokenClassification")
    assert not scored(mask, logits, {"labels": labels}, tagger, "kl").any()


@pytest.mark.parametrize("name", REGULARISED)
def test_micro_batches_weighed_by_their_labels_have_the_gradient_of_all(name):
    """The divergence is a mean over the same tokens as the loss, so one share serves both."""
    model, batch = given("bert", "tokens")
    model.eval()
    settings = {"sigma": 0.0} if name == "r3f" else {"K": 0}
    method = KNOWN[name](**settings, **({} if name != "smart" else {"teacher_weight": 1.0}))
    method.start = lambda output, ball, passes: 0.1 * output.detach() * ball.mask
    whole, _ = gradients(method, model, batch)
    model.zero_grad()
    counts = (batch["labels"] != -100).sum(1)
    assert counts[:1].sum() != counts[1:2].sum()
    for part in (slice(0, 1), slice(1, 4)):
        share = float(counts[part].sum() / counts.sum())
        method.backward(model, {key: value[part] for key, value in batch.items()}, share=share)
    found = {key: p.grad for key, p in model.named_parameters() if p.grad is not None}
    assert_alike(found, whole)
