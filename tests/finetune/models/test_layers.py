"""The depth of every weight, against tables written by hand from the code of each family."""

import pytest
import torch
import transformers
from helpers.tiny_models import BASE, FAMILIES
from torch import nn

from finetune.errors import UserError
from finetune.models.layers import depths, layers_of

RELATIVE = FAMILIES["deberta"][1]
WHOLE_DEBERTA = RELATIVE | {"norm_rel_ebd": "layer_norm", "conv_kernel_size": 3, "embedding_size": 16}
SEQ2SEQ = {"vocab_size": 60, "d_model": 32, "encoder_layers": 2, "decoder_layers": 1, "encoder_ffn_dim": 32}
T5 = {"vocab_size": 60, "d_model": 32, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 2}
FUNNEL = {"vocab_size": 60, "block_sizes": [1, 2], "d_model": 32, "n_head": 2, "d_head": 16, "d_inner": 32}
OPT = {"vocab_size": 60, "hidden_size": 32, "word_embed_proj_dim": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
SHARED = {"num_hidden_layers": 4, "num_hidden_groups": 2}

# The family, its shape, and the depth of the weights under each name; the longest name that fits decides.
TABLES = {
    "bert": ("Bert", BASE, {"bert.embeddings": 0, "encoder.layer.0": 1, "encoder.layer.1": 2, "pooler": 3, "classifier": 3}),
    "roberta": (*FAMILIES["roberta"], {"embeddings": 0, "encoder.layer.0": 1, "encoder.layer.1": 2, "classifier": 3}),
    "deberta": (*FAMILIES["deberta"], {
        "deberta.embeddings": 0, "deberta.encoder.rel_embeddings": 0, "deberta.encoder.layer.0": 1,
        "deberta.encoder.layer.1": 2, "pooler": 3, "classifier": 3,
    }),
    # Its norm is over the relative positions, its convolution beside the first layer.
    "whole deberta": ("DebertaV2", WHOLE_DEBERTA, {
        "deberta.embeddings": 0, "deberta.embeddings.embed_proj": 0, "deberta.encoder.rel_embeddings": 0,
        "deberta.encoder.LayerNorm": 0, "deberta.encoder.layer.0": 1, "deberta.encoder.conv": 1,
        "deberta.encoder.layer.1": 2, "pooler": 3, "classifier": 3,
    }),
    "distilbert": (*FAMILIES["distilbert"], {
        "distilbert.embeddings": 0, "transformer.layer.0": 1, "transformer.layer.1": 2, "pre_classifier": 3, "classifier": 3,
    }),
    "electra": ("Electra", BASE | {"embedding_size": 16}, {
        "electra.embeddings": 0, "electra.embeddings_project": 0, "encoder.layer.0": 1, "encoder.layer.1": 2,
        "classifier": 3,
    }),
    "modernbert": (*FAMILIES["modernbert"], {
        "model.embeddings": 0, "model.layers.0": 1, "model.layers.1": 2, "model.final_norm": 2, "head": 3, "classifier": 3,
    }),
    # Its layers are one, used twice; with groups there are as many as groups.
    "albert": (*FAMILIES["albert"], {
        "albert.embeddings": 0, "albert.encoder.embedding_hidden_mapping_in": 0, "albert.encoder.albert_layer_groups": 1,
        "albert.pooler": 2, "classifier": 2,
    }),
    "albert in groups": ("Albert", FAMILIES["albert"][1] | SHARED, {
        "albert.embeddings": 0, "albert.encoder.embedding_hidden_mapping_in": 0, "albert_layer_groups.0": 1,
        "albert_layer_groups.1": 2, "albert.pooler": 3, "classifier": 3,
    }),
    "xlnet": (*FAMILIES["xlnet"], {
        "word_embedding": 0, "mask_emb": 0, "transformer.layer.0": 1, "transformer.layer.1": 2, "sequence_summary": 3,
        "logits_proj": 3,
    }),
    "gpt2": (*FAMILIES["gpt2"], {"wte": 0, "wpe": 0, "transformer.h.0": 1, "transformer.h.1": 2, "ln_f": 2, "score": 3}),
    "opt": ("OPT", OPT | {"ffn_dim": 32}, {
        "embed_tokens": 0, "embed_positions": 0, "project_in": 0, "decoder.layers.0": 1, "decoder.layers.1": 2,
        "decoder.final_layer_norm": 2, "project_out": 2, "score": 3,
    }),
    "t5": ("T5", T5, {
        "shared": 0, "encoder.block.0": 1, "encoder.block.1": 2, "encoder.final_layer_norm": 2, "decoder.block.0": 3,
        "decoder.block.1": 4, "decoder.final_layer_norm": 4, "classification_head": 5,
    }),
    "bart": ("Bart", SEQ2SEQ | {"decoder_ffn_dim": 32, "encoder_attention_heads": 2, "decoder_attention_heads": 2}, {
        "shared": 0, "embed_positions": 0, "encoder.layernorm_embedding": 0, "encoder.layers.0": 1, "encoder.layers.1": 2,
        "decoder.layernorm_embedding": 2, "decoder.layers.0": 3, "classification_head": 4,
    }),
    "mpnet": ("MPNet", BASE, {
        "mpnet.embeddings": 0, "relative_attention_bias": 0, "layer.0": 1, "layer.1": 2, "classifier": 3,
    }),
    # Several lists beside each other, and lists of lists.
    "xlm": ("XLM", {"vocab_size": 60, "emb_dim": 32, "n_layers": 2, "n_heads": 2}, {
        "embeddings": 0, "position_embeddings": 0, "layer_norm_emb": 0, "attentions.0": 1, "layer_norm1.0": 1, "ffns.0": 1,
        "layer_norm2.0": 1, "attentions.1": 2, "layer_norm1.1": 2, "ffns.1": 2, "layer_norm2.1": 2, "sequence_summary": 3,
    }),
    "funnel": ("Funnel", FUNNEL, {"embeddings": 0, "blocks.0.0": 1, "blocks.1.0": 2, "blocks.1.1": 3, "classifier": 4}),
    # It calls ``forward`` of its layers, which skips their hooks.
    "squeezebert": ("SqueezeBert", BASE | {"embedding_size": 32}, {
        "embeddings": 0, "encoder.layers.0": 1, "encoder.layers.1": 2, "pooler": 3, "classifier": 3,
    }),
    # No get_input_embeddings: it reads characters.
    "canine": ("Canine", {name: size for name, size in BASE.items() if name != "vocab_size"}, {
        "char_embeddings": 0, "initial_char_encoder": 0, "chars_to_molecules": 0, "canine.encoder.layer.0": 1,
        "canine.encoder.layer.1": 2, "projection": 3, "final_char_encoder": 3, "pooler": 3, "classifier": 3,
    }),
}  # fmt: skip


def made(family, shape):
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**shape, num_labels=3)
    return getattr(transformers, f"{family}ForSequenceClassification")(config)


