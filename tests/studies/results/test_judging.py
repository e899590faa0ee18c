"""The verdict: which looks there are, what each may find, and what a person reads about it."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.results.judging import Looks, judge
from studies.results.signs import e_values

UP, FLAT = [0.02] * 8, [0.01, -0.01] * 4
# The mean is 0.75 sd: no futility, and nothing at the first look.
SOME = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0]


@pytest.mark.parametrize(
    ("cap", "seeds", "alphas"),
    [
        (1, (), ()),
        (7, (), ()),
        (8, (8,), (0.05,)),
        (9, (8, 9), (0.0157, 0.0343)),
        (16, (8, 16), (0.0157, 0.0343)),
        (17, (8, 16, 17), (0.0157, 0.017, 0.0173)),
        (30, (8, 16, 30), (0.0157, 0.017, 0.0173)),
        (31, (8, 16, 30, 31), (0.0157, 0.0114, 0.0114, 0.0115)),
        (500, (8, 16, 30, 500), (0.0157, 0.0114, 0.0114, 0.0115)),
    ],
)
def test_looks_are_those_below_the_cap_and_the_cap(cap, seeds, alphas):
    assert (Looks.until(cap).seeds, Looks.until(cap).alphas) == (seeds, alphas)
    assert not seeds or math.isclose(sum(alphas), 0.05)


@pytest.mark.parametrize("cap", [0, -8])
def test_a_cap_below_one_is_refused(cap):
    with pytest.raises(ValueError, match=f"cap is {cap}"):
        judge([], None, cap)


@pytest.mark.parametrize(
    ("clean", "control", "cap", "words", "decided", "look"),
    [
        ([], None, 30, ("not separable", None), False, None),
        ([0.5], [0.5], 30, ("not separable", "not separable"), False, None),
        ([9.0] * 7, None, 30, ("not separable", None), False, None),  # p would be 2/128, but no look is declared there
        ([9.0] * 7, None, 7, ("not separable", None), True, None),
        (UP, None, 8, ("better", None), True, 8),
        (UP, None, 30, ("better", None), True, 8),
        ([-d for d in UP], None, 30, ("worse", None), True, 8),
        ([-d for d in UP], SOME, 30, ("worse", "not separable"), True, 8),  # why ask about the control then
        (UP, UP, 30, ("better", "better"), True, 8),
        (UP, FLAT, 30, ("better", "not separable"), True, 8),
        (UP, SOME, 30, ("better", "not separable"), False, 8),
        (FLAT, UP, 30, ("not separable", "better"), True, None),
        (SOME, UP, 30, ("not separable", "better"), False, None),
        (FLAT, None, 30, ("not separable", None), True, None),
        ([0.0] * 8, [0.0] * 8, 30, ("not separable", "not separable"), True, None),
        (SOME, None, 30, ("not separable", None), False, None),
        (SOME, None, 8, ("not separable", None), True, None),
        ([math.inf] * 8, None, 30, ("better", None), True, 8),  # clean training failed on every seed
        ([0.1] * 7 + [-math.inf], None, 30, ("not separable", None), False, None),  # p = 2 * 9 / 256
        ([0.1] * 9, [0.1] * 8, 30, ("better", "better"), True, 8),  # the ninth seed is not complete
    ],
)
def test_words_at_the_first_look(clean, control, cap, words, decided, look):
    found = judge(clean, control, cap)
    assert ((found.word, found.control_word), found.decided, found.look) == (words, decided, look)
    assert not found.by_e


@pytest.mark.parametrize(
    ("minus", "control", "word"),
    # With k of 16 seeds on the other side p is 2 / 2**16 times the sum of (16 over i) for i up to k:
    # 2: 274 / 65536 = 0.0042; 3: 1394 / 65536 = 0.0213. One comparison: 0.017; both open: 0.0085.
    [(2, False, "better"), (3, False, "not separable"), (2, True, "better"), (3, True, "not separable")],
)
def test_the_second_look_spends_its_share(minus, control, word):
    clean = [-1.0] * minus + [1.0] * (16 - minus)
    found = judge(clean, SOME * 2 if control else None, 30)
    assert found.word == word
    assert found.p == pytest.approx(2 * sum(math.comb(16, i) for i in range(minus + 1)) / 2**16)


def holm(cap, worse_by, control_by):
    clean, control = [1.0] * 16, [1.0] * 16
    clean[:worse_by], control[:control_by] = [-1.0] * worse_by, [-1.0] * control_by
    found = judge(clean, control, cap)
    return found.word, found.control_word


def test_the_larger_p_value_is_tested_at_the_whole_alpha_only_after_the_smaller():
    # A cap of 16 spends 0.0343 there: half is 0.01715, below the 0.0213 of three seeds on the other side.
    assert holm(16, 3, 3) == ("not separable", "not separable")
    assert holm(16, 3, 2) == ("better", "better")
    assert holm(16, 2, 3) == ("better", "better")
    assert holm(16, 4, 2) == ("not separable", "better")  # four: 0.0768


def test_a_verdict_stays_and_nothing_is_found_between_looks():
    assert judge(UP + [-1.0] * 20, None, 30).word == "better"
    assert judge(SOME + [1.0] * 7, None, 30).word == "not separable"
    assert judge(SOME + [1.0] * 8, None, 30).word == "better"


def test_a_stop_stays_also_if_other_workers_finish_further_seeds():
    assert judge([*FLAT, 5.0, 5.0], None, 30).decided
    assert judge(FLAT + [0.3] * 30, None, 38).word == "better"  # whoever goes on loses nothing


def test_after_the_cap_only_the_e_value_speaks_and_says_so():
    later = SOME + [1.0] * 30
    first = next(n for n in range(9, 38) if e_values(later)[n - 1] >= 20)
    found = judge(later[: first - 1], None, 8)
    assert (found.word, found.by_e, found.decided) == ("not separable", False, True)
    assert "judged by the e-value alone" in found.why
    assert "20 would be enough" in found.why
    found = judge(later[:first], None, 8)
    assert (found.word, found.by_e, found.look) == ("better", True, first)
    assert f"after {first} seeds (20 is enough)" in found.why
    assert judge(later[:first] + [-5.0] * 9, None, 8).word == "better"


def test_two_open_comparisons_need_an_e_value_of_forty():
    later = SOME + [1.0] * 30
    first = next(n for n in range(9, 38) if e_values(later)[n - 1] >= 40)
    assert judge(later[: first - 1], later[: first - 1], 8).word == "not separable"
    found = judge(later[:first], later[:first], 8)
    assert (found.word, found.control_word) == ("better", "better")


def test_the_peak_before_the_cap_finds_nothing_later():
    early = UP[:7] + [-0.02] * 3 + [0.02, -0.02] * 10
    assert max(e_values(early[:8])) >= 20
    found = judge(early, None, 12)
    assert (found.word, found.by_e) == ("not separable", False)


@pytest.mark.parametrize(
    ("clean", "control", "cap", "sentence"),
    [
        ([1.0], None, 5, "5 seeds cannot give a verdict: at least 8 are needed."),
        ([], None, 1, "1 seed cannot give a verdict: at least 8 are needed."),
        ([1.0], None, 30, "1 seed so far; the first look is after 8."),
        ([1.0, 2.0], [1.0], 30, "1 seed so far; the first look is after 8."),
        (UP, None, 30, "Against clean training: p = 0.0078 at the look after 8 seeds."),
        (SOME, None, 30, "which is not enough; the next look is after 16."),
        (SOME, None, 8, "p = 0.29 at the look after 8 seeds, which is not enough."),
        (FLAT, None, 30, "after 8 the mean is so small that more would not pay."),
        (UP, FLAT, 30, "Against the control: p = 1 after 8 seeds"),
    ],
)
def test_the_reason_is_a_sentence(clean, control, cap, sentence):
    assert sentence in judge(clean, control, cap).why


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-2, 3), max_size=18), st.sampled_from([4, 8, 12, 30]), st.booleans())
def test_turned_round_the_word_is_the_other_one(differences, cap, both):
    turned = {"better": "worse", "worse": "better", "not separable": "not separable", None: None}
    clean, control = [float(d) for d in differences], [float(d + 1) for d in differences] if both else None
    found, other = judge(clean, None, cap), judge([-d for d in clean], None, cap)
    assert (other.word, other.p, other.decided) == (turned[found.word], found.p, found.decided)
    judged = judge(clean, control, cap)
    assert judged.seeds == len(differences)
    assert judged.decided or judged.seeds < cap
