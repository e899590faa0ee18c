"""Where a perturbation lies: at the word embeddings of real tokens, and nowhere else."""

import dataclasses

import pytest
import torch
from helpers.tiny_models import Bag, batch_for, build
from helpers.watched_steps import ON_EMBEDDINGS, gradients, having, in_turn, made, plain_step, state_of, watch
from torch import nn

from adv import AWP, FGM, METHODS, PGD, AttackError
from adv.core.batch import turned
from adv.core.shift import find_embedding

# FreeAT's first step has no perturbation otherwise.
MOVED = {"freeat": {"init_mag": 0.1}}


class Wrapped(nn.Module):
    """As ``DataParallel`` wraps."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, **batch):
        return self.module(**batch)


NAMES = {
    "bert": "word_embeddings",
    "roberta": "word_embeddings",
    "deberta": "word_embeddings",
    "electra": "word_embeddings",
    "distilbert": "word_embeddings",
    "albert": "word_embeddings",
    "xlnet": "word_embedding",
    "modernbert": "tok_embeddings",
    "gpt2": "wte",
}


# On the side of the padding hangs what a family does with positions: of every family's methods every other one is tried on
# each side, and all on both sides of BERT's.
SIDES = [
    (family, name, side)
    for number, (family, name) in enumerate(
        in_turn(["bert", "roberta", "deberta", "distilbert", "electra", "modernbert"], ON_EMBEDDINGS)
    )
    for side in (("left", "right") if family == "bert" else (("left", "right")[number % 2],))
]


@pytest.mark.parametrize(("family", "name", "side"), SIDES)
def test_padding_is_never_perturbed(family, name, side):
    model = build(family)
    batch = batch_for(model, side)
    # A pad token as text, as with tokenizers that pad with the end-of-text token.
    batch["input_ids"][0, 4] = model.config.pad_token_id
    real = batch["attention_mask"].bool()
    choices = {field.name: field.metadata["choices"] for field in dataclasses.fields(METHODS[name])}
    norms = choices.get("norm", (None,))
    for norm in norms if family == "bert" else norms[ON_EMBEDDINGS.index(name) % len(norms) :][:1]:
        with watch(model) as seen:
            METHODS[name](**({} if norm is None else {"norm": norm}), **MOVED.get(name, {})).backward(model, batch)
        assert all(one.shift[~real].abs().max() == 0 for one in seen.passes)
        assert seen.shift[real].abs().sum(-1).min() > 0


@pytest.mark.parametrize("name", ON_EMBEDDINGS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_is_not_perturbed_even_where_it_has_a_gradient(name, side):
    model = Bag()
    batch = batch_for(model, side)
    real = batch["attention_mask"].bool()
    with watch(model) as seen:
        made(name, model, **MOVED.get(name, {})).backward(model, batch)
    assert seen.shift[~real].abs().max() == 0
    assert seen.shift[real].abs().sum(-1).min() > 0
    without = {key: value for key, value in batch.items() if key != "attention_mask"}
    with watch(model) as seen:
        made(name, model, **MOVED.get(name, {})).backward(model, without)
    assert seen.shift[~real].abs().min() > 0


@pytest.mark.parametrize("side", ["left", "right"])
def test_awp_never_moves_the_row_of_padding(side):
    model = Bag()
    batch = batch_for(model, side)
    with watch(model) as seen:
        AWP(adv_step=2).backward(model, batch)
    first, last = seen.passes[0].weights["embedding.weight"], seen.passes[-1].weights["embedding.weight"]
    assert torch.equal(first[0], last[0])
    assert not torch.equal(first[batch["input_ids"][0, 0]], last[batch["input_ids"][0, 0]])


@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("name", ON_EMBEDDINGS)
def test_a_model_that_turns_its_batch_is_followed(name, size):
    """XLNet looks tokens up as (seq, batch); of a square batch only the ids tell."""
    model = build("xlnet")
    batch = batch_for(model, "left", size=size)
    batch |= {key: batch[key][:, -8:] for key in ("input_ids", "attention_mask")}
    real = batch["attention_mask"].bool()
    with watch(model) as seen:
        METHODS[name](**({"norm": "example"} if name in having("norm") else {}), **MOVED.get(name, {})).backward(
            model, batch
        )
    assert not seen.shift[~real].any()
    assert seen.shift[real].abs().sum(-1).min() > 0
    if name in having("norm"):
        torch.testing.assert_close(seen.shift.flatten(1).norm(dim=1) <= 1.001, torch.ones(size, dtype=torch.bool))
    assert turned(batch, batch["input_ids"].T.contiguous())
    assert not turned(batch, batch["input_ids"].clone())


def test_left_padded_texts_keep_the_position_ids_of_the_model():
    """Shifting inside ``input_ids`` leaves position ids to the model; with epsilon 0 the loss is the model's own."""
    for family in ("roberta", "gpt2"):
        model = build(family, dropout=0.0)
        batch = batch_for(model, "left")
        with watch(model) as seen:
            FGM(epsilon=0.0).backward(model, batch)
        assert seen.losses[0] == seen.losses[1] == model(**batch).loss


@pytest.mark.parametrize("family", NAMES)
def test_the_model_tells_its_embeddings_or_a_name_does(family):
    model = build(family)
    assert find_embedding(model) is model.get_input_embeddings()
    assert find_embedding(model, NAMES[family] + r"\.weight$") is model.get_input_embeddings()
    assert find_embedding(Wrapped(model)) is model.get_input_embeddings()