@pytest.mark.parametrize("family", TABLES)
def test_every_weight_has_the_depth_of_the_table(family):
    name, shape, table = TABLES[family]
    model = made(name, shape).train()
    model.get_submodule(model.base_model_prefix).eval()
    modes = [module.training for module in model.modules()]
    hooks = [len(module._forward_pre_hooks) for module in model.modules()]
    state = torch.get_rng_state()
    found = depths(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in model.modules()] == modes
    assert [len(module._forward_pre_hooks) for module in model.modules()] == hooks
    assert found.keys() == dict(model.named_parameters()).keys()
    for parameter, depth in found.items():
        fits = [key for key in table if f".{key}." in f".{parameter}." or f".{parameter}.".endswith(f".{key}.")]
        assert fits, parameter
        assert depth == table[max(fits, key=len)], parameter
    used = {key for key in table if any(f".{key}." in f".{parameter}." for parameter in found)}
    assert used == table.keys()


def test_layers_are_in_order_with_all_their_parts():
    bert = made("Bert", BASE)
    assert [layer for (layer,) in layers_of(bert)] == list(bert.bert.encoder.layer)
    xlm = made(*TABLES["xlm"][:2])
    assert [len(layer) for layer in layers_of(xlm)] == [4, 4]
    assert layers_of(xlm)[1][0] in list(xlm.transformer.attentions) + list(xlm.transformer.ffns)
    t5 = made("T5", T5)
    assert [layer for (layer,) in layers_of(t5)] == [*t5.transformer.encoder.block, *t5.transformer.decoder.block]


class Encoder(nn.Module):
    """A user's own, without transformers."""

    def __init__(self, blocks):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.words = nn.Embedding(20, 8)
        self.parts = blocks
        self.output = nn.Linear(8, 2)

    def get_input_embeddings(self):
        return self.words

    def forward(self, input_ids, attention_mask=None):
        states = self.words(input_ids)
        for block in self.parts:
            states = block(states)
        return self.output(self.norm(states).mean(1))


def test_a_norm_around_the_layers_is_the_encoders():
    inner, model = Encoder(nn.ModuleList([nn.Linear(8, 8)])), Encoder(nn.ModuleList())
    model.parts = nn.Sequential(nn.Identity())
    model.parts[0].parts = inner.parts
    model.parts[0].forward = lambda states: inner.parts[0](states)
    found = depths(model)
    assert (found["parts.0.parts.0.weight"], found["norm.weight"], found["output.weight"]) == (1, 1, 2)


def test_a_model_of_ones_own_works_where_its_blocks_are_a_list():
    found = depths(Encoder(nn.ModuleList(nn.Linear(8, 8) for _ in range(3))))
    assert [found[f"parts.{n}.weight"] for n in range(3)] == [1, 2, 3]
    assert found["words.weight"] == 0
    assert (found["norm.weight"], found["output.weight"]) == (3, 4)


@pytest.mark.parametrize("blocks", [nn.ModuleList(), nn.ModuleList([nn.Linear(8, 8), nn.LayerNorm(8)]), nn.Sequential()])
def test_a_model_without_alike_blocks_is_refused(blocks):
    with pytest.raises(UserError, match=r"^the layers of Encoder cannot be told: it has no list of alike blocks, so"):
        depths(Encoder(blocks))


def test_a_model_that_cannot_be_called_is_refused():
    model = Encoder(nn.ModuleList([nn.Linear(9, 9)]))
    with pytest.raises(UserError, match=r"^the layers of Encoder cannot be told: a pass over 8 tokens fails: mat1"):
        depths(model)
    assert not any(module._forward_pre_hooks for module in model.modules())
