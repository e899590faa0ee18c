"""Which tokens are real: found in a mask of any name and kind, wherever the model gets it from."""

from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
import transformers
from helpers.padded_batch import ADDED, BATCH, IDS, LABELS, MASK, REAL, check
from helpers.tiny_models import build
from torch import Tensor, nn
from torch.nn import functional as F

from adv import AWP
from adv.core.mask import padding_mask


class Fields(NamedTuple):
    text: Tensor
    masks: Tensor
    answer: Tensor


def by_keys(*keys):
    """A forward that takes ids, mask and labels of the batch from there."""

    def forward(model, batch):
        ids, mask, labels = (batch[key] if isinstance(batch, dict | tuple) else getattr(batch, key) for key in keys)
        return model(input_ids=ids, attention_mask=mask, labels=labels)

    return forward


def of_closure(model, batch):
    return model(input_ids=batch[0], attention_mask=(batch[0] != 0).long(), labels=batch[1])


KINDS = {
    "bool": (BATCH | {"attention_mask": REAL}, None),
    "float": (BATCH | {"attention_mask": MASK.float()}, None),
    "4-D, added": (BATCH | {"attention_mask": ADDED[:, None, None]}, None),
    "4-D, infinite": (BATCH | {"attention_mask": ADDED[:, None, None] * torch.inf}, None),
    "4-D, bool": (BATCH | {"attention_mask": REAL[:, None, None]}, None),
    "a tokenizer's output": (transformers.BatchEncoding(BATCH), None),
    "mask": ({"ids": IDS, "mask": MASK, "y": LABELS}, by_keys("ids", "mask", "y")),
    "attn_mask": ({"ids": IDS, "attn_mask": MASK.bool(), "y": LABELS}, by_keys("ids", "attn_mask", "y")),
    "encoder's": ({"ids": IDS, "encoder_attention_mask": MASK, "y": LABELS}, by_keys("ids", "encoder_attention_mask", "y")),
    "tuple": ((IDS, MASK, LABELS), by_keys(0, 1, 2)),
    "named tuple": (Fields(IDS, MASK, LABELS), by_keys(0, 1, 2)),
    "object": (SimpleNamespace(x=IDS, m=MASK, y=LABELS), by_keys("x", "m", "y")),
    "pair of mapping and labels": (
        ({"input_ids": IDS, "attention_mask": MASK}, LABELS),
        lambda model, batch: model(**batch[0], labels=batch[1]),
    ),
    "made in forward": ((IDS, LABELS), of_closure),
    "cut by forward": (
        BATCH | {"attention_mask": F.pad(MASK, (0, 3)), "input_ids": F.pad(IDS, (0, 3))},
        lambda model, batch: model(**{k: v[:, :9] if v.dim() > 1 else v for k, v in batch.items()}),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_is_found_in_any_batch(kind):
    batch, forward = KINDS[kind]
    if kind == "4-D, infinite":
        batch["attention_mask"] = batch["attention_mask"].nan_to_num(0, neginf=-torch.inf)
    check(build("bert"), batch, REAL, forward)


def test_awp_leaves_the_row_of_padding_alone_under_any_mask():
    """Its gradient is there: the mean of this net counts padding."""

    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.embedding, self.out = nn.Embedding(60, 8), nn.Linear(8, 3)

        def get_input_embeddings(self):
            return self.embedding

        def forward(self, ids, mask, labels):
            return {"loss": F.cross_entropy(self.out(self.embedding(ids).mean(1)), labels)}

    for mask in (MASK, REAL, ADDED[:, None, None], MASK.float()):
        model = Mean()
        weights = []
        model.register_forward_pre_hook(
            lambda module, args, kwargs, weights=weights: weights.append(module.embedding.weight.detach().clone()),
            with_kwargs=True,
        )
        AWP(adv_lr=0.1, adv_eps=0.5).backward(model, {"ids": IDS, "mask": mask, "labels": LABELS})
        assert torch.equal(weights[0][0], weights[1][0])
        assert not torch.equal(weights[0][4], weights[1][4])


def test_the_mask_of_a_batch_without_a_fitting_mask_is_all_ones():
    ids = torch.zeros(2, 3, dtype=torch.long)
    assert padding_mask({"attention_mask": torch.tensor([[1, 1, 0], [1, 0, 0]])}, ids).sum() == 3
    assert padding_mask({"attention_mask": torch.ones(2, 1, 3, 3)}, ids).sum() == 6
    assert padding_mask({}, ids).sum() == 6
    assert padding_mask((ids, ids), ids).shape == (2, 3, 1)