@pytest.mark.parametrize("name", METHODS)
def test_a_wrapped_model_gets_the_same_gradient(name):
    model = build("bert")
    plain, _ = plain_step(name)
    wrapped, _ = gradients(METHODS[name](), Wrapped(model), batch_for(model))
    assert all(torch.equal(wrapped[f"module.{key}"], value) for key, value in plain.items())


@pytest.mark.parametrize("name", ON_EMBEDDINGS)
def test_a_name_serves_a_model_that_tells_nothing(name):
    class Silent(Bag):
        get_input_embeddings = None

    told, silent = Bag(), Silent()
    silent.load_state_dict(told.state_dict())
    batch = batch_for(told)
    expected, _ = gradients(made(name, told), told, batch)
    found, _ = gradients(made(name, silent, emb_name="embedding.weight"), silent, batch)
    assert all(torch.equal(found[key], value) for key, value in expected.items())


@pytest.mark.parametrize("name", ON_EMBEDDINGS)
def test_nothing_to_attack_is_an_error_that_says_what_to_do(name):
    model = build("bert")
    batch = batch_for(model)
    before = state_of(model)
    embedded = {"inputs_embeds": model.get_input_embeddings()(batch["input_ids"]).detach(), "labels": batch["labels"]}
    for settings, bad, words in (
        ({"emb_name": "word_embedings"}, batch, "'word_embedings' matches no module; .* bert.embeddings.word_embedd"),
        ({"emb_name": "embeddings"}, batch, "matches 3 modules .* the embeddings here are"),
        ({"emb_name": "classifier"}, batch, "Linear was called with numbers, not token ids: set another emb_name"),
        ({}, embedded, "was not called in the forward pass: inputs_embeds go around it. Give input_ids"),
        ({}, {key: value for key, value in batch.items() if key != "labels"}, "put the labels into the batch"),
    ):
        with pytest.raises(AttackError, match=words):
            METHODS[name](**settings).backward(model, bad)
        assert state_of(model) == before


@pytest.mark.parametrize("name", ON_EMBEDDINGS)
def test_a_model_without_embeddings_is_an_error(name):
    layer = {"layer_name": "^$"} if name == "creat" else {}
    with pytest.raises(AttackError, match="cannot find the input embeddings of Linear: set emb_name"):
        METHODS[name](**layer).backward(nn.Linear(2, 2), {"input": torch.ones(1, 2)})
    model = Bag()
    with pytest.raises(AttackError, match="the loss does not depend on the embeddings' output"):
        made(name, model).backward(model, batch_for(model), forward=apart)


def apart(model, batch):
    """A loss in which the embeddings have no part, although they are called."""
    model.dropout(model.embedding(batch["input_ids"]))
    logits = model.output(torch.ones(4, 4))
    return {"loss": logits.sum(), "logits": logits}


@pytest.mark.parametrize(("family", "name"), in_turn(["bert", "deberta"], ON_EMBEDDINGS))
def test_frozen_embeddings_are_attacked_all_the_same(family, name):
    free, frozen = build(family), build(family)
    frozen.get_input_embeddings().weight.requires_grad_(False)
    batch = batch_for(free)
    expected, _ = gradients(METHODS[name](), free, batch)
    found, _ = gradients(METHODS[name](), frozen, batch)
    assert len(expected) - len(found) == 1
    assert all(torch.allclose(expected[key], gradient, rtol=1e-4, atol=1e-7) for key, gradient in found.items())
    assert frozen.get_input_embeddings().weight.grad is None


@pytest.mark.parametrize("method", [FGM(combine="sum"), PGD(combine="sum"), FGM(norm="token")], ids=repr)
def test_a_tied_output_layer_is_not_perturbed(method):
    """GPT-2's output layer is its embedding matrix; the attack is on what is looked up alone."""
    model = build("gpt2", dropout=0.0, head="LMHeadModel")
    assert model.lm_head.weight is model.get_input_embeddings().weight
    batch = batch_for(model)
    batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    with watch(model) as seen:
        method.backward(model, batch)
    assert all(torch.equal(one.weights["transformer.wte.weight"], model.lm_head.weight) for one in seen.passes)
    # The loss at embeddings + shift, with the output layer as it is.
    embedded = (model.get_input_embeddings()(batch["input_ids"]) + seen.shift).detach()
    again = model(inputs_embeds=embedded, attention_mask=batch["attention_mask"], labels=batch["labels"]).loss
    torch.testing.assert_close(again.detach(), seen.losses[-1])
    assert seen.losses[-1] > seen.losses[0]


def test_a_shared_embedding_is_shifted_in_its_first_call_only():
    class Encoder(Bag):
        """As an encoder-decoder: the texts, then the answer's tokens, through one embedding."""

        def forward(self, input_ids, labels, attention_mask=None):
            first = self.embedding(input_ids)
            second = self.embedding(labels)
            self.seen = (first, second)
            logits = self.output(first.mean(1) + second)
            return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}

    model = Encoder()
    batch = batch_for(model)
    with pytest.warns(UserWarning, match=r"\(Embedding\) are called more than once .* only the first .* let forward= call"):
        FGM(norm="example").backward(model, batch)
    first, second = model.seen
    assert torch.equal(second, model.embedding(batch["labels"]))
    assert (first - model.embedding(batch["input_ids"])).flatten(1).norm(dim=1).allclose(torch.ones(4))
