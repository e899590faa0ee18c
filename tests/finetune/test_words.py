import pytest

from finetune.words import choices, counted, listed, share, short, some


@pytest.mark.parametrize(
    ("count", "nouns", "said"),
    [
        (0, ("row",), "0 rows"),
        (1, ("row",), "1 row"),
        (2, ("row",), "2 rows"),
        (1, ("class", "classes"), "1 class"),
        (0, ("class", "classes"), "0 classes"),
        (1200, ("text",), "1200 texts"),
    ],
)
def test_a_count_agrees_with_its_noun(count, nouns, said):
    assert counted(count, *nouns) == said


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (0, 10, "0 %"),
        (10, 10, "100 %"),
        (9999, 10000, "99.9 %"),
        (1, 10000, "under 0.1 %"),
        (1, 1000, "0.1 %"),
        (1, 3, "33.3 %"),
        (0, 0, "0 %"),
        (0.25, 1, "25 %"),
    ],
)
def test_a_share_is_never_rounded_to_nothing_or_all(part, whole, said):
    assert share(part, whole) == said


@pytest.mark.parametrize(
    ("words", "said"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c", "d"], "a, b, c and d")]
)
def test_words_in_a_sentence(words, said):
    assert listed(words) == said


def test_long_lists_end_early():
    assert some(["b", "a", "c"], 3) == "b, a, c"
    assert some(["b", "a", "c"], 2) == "b, a, ..."
    assert choices(f"m{n:02}" for n in reversed(range(21))) == ", ".join(f"m{n:02}" for n in range(20)) + ", ..."
    assert choices(["b", "a"]) == "a, b"


@pytest.mark.parametrize(("value", "said"), [(0.5, "0.5"), (1e-9, "1e-09"), (123456.7, "1.235e+05"), (3, "3"), ("x", "x")])
def test_fractions_are_short_and_other_values_stay(value, said):
    assert short(value) == said
