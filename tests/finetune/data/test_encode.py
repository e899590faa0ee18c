import numpy as np
import pytest
import torch
from helpers.small_tasks import reviews_task
from hypothesis import given
from hypothesis import strategies as st

from finetune.data.encode import POOL, Encoded, encode, score_batches, train_batches
from finetune.models.tiny import tiny_tokenizer
from finetune.tasks.task import Rows

CPU = torch.device("cpu")
TEXTS = ["a", "a b c d e", "a b c", "", "b c d e a b c d"]


def tokenizer(side="right"):
    made = tiny_tokenizer(["a b c d e"])
    made.padding_side = side
    return made


def encoded(texts, side="right", pairs=None, max_length=16):
    return encode(Rows(texts, pairs, np.arange(len(texts))), tokenizer(side), max_length, lambda _: np.arange(len(texts)))


def of_lengths(lengths):
    return Encoded({}, np.array(lengths, np.int64), torch.arange(len(lengths)), False)


def orders(batches):
    return [batch.tolist() for batch in batches]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("index", [[0], [3], [1, 0], [2, 3, 0], [4, 1], [0, 1, 2, 3, 4]])
def test_a_batch_holds_its_rows_padded_to_the_longest_of_them(side, index):
    batch = encoded(TEXTS, side).batch(np.array(index), CPU)
    alone = [tokenizer()(TEXTS[i])["input_ids"] for i in index]
    longest = max(map(len, alone))
    assert batch["labels"].tolist() == index
    for row, ids in enumerate(alone):
        padding, here = [0] * (longest - len(ids)), [1] * len(ids)
        expected = (padding + ids, padding + here) if side == "left" else (ids + padding, here + padding)
        assert batch["input_ids"][row].tolist() == expected[0]
        assert batch["attention_mask"][row].tolist() == expected[1]


@pytest.mark.parametrize("side", ["left", "right"])
def test_every_input_is_cut_on_the_same_side(side):
    mask = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 1]])
    mask = mask if side == "left" else mask.flip(1)
    inputs = {"attention_mask": mask, "token_type_ids": mask * 7}
    batch = Encoded(inputs, np.array([2, 3]), torch.zeros(2), side == "left").batch(np.array([0]), CPU)
    assert batch["attention_mask"].tolist() == [[1, 1]]
    assert batch["token_type_ids"].tolist() == [[7, 7]]


def test_pairs_are_one_input_and_long_texts_are_cut():
    made = tokenizer()
    ids = encoded(["a b"], pairs=["c"]).inputs["input_ids"][0]
    assert ids.tolist() == made.convert_tokens_to_ids(["[CLS]", "a", "b", "[SEP]", "c", "[SEP]"])
    cut = encoded(["a b c d e a b c d e", "a"], max_length=6)
    assert cut.inputs["input_ids"].shape == (2, 6)
    assert cut.lengths.tolist() == [6, 3]
    assert len(cut) == 2


@given(
    lengths=st.lists(st.integers(1, 99), min_size=1, max_size=300),
    size=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
    epoch=st.integers(0, 99),
)
def test_every_row_exactly_once_per_epoch(lengths, size, seed, epoch):
    batches = orders(train_batches(of_lengths(lengths), size, seed, epoch))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert sorted((len(batch) for batch in batches), reverse=True)[:-1] == [size] * (len(batches) - 1)
    assert batches == orders(train_batches(of_lengths(lengths), size, seed, epoch))


def test_order_depends_on_seed_and_epoch_only():
    data = encoded(reviews_task().train.texts)
    first = orders(train_batches(data, 4, 1, 2))
    np.random.seed(99)
    torch.manual_seed(99)
    train_batches(data, 4, 1, 1)
    assert orders(train_batches(data, 4, 1, 2)) == first
    for seed, epoch in ((1, 3), (2, 2), (2, 1)):
        other = orders(train_batches(data, 4, seed, epoch))
        assert other != first
        assert {frozenset(batch) for batch in other} != {frozenset(batch) for batch in first}


def test_rows_of_like_length_meet_but_batches_come_in_any_order():
    lengths = np.random.default_rng(0).integers(3, 100, 16 * POOL)
    widths = [lengths[batch].max() for batch in train_batches(of_lengths(lengths), 16, 0, 0)]
    padding = np.sum(widths) * 16 / lengths.sum()
    assert padding < 1.1
    assert widths != sorted(widths)
    assert widths != sorted(widths, reverse=True)


@given(lengths=st.lists(st.integers(1, 99), min_size=1, max_size=99), size=st.integers(1, 40))
def test_scoring_sees_every_row_once_the_longest_first(lengths, size):
    batches = orders(score_batches(of_lengths(lengths), size))
    rows = [row for batch in batches for row in batch]
    assert sorted(rows) == list(range(len(lengths)))
    assert [lengths[row] for row in rows] == sorted(lengths, reverse=True)
    assert max(map(len, batches)) <= size


@pytest.mark.parametrize("side", ["left", "right"])
def test_labels_of_tokens_are_cut_as_the_tokens_are(side):
    rows, made = Rows(["a b", "a b c d", "b a"], None, np.arange(3)), tokenizer(side)
    batch = encode(rows, made, 16, lambda encoded: encoded["input_ids"].numpy()).batch(np.array([0, 2]), CPU)
    assert torch.equal(batch["labels"], batch["input_ids"])
    assert batch["labels"].shape == (2, 4)
    assert batch["labels"].is_contiguous()
    numbers = encode(rows, made, 16, lambda _: np.ones((3, 6), np.float32)).batch(np.array([0]), CPU)
    assert numbers["labels"].shape == (1, 6)
