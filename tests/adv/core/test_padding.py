"""Padding without a mask: refused where it would be perturbed, with what to do."""

import pytest
import torch
from helpers.padded_batch import BATCH, IDS, LABELS, MASK, REAL, Attention, check, outside
from helpers.tiny_models import build
from helpers.watched_steps import ON_EMBEDDINGS, shifts_of, state_of

from adv import FGM, METHODS, AttackError

REFUSED = {
    "none": {"input_ids": IDS, "labels": LABELS},
    "one of other tokens": {"input_ids": IDS, "special_tokens_mask": (IDS == 4).long(), "labels": LABELS},
    "one of another length": {"input_ids": IDS, "padding_mask": REAL[:, :5], "labels": LABELS},
    "two": {"input_ids": IDS, "mask_a": MASK, "mask_b": MASK.flip(1), "labels": LABELS},
    "the decoder's": {"input_ids": IDS, "decoder_attention_mask": MASK, "labels": LABELS},
    "token types": {"input_ids": IDS, "token_type_ids": torch.zeros_like(IDS), "labels": LABELS},
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("name", ["fgm", "freelb", "smart", "neftune", "gradient_penalty"])
def test_padding_without_a_mask_is_refused_with_what_to_do(kind, name):
    model = build("bert")
    before = state_of(model)

    def forward(model, batch):
        return model(input_ids=batch["input_ids"], labels=batch["labels"])

    words = r"padding would be perturbed: token 0 is in the batch, and .*\. Give attention_mask \(1 at real tokens\) in the"
    with pytest.raises(AttackError, match=words):
        METHODS[name]().backward(model, REFUSED[kind], forward=forward)
    assert state_of(model) == before


def test_the_refusal_names_what_there_was():
    model, forward = build("bert"), lambda model, batch: model(input_ids=batch["input_ids"], labels=batch["labels"])
    for kind, words in {
        "none": "and no mask shows where",
        "one of another length": r"padding_mask \(4, 5\) does not fit the ids \(4, 9\)",
        "two": "of mask_a, mask_b none is named attention_mask",
    }.items():
        with pytest.raises(AttackError, match=words):
            FGM().backward(model, REFUSED[kind], forward=forward)
    with pytest.raises(AttackError, match=r"the padding token is unknown, and mask \(4, 7\) does not fit"):
        FGM(emb_name="embedding").backward(
            Attention(None), {"src": IDS, "mask": REAL[:, :7], "y": LABELS}, forward=outside("src", "y")
        )


@pytest.mark.parametrize("name", ON_EMBEDDINGS)
def test_without_padding_no_mask_is_needed(name):
    model = build("bert")
    ids = IDS.masked_fill(~REAL, 7)
    settings = {"init_mag": 0.1} if name == "freeat" else {}
    with shifts_of(model.get_input_embeddings()) as seen:
        METHODS[name](**settings).backward(model, {"input_ids": ids, "labels": LABELS})
    assert seen[-1][1].abs().sum(-1).min() > 0


def test_all_ones_say_that_padding_tokens_are_text():
    check(build("bert"), BATCH | {"attention_mask": torch.ones_like(MASK)}, torch.ones_like(REAL))
