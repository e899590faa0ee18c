"""Small random models of many architectures, saved as folders in the hub's layout."""

import copy
import json
import os
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch
import transformers
from safetensors.torch import load_file, save_file

from finetune.config import Recipe
from finetune.models.pretrained import Models
from finetune.models.tiny import tiny_tokenizer
from helpers.small_tasks import reviews_task

SAFE, BIN = "model.safetensors", "pytorch_model.bin"

BASE = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "pad_token_id": 0,
}
SEQ2SEQ = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "decoder_start_token_id": 3,
}
FAMILIES = {
    "Bert": BASE,
    "Roberta": BASE | {"pad_token_id": 1},
    "DebertaV2": BASE | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "DistilBert": {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16},
    "Electra": BASE | {"embedding_size": 16},
    "ModernBert": BASE
    | {
        "global_attn_every_n_layers": 1,
        "cls_token_id": 2,
        "sep_token_id": 3,
        "bos_token_id": 2,
        "eos_token_id": 3,
    },
    "XLNet": {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 16, "pad_token_id": 0},
    "Albert": BASE | {"embedding_size": 8},
    "MPNet": BASE,
    "GPT2": {"n_embd": 16, "n_layer": 1, "n_head": 2, "bos_token_id": 2, "eos_token_id": 3},
    "OPT": {
        "hidden_size": 16,
        "word_embed_proj_dim": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "ffn_dim": 16,
        "pad_token_id": 0,
    },
    "Bart": SEQ2SEQ | {"forced_eos_token_id": 3},
    "MBart": SEQ2SEQ,
    "T5": {
        "d_model": 16,
        "d_kv": 8,
        "d_ff": 16,
        "num_layers": 1,
        "num_heads": 2,
        "pad_token_id": 0,
        "eos_token_id": 3,
        "decoder_start_token_id": 0,
    },
    "Llama": BASE | {"num_key_value_heads": 2, "bos_token_id": 2, "eos_token_id": 3},
}


@cache
def plain_words():
    return tiny_tokenizer(reviews_task().train.texts)


def words(**settings):
    """A tokeniser of whole words of the reviews; what is set is saved with it."""
    tokenizer = copy.deepcopy(plain_words())
    tokenizer.eos_token = "[SEP]"
    for name, value in settings.items():
        setattr(tokenizer, name, value)
        tokenizer.init_kwargs[name] = value
    return tokenizer


def folder_of(folder, family="Bert", head="Model", tokenizer=None, **shape):
    """Write a random model of that family, and its tokeniser; the folder."""
    if tokenizer is None:
        made, state = written_once(family, head, json.dumps(shape))
        shutil.copytree(made, folder, dirs_exist_ok=True)
        torch.set_rng_state(state)
        return folder
    torch.manual_seed(0)
    values = {"vocab_size": len(tokenizer)} | FAMILIES[family] | shape
    config = getattr(transformers, f"{family}Config")(**values)
    getattr(transformers, family + head)(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@cache
def written_once(family, head, shape):
    """A folder with the usual tokeniser that is copied, and where the generator was left."""
    folder = folder_of(Path(mkdtemp(prefix="family-")) / family, family, head, words(), **json.loads(shape))
    return folder, torch.get_rng_state()


class Harm:
    """Unpickled, it makes a folder."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def built(folder, task=None):
    """The model of a folder, and what was said of it, without the folder's name."""
    models = Models(Recipe(model=str(folder)), task or reviews_task())
    model = models.build(0)
    return model, [line.removeprefix(f"model {folder}: ") for line in models.notes]


def edit(folder, change):
    """Change the tensors of a folder in one file of safetensors."""
    save_file(change(load_file(folder / SAFE)), folder / SAFE, {"format": "pt"})
    return folder


def as_bin(folder, tensors=None):
    """The same weights as pickled tensors."""
    torch.save(load_file(folder / SAFE) if tensors is None else tensors, folder / BIN)
    (folder / SAFE).unlink()
    return folder


def configure(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
