"""The copies that tests are given are what would be made anew."""

import pytest
import torch
from helpers.own_models import Siamese
from helpers.tiny_models import FAMILIES, batch_for, build


def answer(model):
    torch.manual_seed(1)
    return model(**batch_for(model)).loss


@pytest.mark.parametrize("family", FAMILIES)
def test_a_copy_is_like_a_new_one_and_shares_nothing_with_the_next(family):
    new = build.__wrapped__(family)
    after = torch.get_rng_state()
    for _ in range(2):
        torch.manual_seed(7)
        copy = build(family)
        assert torch.equal(torch.get_rng_state(), after)
        assert copy.training
        assert torch.equal(answer(copy), answer(new))
        mine, its = dict(copy.named_parameters()), dict(new.named_parameters())
        assert [(name, p.requires_grad) for name, p in mine.items()] == [(name, p.requires_grad) for name, p in its.items()]
        assert all(torch.equal(mine[name], p) and mine[name].data_ptr() != p.data_ptr() for name, p in its.items())
        with torch.no_grad():
            for p in copy.parameters():
                p.zero_()
        copy.eval().requires_grad_(False)
        copy.config.num_labels = 7
        copy.register_forward_hook(lambda module, args, output: None)


def test_shared_weights_are_shared_in_a_copy():
    model = build("gpt2", head="LMHeadModel")
    assert model.lm_head.weight is model.get_input_embeddings().weight
    both = Siamese(shared=False)
    assert both.left.embeddings.word_embeddings.weight.data_ptr() != both.right.embeddings.word_embeddings.weight.data_ptr()
