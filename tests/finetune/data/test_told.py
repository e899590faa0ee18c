"""What a run says it has read, and the warnings: each from both sides of its limit."""

import numpy as np
import pytest

from finetune.data.told import reading
from finetune.models.tiny import tiny_tokenizer
from finetune.tasks.task import Rows, Task


def rows_of(texts, labels):
    return Rows(list(texts), None, np.array(labels))


def lines(train, validation=None, test=None, names=("bad", "good"), max_length=128, words=None):
    validation = validation or rows_of(["quite another story"] * 10, [0, 1] * 5)
    test = test or rows_of(["a third tale of it"] * 10, [0, 1] * 5)
    task = Task("t", "classification", names, train, validation, test)
    texts = [*train.texts, *validation.texts, *test.texts] if words is None else words
    return reading(task, tiny_tokenizer(texts), max_length)


def warnings(found):
    return [line for line in found if line.startswith("warning: ")]


def hundred(first, count, other="film number {}"):
    """A hundred texts, ``count`` of them ``first``; their labels in turn."""
    return rows_of([first.format(n) if n < count else other.format(n) for n in range(100)], [n % 2 for n in range(100)])


def test_the_usual_lines():
    found = lines(hundred("", 0))
    assert found[0] == "rows: 100 train, 10 validation, 10 test"
    assert found[1] == "2 classes in train: bad 50, good 50"
    assert found[2].startswith(
        "tokens of a train text: median 5, longest 5; 0 % cut off by max_length=128; unknown tokens: 0 %"
    )
    assert warnings(found) == []


def test_of_many_classes_the_largest_and_smallest_are_named():
    labels = [n for n in range(12) for _ in range(n + 1)]
    train = rows_of([f"film {n}" for n in range(len(labels))], labels)
    found = lines(train, names=tuple(f"c{n}" for n in range(12)))
    assert found[1] == "12 classes in train: c11 12, c10 11, c9 10, c8 9, c7 8, c6 7, ..., c1 2, c0 1"


@pytest.mark.parametrize(("count", "warned"), [(20, False), (21, True)])
def test_texts_that_are_cut(count, warned):
    found = lines(hundred("a b c d e f g h {}", count), max_length=8)
    assert f"{count} % cut off by max_length=8" in found[2]
    what = "21 % of the train texts are cut off; max_length=11 keeps 95 % of them uncut; or put what matters first"
    assert warnings(found) == ([f"warning: {what}"] if warned else [])


def test_the_length_that_is_named_keeps_what_it_promises():
    rows = rows_of(["a b c d e f g h"] * 6 + ["a " * 20] * 3 + ["a " * 100], [0, 1] * 5)
    assert "max_length=102 keeps 95 % of them uncut" in warnings(lines(rows, max_length=8))[0]


@pytest.mark.parametrize(("words", "warned"), [(["film x y"], True), ([f"film number {n}" for n in range(100)], False)])
def test_tokens_that_are_unknown(words, warned):
    found = lines(hundred("", 0), rows_of(["film number 0"], [0]), words=[*words, "film number"])
    assert any("of the tokens are unknown to the model" in line for line in warnings(found)) is warned


@pytest.mark.parametrize(("known", "warned"), [(0, False), (2, False), (3, True)])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_texts_of_train_in_another_split(split, known, warned):
    train = hundred("", 0)
    other = rows_of([train.texts[n].upper() + " " if n < known else f"new text {n}" for n in range(100)], [0, 1] * 50)
    found = lines(train, **{split: other})
    said = [line for line in found if "are also train texts" in line]
    assert len(said) == (known > 0)
    assert [line.startswith(f"warning: 3 of 100 {split} texts (3 %)") for line in said] == [warned] * len(said)


@pytest.mark.parametrize(("count", "warned"), [(4, False), (6, True)])
def test_one_text_with_two_labels(count, warned):
    said = [line for line in lines(hundred("the same", count)) if "another label elsewhere" in line]
    assert [line.startswith("warning: ") for line in said] == [warned]
    assert f"{count} train rows ({count} %)" in said[0]


@pytest.mark.parametrize("empty", ["", "   ", "!", "x"])
@pytest.mark.parametrize(("count", "warned"), [(0, False), (10, False), (11, True)])
def test_texts_with_nothing_in_them(empty, count, warned):
    said = [line for line in lines(hundred(empty, count)) if "empty or one character long" in line]
    assert len(said) == (count > 0)
    assert any(line.startswith(f"warning: {count} train texts ({count} %)") for line in said) is warned


@pytest.mark.parametrize(("common", "warned"), [(90, False), (91, True)])
def test_one_class_has_nearly_all_rows(common, warned):
    found = lines(rows_of([f"film {n}" for n in range(100)], [0] * common + [1] * (100 - common)))
    assert any("consider metric='macro_f1'" in line for line in found) is warned


@pytest.mark.parametrize(("names", "warned"), [(("bad", "Bad"), True), (("a b", "a  b"), True), (("bad", "good"), False)])
def test_classes_that_differ_by_case_or_blanks(names, warned):
    said = [line for line in lines(hundred("", 0), names=names) if "differ only by case or blanks" in line]
    what = f"some classes differ only by case or blanks: {names[0]!r} (50) and {names[1]!r} (50)"
    assert said == ([f"warning: {what}"] if warned else [])


def test_one_is_not_several():
    train = hundred("", 0)
    found = lines(hundred("!", 1), rows_of([train.texts[50], *"abcdefghij"], [0] * 11), rows_of(["a film"], [0]))
    assert "1 train text (1 %) is empty or one character long" in found
    assert any(line.startswith("warning: 1 of 11 validation texts (9.09 %) is also a train text: ") for line in found)
    twice = rows_of(["the same", "the same", *(f"film {n}" for n in range(98))], [0, 1, *[0] * 98])
    assert "2 train rows (2 %) have a text that has another label elsewhere in train" in lines(twice)


def test_one_known_text_in_each_of_two_splits_are_two():
    train = hundred("", 0)
    other = rows_of([train.texts[0], *(f"new {n}" for n in range(99))], [0, 1] * 50)
    said = "1 of 100 validation texts (1 %) and 1 of 100 test texts (1 %) are also train texts"
    assert said in lines(train, other, other)


def test_two_numbers_of_one_text_do_not_contradict_each_other():
    texts = ["the same", "the same", *(f"film {n}" for n in range(8))]
    rows = Rows(texts, None, np.arange(10, dtype=np.float32)[:, None])
    found = reading(Task("t", "regression", ("y",), rows, rows, rows), tiny_tokenizer(texts), 64)
    assert not any("another label" in line for line in found)
    assert found[1] == "targets, mean +- sd (range): y 4.5 +- 2.87 (0 to 9)"
