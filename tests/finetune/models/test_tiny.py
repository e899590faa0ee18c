from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.small_tasks import reviews_task
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer
from torch.nn.functional import cosine_similarity

from finetune.config import Recipe
from finetune.models.pretrained import Models
from finetune.models.tiny import (
    EMBEDDING_STD,
    HIDDEN,
    MAX_WORDS,
    SPECIAL,
    tiny_model,
    tiny_tokenizer,
    together,
    truncated,
    word_vectors,
)
from finetune.tasks import KINDS

SEA, LAND = [f"wave{n}" for n in range(40)], [f"field{n}" for n in range(40)]


@pytest.fixture(scope="module")
def company():
    """Tokenizer and vectors of texts in which sea words meet sea words, and land words land words."""
    rng = np.random.default_rng(0)
    texts = [" ".join(["the", *rng.choice(group, 5, replace=False)]) for group in (SEA, LAND) for _ in range(200)]
    tokenizer = tiny_tokenizer([*texts, "alone"])
    return tokenizer, word_vectors(tokenizer(texts)["input_ids"], len(tokenizer))


def test_whole_lower_case_words_between_markers():
    tokenizer = tiny_tokenizer(["Good, good Grüße"])
    ids = tokenizer("GOOD grüße unseen , Good")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "good", "grüße", "[UNK]", ",", "good", "[SEP]"]
    assert tokenizer.convert_ids_to_tokens([0, 1, 2, 3]) == list(SPECIAL)
    assert tokenizer.pad_token_id == 0
    assert set(tokenizer("good")) == {"input_ids", "attention_mask"}


def test_the_most_frequent_words_are_kept():
    words = [f"w{n}" for n in range(MAX_WORDS + 50)]
    tokenizer = tiny_tokenizer([*words, *words[-100:]])
    assert len(tokenizer) == MAX_WORDS + len(SPECIAL)
    known = tokenizer.get_vocab()
    assert all(word in known for word in words[-100:])
    assert known[words[-1]] < known[words[0]]


def test_tokenizer_and_vectors_are_the_same_every_time():
    texts = reviews_task().train.texts
    one, other = tiny_tokenizer(texts), tiny_tokenizer(texts[::-1])
    assert one.get_vocab() == other.get_vocab()
    first = word_vectors(one(texts)["input_ids"], len(one))
    np.random.seed(99)
    torch.manual_seed(99)
    assert torch.equal(word_vectors(other(texts)["input_ids"], len(other)), first)


def test_words_with_the_same_company_are_near(company):
    tokenizer, vectors = company
    words = vectors[tokenizer.convert_tokens_to_ids(SEA + LAND)]
    near = cosine_similarity(words[:, None], words[None], 2).fill_diagonal_(-1)
    same = torch.arange(80)[:, None] // 40 == torch.arange(80) // 40
    assert same[torch.arange(80), near.argmax(1)].float().mean() > 0.95
    assert near[same & ~torch.eye(80, dtype=torch.bool)].mean() > near[~same].mean() + 0.1


@pytest.mark.parametrize(
    "texts",
    [
        reviews_task().train.texts,
        ["a b", "", "b c", "c a a a"],  # fewer words than directions, an empty text, a word many times
        [f"{word} {word}{number}" for number in range(60) for word in "xyz"],  # equal counts: the signs hang on rounding
        ["我喜欢这部电影", "我不喜欢", "电影很好 good"],
        [" ".join(f"w{number * step % 97}" for number in range(40)) for step in range(1, 60)],  # a full matrix
    ],
)
def test_counts_and_directions_are_those_of_scikit_learn_to_the_bit(texts):
    tokenizer = tiny_tokenizer(texts)
    encoded, size = tokenizer(texts)["input_ids"], len(tokenizer)
    known = {str(number): number for number in range(size)}
    lines = [" ".join(map(str, ids)) for ids in encoded]
    seen = CountVectorizer(vocabulary=known, token_pattern=r"\d+", binary=True).fit_transform(lines)
    assert ((seen.T @ seen) != together(encoded, size)).nnz == 0
    matrix = csr_matrix(np.log1p(seen.T @ seen))
    rank = min(HIDDEN, size - 1)
    assert np.array_equal(truncated(matrix, rank), TruncatedSVD(rank, random_state=0).fit_transform(matrix))


def test_vectors_have_the_stated_size_and_noise_where_nothing_is_known(company):
    tokenizer, vectors = company
    assert vectors.shape == (len(tokenizer), HIDDEN)
    assert vectors.dtype == torch.float32
    known = vectors[tokenizer.convert_tokens_to_ids(SEA + LAND)]
    assert known.std(correction=0).item() == pytest.approx(EMBEDDING_STD, rel=0.25)
    strange = vectors[[0, 1, tokenizer.convert_tokens_to_ids("alone")]]
    assert strange.norm(dim=1).min() > 0.5
    assert cosine_similarity(strange, known[0]).abs().max() < 0.6


@pytest.mark.parametrize("texts", [["one"], ["one", "two"], ["a b"], [""], ["", "a b c"]])
def test_hardly_any_text_gives_vectors_too(texts):
    tokenizer = tiny_tokenizer(texts)
    vectors = word_vectors(tokenizer(texts)["input_ids"], len(tokenizer))
    assert vectors.shape == (len(tokenizer), HIDDEN)
    assert vectors.isfinite().all()
    assert (vectors.norm(dim=1) > 0).all()


@pytest.mark.parametrize(("labels", "kind"), [(3, "classification"), (2, "regression"), (1, "regression")])
def test_model_starts_with_the_vectors_and_does_not_see_padding(company, labels, kind):
    tokenizer, vectors = company
    torch.manual_seed(0)
    model = tiny_model(vectors, labels, KINDS[kind]).eval()
    assert torch.equal(model.get_input_embeddings().weight, vectors)
    texts = tokenizer(["the wave1", "the field1 field2 wave2"], padding=True, return_tensors="pt")
    alone = tokenizer(["the wave1"], return_tensors="pt")
    with torch.no_grad():
        logits = model(**texts).logits
        torch.testing.assert_close(model(**alone).logits, logits[:1])
    assert logits.shape == (2, labels)
    assert not torch.allclose(logits[0], logits[1])


def test_model_is_small_and_drops_out_in_training(company):
    tokenizer, vectors = company
    torch.manual_seed(0)
    model = tiny_model(vectors, 2, KINDS["classification"])
    assert sum(p.numel() for p in model.parameters()) - vectors.numel() < 20_000
    texts = tokenizer(["the wave1 wave2"], return_tensors="pt")
    assert not torch.equal(model.train()(**texts).logits, model(**texts).logits)


def test_what_was_learnt_from_texts_is_kept_for_the_same_texts_alone():
    task = reviews_task()
    others = [
        replace(task, unlabelled=task.unlabelled[:-1]),
        replace(task, train=replace(task.train, texts=[*task.train.texts[:-1], "another text"])),
        replace(task, train=replace(task.train, pairs=task.train.texts[::-1])),
    ]
    made = [Models(Recipe(), one) for one in (task, *others, task)]
    assert len({one.fingerprint for one in made}) == 4
    assert made[0].fingerprint == made[-1].fingerprint
    made[-1].tokenizer.truncation_side = "left"
    made[-1].tokenizer("a text of some words", truncation=True, max_length=3)
    fresh = Models(Recipe(), task).tokenizer
    assert fresh.truncation_side == "right"
    assert fresh("a text of some words")["input_ids"] == made[0].tokenizer("a text of some words")["input_ids"]
