"""Encoder-decoders: the encoder's look-up is perturbed, the decoder's is not, and shared matrices move as one."""

import pytest
import torch
import transformers
from helpers.made_once import made_once
from helpers.watched_steps import ON_EMBEDDINGS, gradients, having, in_turn, shifts_of, state_of
from torch.nn import functional as F

from adv import AWP, METHODS, AttackError
from adv.core.shift import Tied, find_embedding

BART = {
    "vocab_size": 60,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 16,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "num_labels": 3,
}
T5 = {"vocab_size": 60, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2, "num_labels": 3}
T5 |= {"decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 2}
MODELS = {
    "bart": ("Bart", "ForSequenceClassification", BART),
    "mbart": ("MBart", "ForSequenceClassification", BART),
    "t5": ("T5", "ForSequenceClassification", T5),
    "t5 that writes": ("T5", "ForConditionalGeneration", T5),
    "marian": ("Marian", "MTModel", BART | {"decoder_start_token_id": 1, "forced_eos_token_id": None}),
}
# Where they differ for a method: scale and norm of the embeddings, a base model or none.
FEW = ("bart", "t5", "t5 that writes")


@made_once
def build(name, dropout=0.1):
    prefix, head, shape = MODELS[name]
    config = getattr(transformers, f"{prefix}Config")(**shape)
    config.dropout = config.attention_dropout = config.dropout_rate = dropout
    torch.manual_seed(0)
    model = getattr(transformers, prefix + head)(config).train()
    if prefix == "T5":
        model.get_input_embeddings().weight.data *= 0.1  # its embeddings are a hundred times as long as others'
    return model


def batch_of(model, name):
    """Texts that end with the end token, padded on the right; what is written is the text itself."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 60, (4, 9), generator=generator)
    lengths = torch.tensor([9, 7, 5, 8])
    ids[torch.arange(4), lengths - 1] = model.config.eos_token_id
    real = torch.arange(9) < lengths[:, None]
    ids = ids.masked_fill(~real, model.config.pad_token_id)
    writes = "writes" in name or name == "marian"
    labels = ids.masked_fill(~real, -100) if writes else torch.tensor([0, 1, 2, 1])
    return {"input_ids": ids, "attention_mask": real.long(), "labels": labels}


def parts(model):
    """The modules that look up, of encoder and decoder."""
    return model.get_encoder().embed_tokens, model.get_decoder().embed_tokens


def looked_up(module, ids):
    """A look-up, scaled where BART's is."""
    return F.embedding(ids, module.weight.detach()) * getattr(module, "embed_scale", 1.0)


def method_of(name):
    return METHODS[name](**({"init_mag": 0.1} if name == "freeat" else {}))


PAIRS = [
    *in_turn(FEW, ON_EMBEDDINGS),
    *((family, name) for family in MODELS if family not in FEW for name in ("fgm", "freelb", "sift", "neftune")),
]


@pytest.mark.parametrize(("family", "name"), PAIRS)
def test_only_real_tokens_of_the_encoder_are_perturbed(family, name):
    model = build(family)
    batch = batch_of(model, family)
    real = batch["attention_mask"].bool()
    encoder, decoder = parts(model)
    assert encoder is not decoder
    assert family == "marian" or model.get_input_embeddings() not in (encoder, decoder)  # and never called
    before = state_of(model)
    with shifts_of(encoder, looked_up) as read, shifts_of(decoder, looked_up) as written:
        method = method_of(name)
        method.backward(model, batch)
    assert all(torch.equal(ids, batch["input_ids"]) for ids, _ in read)
    assert read[-1][1][real].abs().sum(-1).min() > 0
    assert all(not shift[~real].any() for _, shift in read)
    assert all(not shift.any() for _, shift in written)
    assert method.diagnostics().get("relative", 1) > 0
    assert state_of(model) == before


@pytest.mark.parametrize(("family", "name"), [(FEW[i % len(FEW)], name) for i, name in enumerate(METHODS)])
def test_nothing_moves_without_a_radius(family, name):
    model = build(family)
    batch = batch_of(model, family)
    wanted, loss = gradients(METHODS["none"](), model, batch)
    for null in METHODS[name].null or ({},):
        settings = null | ({"combine": "mean"} if name in having("combine") else {})
        found, objective = gradients(METHODS[name](**settings), model, batch)
        torch.testing.assert_close(objective, loss, rtol=1e-6, atol=0)
        for key, gradient in wanted.items():
            torch.testing.assert_close(found[key], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("family", FEW)
def test_fgm_adds_the_direction_of_the_gradient_at_the_encoders_embeddings(family):
    """``epsilon * g / ||g||`` of each text, g from inputs_embeds, which these models take as well."""
    model = build(family, dropout=0.0)
    batch = batch_of(model, family)
    real = batch["attention_mask"][..., None]
    encoder, _ = parts(model)
    embedded = looked_up(encoder, batch["input_ids"]).requires_grad_()
    handle = encoder.register_forward_hook(lambda module, args, output: embedded)
    (slope,) = torch.autograd.grad(model(**batch).loss, embedded)
    handle.remove()
    with shifts_of(encoder, looked_up) as read:
        METHODS["fgm"](epsilon=0.5, norm="example").backward(model, batch)
    slope = slope * real
    wanted = 0.5 * slope / slope.flatten(1).norm(dim=1)[:, None, None]
    torch.testing.assert_close(read[-1][1], wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("family", FEW)
def test_awp_moves_the_shared_matrix_by_the_gradient_of_all_that_use_it(family):
    """``adv_lr * ||w|| * g / ||g||``, in the box ``adv_eps * |w|``; g comes from encoder, decoder and what writes."""
    model = build(family, dropout=0.0)
    batch = batch_of(model, family)
    matrix = parts(model)[0].weight
    assert matrix is parts(model)[1].weight is model.get_input_embeddings().weight
    (slope,) = torch.autograd.grad(model(**batch).loss, matrix)
    before = matrix.detach().clone()
    seen = []
    hook = model.register_forward_pre_hook(lambda module, args: seen.append(matrix.detach().clone()))
    AWP(adv_lr=0.05, adv_eps=0.1, adv_param=r"shared\.weight|embed_tokens").backward(model, batch)
    hook.remove()
    step = 0.05 * before.norm() * slope / slope.norm()
    wanted = before + step.clamp(-0.1 * before.abs(), 0.1 * before.abs())
    assert len(seen) == 2
    assert torch.equal(seen[0], before)
    torch.testing.assert_close(seen[1], wanted, rtol=1e-4, atol=1e-6)
    assert torch.equal(matrix, before)


def test_modules_that_share_a_matrix_are_found_together_and_a_name_finds_one():
    model = build("bart")
    found = find_embedding(model)
    assert isinstance(found, Tied)
    assert found.weight is model.get_input_embeddings().weight
    assert set(found.members) == {model.get_input_embeddings(), *parts(model)}
    assert find_embedding(model, r"encoder\.embed_tokens") is parts(model)[0]
    batch = batch_of(model, "bart")
    before = state_of(model)
    with pytest.raises(AttackError, match=r"set emb_name to one that was \(model.encoder.embed_tokens.weight, "):
        METHODS["fgm"](emb_name="shared").backward(model, batch)
    assert state_of(model) == before


def test_untied_modules_are_named_where_the_told_one_is_never_called():
    model = build("t5 that writes")
    for part in (model.encoder, model.decoder):
        part.embed_tokens.weight = torch.nn.Parameter(part.embed_tokens.weight.detach().clone())
    batch = batch_of(model, "t5 that writes")
    state = torch.get_rng_state()
    with pytest.raises(AttackError, match=r"was not called .*encoder\.embed_tokens\.weight, .*decoder\.embed_tokens"):
        METHODS["fgm"]().backward(model, batch)
    assert not torch.equal(torch.get_rng_state(), state)  # one plain pass has been run
    METHODS["fgm"](emb_name=r"encoder\.embed_tokens").backward(model, batch)


def test_sift_scales_by_the_input_of_the_norm_that_follows_the_embeddings_and_no_later_one():
    """BART has one, behind its positions; T5's only norm beside the embeddings comes after the last layer."""
    for family in ("bart", "t5"):
        model = build(family, dropout=0.0)
        batch = batch_of(model, family)
        encoder, _ = parts(model)
        into = []
        if family == "bart":
            norm = model.model.encoder.layernorm_embedding
            norm.register_forward_pre_hook(lambda module, args, into=into: into.append(args[0].detach()))
        with shifts_of(encoder, looked_up) as read:
            METHODS["sift"](sigma=0.01, alpha=0.0).backward(model, batch)
        base = into[0] if into else looked_up(encoder, batch["input_ids"])
        z = read[-1][1] / base.std(-1, keepdim=True, correction=0)
        real = batch["attention_mask"].bool()
        assert z[real].abs().max() <= 0.02 * 1.001  # noise of deviation sigma, cut at two of them
        assert z[real].std().item() == pytest.approx(0.01 * 0.88, rel=0.1)  # the deviation of what is left by the cut
