"""Two texts: with two encoders one must be chosen; with one for both its first call is perturbed, and this is told."""

import pytest
import torch
from helpers.own_models import Siamese, outputs_of, pair_batch, text_batch
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPModel

from adv import FGM, AttackError
from adv.core.modules import telling
from adv.core.shift import find_embedding


def test_two_encoders_are_refused_by_name_and_one_may_be_chosen():
    model, batch = Siamese(shared=False), pair_batch()
    assert list(telling(model)) == ["left", "right"]
    words = (
        r"Siamese has several encoders \(left, right\): set emb_name to one of left\.embeddings\.word_embeddings\.weight, "
    )
    with pytest.raises(AttackError, match=words + r".*right\.embeddings\.word_embeddings\.weight"):
        FGM().backward(model, batch)
    for side, key in (("left", "a"), ("right", "b")):
        embedding = getattr(model, side).embeddings.word_embeddings
        method = FGM(emb_name=rf"^{side}\..*word", norm="token", epsilon=2.0)
        seen = outputs_of(embedding, lambda method=method: method.backward(model, batch))
        shift = seen[-1] - F.embedding(batch[f"ids_{key}"], embedding.weight.detach())
        real = batch[f"mask_{key}"].bool()
        torch.testing.assert_close(shift[real].norm(dim=-1), torch.full((int(real.sum()),), 2.0))
        assert not shift[~real].any()


def test_one_encoder_for_two_texts_is_perturbed_in_the_first_and_this_is_told():
    model, batch = Siamese(shared=True), pair_batch()
    assert find_embedding(model) is model.left.embeddings.word_embeddings
    with pytest.warns(UserWarning, match="called more than once in a pass: only the first call is perturbed"):
        FGM().backward(model, batch)

    def together(model, batch):
        ids = torch.cat([batch["ids_a"], batch["ids_b"]])
        pooled = model.left(ids, attention_mask=torch.cat([batch["mask_a"], batch["mask_b"]]))[1]
        logits = model.head(torch.cat(pooled.chunk(2), 1))
        return F.cross_entropy(logits, batch["labels"]), logits

    FGM().backward(model, batch, forward=together)


def test_an_encoder_of_images_beside_that_of_texts_is_no_second_one():
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    texts = shape | {"vocab_size": 60, "max_position_embeddings": 16, "pad_token_id": 0, "eos_token_id": 4}
    images = shape | {"image_size": 8, "patch_size": 4}
    model = CLIPModel(CLIPConfig(text_config=texts, vision_config=images, projection_dim=8))
    assert find_embedding(model) is model.text_model.embeddings.token_embedding
    batch = {key: value for key, value in text_batch().items() if key != "labels"}
    torch.manual_seed(0)
    pixels = torch.randn(4, 3, 8, 8)
    method = FGM(norm="token", epsilon=0.5)
    seen = outputs_of(
        find_embedding(model), lambda: method.backward(model, batch | {"pixel_values": pixels, "return_loss": True})
    )
    shift = seen[-1] - F.embedding(batch["input_ids"], find_embedding(model).weight.detach())
    real = batch["attention_mask"].bool()
    assert not shift[~real].any()
    assert shift.norm(dim=-1).max() <= 0.5001
