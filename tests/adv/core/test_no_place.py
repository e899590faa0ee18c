"""Where no perturbation of tokens has a place: one vector for a text, and embeddings that are computed twice."""

import pytest
from helpers.own_models import MeanPooled, text_batch
from helpers.watched_steps import state_of
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from adv import AWP, FGM, METHODS, AttackError


class Bags(nn.Module):
    """One vector for each text, as fastText has."""

    def __init__(self):
        super().__init__()
        self.bags, self.out = nn.EmbeddingBag(60, 8), nn.Linear(8, 3)

    def forward(self, ids, labels):
        return {"loss": F.cross_entropy(self.out(self.bags(ids)), labels)}


def test_bags_of_words_have_no_place_for_a_perturbation_of_tokens():
    batch = {"ids": text_batch()["input_ids"], "labels": text_batch()["labels"]}
    with pytest.raises(AttackError, match=r"EmbeddingBag gives \(4, 8\) for token ids \(4, 9\), not a vector for"):
        FGM(emb_name="bags").backward(Bags(), batch)
    before = Bags()
    AWP().backward(before, batch)


class Checkpointed(nn.Module):
    """All of a model is computed again in its backward pass, its embeddings too."""

    def __init__(self):
        super().__init__()
        self.inside = MeanPooled()

    def forward(self, **batch):
        loss, logits = checkpoint(lambda: tuple(self.inside(**batch).values()), use_reentrant=False)
        return {"loss": loss, "logits": logits}


@pytest.mark.parametrize("name", ["fgm", "pgd", "freelb", "smart", "vat", "neftune", "yopo", "awp"])
def test_embeddings_that_are_computed_again_are_refused(name):
    model = Checkpointed()
    before = state_of(model)
    with pytest.raises(AttackError, match="computed again in the backward pass: let checkpointing begin after them"):
        METHODS[name]().backward(model, text_batch())
    assert state_of(model) == before
