"""Character noise in texts of any script and length."""

import numpy as np
import pytest
import regex

from finetune.data.noise import misspelt, noisy
from finetune.tasks.task import Rows

FAMILY, THUMB = "👩‍👩‍👧‍👦", "👍🏽"
STRANGE = {
    "empty": "",
    "one character": "x",
    "one emoji with joiners": FAMILY,
    "blanks": " \t\n  ",
    "emoji with joiners and skin": f"{FAMILY}{THUMB} {THUMB} ok{FAMILY}",
    "combining marks": "é̂̃ n̈o ạ̊b",
    "a mark on a blank": " ́a",
    "right to left": "שָׁלוֹם עולם، مرحبا بكم",
    "Devanagari and Thai": "नमस्ते दुनिया สวัสดีชาวโลก",
    "Chinese": "这部电影非常精彩",
    "flags": "🇩🇪🇫🇷🇯🇵",
    "line ends and controls": "a\r\nb\x00c\u200bd\u2028e",
    "a lone surrogate's neighbour": "\U0010ffff\ufffd z",
}


def characters(text):
    return regex.findall(r"\X", text)


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
def test_words_and_whole_characters_stay(text, share):
    for seed in range(20):
        found = misspelt(text, (seed,), share)
        assert found == misspelt(text, (seed,), share)
        assert len(found.split()) == len(text.split())
        assert regex.findall(r"\s", found) == regex.findall(r"\s", text)
        known = "".join(sorted(set("".join(characters(text)))))
        assert set(found) <= set(known)
        assert found.count("‍") % 3 == 0 or FAMILY not in text


def test_no_share_changes_nothing_and_some_share_something():
    for text in STRANGE.values():
        assert misspelt(text, (1,), 0.0) == text
    assert misspelt("x", (1,), 1.0) == "xx"
    assert misspelt(FAMILY, (1,), 1.0) == FAMILY * 2
    changed = [name for name, text in STRANGE.items() if any(misspelt(text, (seed,), 1.0) != text for seed in range(9))]
    assert set(STRANGE) - set(changed) == {"empty", "blanks"}


def test_each_way_of_a_word():
    found = {misspelt("abc", (seed,), 0.3) for seed in range(400)}
    swapped, dropped, doubled = {"bac", "acb"}, {"bc", "ac", "ab"}, {"aabc", "abbc", "abcc"}
    assert {"abc"} | swapped | dropped | doubled <= found
    assert "" not in found


def test_a_megabyte_has_the_stated_share():
    text = "wordy " * 175_000
    found = misspelt(text, (0,))
    lengths = np.array([len(word) for word in found.split()])
    assert len(lengths) == 175_000
    # Two of three changes alter a word's length, or all but the swap at a word's end, which is a letter typed twice.
    expected = 0.05 * (2 / 3 + 1 / 3 / 5)
    assert (lengths != 5).mean() == pytest.approx(5 * expected, rel=0.15)


def test_both_texts_of_a_pair_get_noise_of_their_own_and_labels_stay():
    long = "the very same sentence stands in every row and in both columns of this table " * 4
    rows = Rows([long] * 3, [long] * 3, np.array([0, 1, 0]))
    first = noisy(rows)
    assert len({*first.texts, *first.pairs, long}) == 7
    assert noisy(rows).texts == first.texts
    assert first.labels is rows.labels
    assert noisy(Rows(["a b"], None, np.array([0]))).pairs is None
