"""Pooling heads on any encoder, against heads written out here, text by text and without padding."""

import pytest
import torch
import transformers
from helpers.saved_families import FAMILIES, edit, folder_of, words
from helpers.small_tasks import assert_same_state, numbers_task, reviews_task, state_of, train
from tokenizers.processors import TemplateProcessing
from torch import nn
from torch.nn import functional as F

from adv import FGM
from finetune.config import Recipe
from finetune.errors import UserError
from finetune.models.pooling import Pooled
from finetune.models.pretrained import Models
from finetune.training.bench import Bench

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


# What a model is made of, through Models: from a folder, or the built-in one.


def built(source, pooling="mean", task=None, seed=0, **options):
    made = Models(Recipe(model=str(source), pooling=pooling, **options), task or reviews_task())
    model = made.build(seed)
    return model, [line.removeprefix(f"model {source}: ") for line in made.notes]


@pytest.mark.parametrize("pooling", ["attention", "last-layers"])
def test_the_head_depends_on_the_seed_alone_and_the_encoder_is_that_of_the_stock_model(tmp_path, pooling):
    folder = folder_of(tmp_path / "m", num_hidden_layers=2, initializer_range=0.3)
    for source in (folder, "tiny"):
        one, other = built(source, pooling)[0], built(source, pooling, seed=1)[0]
        torch.manual_seed(99)
        again = built(source, pooling, freeze_embeddings=True, head_dropout=0.3)[0]
        assert_same_state(one.state_dict(), again.state_dict())
        assert not torch.equal(one.head.output.weight, other.head.output.weight)
        stock = built(source, "stock")[0]
        assert_same_state(dict(one.encoder.named_parameters()), dict(stock.base_model.named_parameters()))
        assert (one.head.dropout.p, again.head.dropout.p) == (0.1, 0.3)
        assert not one.head.output.bias.any()
    big = built(folder_of(tmp_path / "big", initializer_range=0.3))[0]
    assert 0.2 < big.head.output.weight.std() < 0.4
    assert not one.training or source == "tiny"


def test_the_last_four_layers_start_with_equal_weights_and_fewer_are_told(tmp_path):
    model, lines = built(folder_of(tmp_path / "m", num_hidden_layers=3), "last-layers")
    assert lines == ["it has 3 layers, and so many are pooled, not 4"]
    assert torch.equal(model.head.layers, torch.zeros(3))
    assert built(folder_of(tmp_path / "five", num_hidden_layers=5), "last-layers")[1] == []
    assert "it has 1 layer, and so many are pooled, not 4" in built("tiny", "last-layers")[1]


@pytest.mark.parametrize("family", [name for name in FAMILIES if "Bart" not in name])
def test_every_family_can_be_pooled_and_trains_all_that_it_uses(tmp_path, family):
    folder = folder_of(tmp_path / "m", family)
    for pooling in ("mean", "last-layers"):
        model, _ = built(folder, pooling)
        made = Models(Recipe(model=str(folder)), reviews_task())
        batch = dict(made.tokenizer(["good film", "a very bad film"], padding=True, return_tensors="pt"))
        if family == "DistilBert":
            batch.pop("token_type_ids", None)
        model.train()(**batch, labels=torch.tensor([0, 1])).loss.backward()
        unused = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
        # XLNet's are for pretraining, and for token types.
        assert [name for name in unused if not name.endswith(("mask_emb", "seg_embed", "r_s_bias"))] == []


@pytest.mark.parametrize("family", ["GPT2", "OPT", "Llama"])
def test_the_first_token_of_a_model_that_generates_text_is_refused(tmp_path, family):
    folder = folder_of(tmp_path / "m", family)
    with pytest.raises(UserError, match=r"^pooling='cls': in \w+Model the first token does not see the others; mean or"):
        built(folder, "cls")
    assert isinstance(built(folder, "max")[0], Pooled)


def test_texts_that_begin_with_a_word_are_told(tmp_path):
    tokenizer = words()
    assert built(folder_of(tmp_path / "m", tokenizer=tokenizer), "cls")[1] == []
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A [SEP]", special_tokens=[("[SEP]", 3)])
    folder = folder_of(tmp_path / "bare", tokenizer=tokenizer)
    said = "its texts do not begin with a token of their own, such as [CLS]: cls pools their first word"
    assert built(folder, "cls")[1] == [said]
    assert built(folder, "mean")[1] == []


@pytest.mark.parametrize("family", ["Bart", "MBart"])
def test_an_encoder_that_comes_with_its_decoder_is_refused(tmp_path, family):
    with pytest.raises(UserError, match=r"^pooling='mean': transformers does not load the encoder of m?bart without its"):
        built(folder_of(tmp_path / "m", family))


def test_a_head_for_whole_texts_in_the_folder_is_left_out_and_missing_weights_are_refused(tmp_path):
    folder = folder_of(tmp_path / "m", "Bert", "ForSequenceClassification", num_hidden_layers=2)
    model, lines = built(folder)
    assert isinstance(model, Pooled)
    assert lines == []
    edit(folder, lambda tensors: {name: value for name, value in tensors.items() if "layer.1.output" not in name})
    with pytest.raises(UserError, match=r"4 of the encoder's \d+ weights are missing in model.safetensors: encoder.layer.1"):
        built(folder)


def test_a_pooled_model_trains_and_a_trial_has_the_head_of_its_own_recipe():
    recipe = Recipe(epochs=3, batch_size=8, pooling="attention", multi_sample=2)
    bench = Bench(reviews_task(), recipe)
    training = train(bench, recipe, FGM())
    assert training.history[-1].loss < training.history[0].loss
    assert training.model.head.samples == 2
    other = train(bench, recipe.model_copy(update={"pooling": "max", "epochs": 1, "multi_sample": 1}), FGM())
    assert (other.model.head.pooling, other.model.head.samples) == ("max", 1)
    stock = recipe.model_copy(update={"pooling": "stock", "epochs": 1, "multi_sample": 1})
    alone = Bench(reviews_task(), stock)
    assert_same_state(state_of(train(bench, stock, FGM())), state_of(train(alone, stock, FGM())))


def test_the_robust_view_attacks_a_pooled_model():
    recipe = Recipe(epochs=1, pooling="max")
    bench = Bench(reviews_task(), recipe, ("robust",))
    scores = train(bench, recipe, FGM()).history[-1].metrics
    assert scores["robust_log_loss"] > scores["log_loss"]


def test_numbers_are_pooled_too():
    recipe = Recipe(epochs=1, pooling="mean")
    training = train(Bench(numbers_task(), recipe), recipe, FGM())
    assert training.model.head.output.weight.shape[0] == 2
    assert isinstance(training.model.get_input_embeddings(), nn.Embedding)
