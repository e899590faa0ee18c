"""Rivals beside the verdict: where the winner stands, and what is said about its gain."""

from dataclasses import replace

import pytest
from helpers.made_up_stages import made_stage
from helpers.plain_studies import plain_study

from spaces import space_of
from studies.report.page import page
from studies.results.confirm_record import record_of
from studies.results.confirm_words import headline, verdict_lines
from studies.results.further import place
from studies.results.further_words import aside, but, finding, named
from studies.results.side import compare
from studies.results.summary import summarise

SPACE = {"epsilon": space_of("fgm", 4)["epsilon"]}
CLEAN = {"who": "clean training", "method": "none", "settings": {}}
WINNER = {"who": "trial 1", "method": "fgm", "settings": {"epsilon": 0.5}, "trial": 1}
LONGER = {"who": "clean training for 8 epochs", "method": "none", "settings": {}, "recipe": {"epochs": 8}}
TUNED = {"who": "tuned clean training (trial 3)", "method": "none", "settings": {}, "recipe": {"learning_rate": 0.002}}
# Eight seeds; the winner is 0.1 better than clean training on each.
BASE = [0.70, 0.71, 0.72, 0.70, 0.69, 0.70, 0.71, 0.70]


def confirmed(declared=("compute", "tuned"), gain=0.1, maximize=True, **rivals):
    """A verdict, with the differences of the winner to each rival by seed."""
    sign = 1 if maximize else -1
    rows = [(0.70, {"epsilon": 0.2}), (0.80 if maximize else 0.60, {"epsilon": 0.5})]
    study = plain_study(rows, SPACE, about={"method": "fgm"}, maximize=maximize, clean=(0.6, 0.7))
    winner = [value + sign * gain for value in BASE]
    arms = [(CLEAN, BASE), (WINNER, winner)]
    made_stage(study, "verdict", arms, cap=30, **{"declared rivals": list(declared)})
    for name, differences in rivals.items():
        values = [ours if apart is None else ours - sign * apart for ours, apart in zip(winner, differences, strict=False)]
        values = [None if apart is None else value for value, apart in zip(values, differences, strict=False)]
        made_stage(study, f"against_{name}", [(LONGER if name == "compute" else TUNED, values)])
    return summarise(study)


HALF = [0.02, -0.01, 0.03, 0.02, 0.01, 0.02, 0.03, 0.02]
CASES = {
    "ahead": (
        [0.05] * 8,
        "ahead",
        "It also beats clean training for 8 epochs: the gain is more than training longer gives.",
    ),
    "perhaps": (
        HALF,
        "unsure",
        "It is ahead of clean training for 8 epochs, on too little evidence to say that the gain is more than training "
        "longer gives.",
    ),
    "not shown": (
        [0.03, -0.02, 0.02, -0.03, 0.03, -0.02, 0.01, 0.01],
        "not shown",
        "It was not shown to beat clean training for 8 epochs: the gain may come from training longer alone.",
    ),
    "the same": ([0.0] * 8, "level", "Clean training for 8 epochs does as well: the gain only matches training longer."),
    "a little less": (
        [-0.03, 0.02, -0.02, 0.03, -0.03, 0.02, -0.01, -0.01],
        "level",
        "Clean training for 8 epochs does as well: the gain only matches training longer.",
    ),
    "behind": (
        [-value for value in HALF],
        "behind",
        "Clean training for 8 epochs does better than the winner: training longer gains more than the attack.",
    ),
    "it always failed": (
        [None] * 8,
        "ahead",
        "It also beats clean training for 8 epochs: the gain is more than training longer gives.",
    ),
}


@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize(("differences", "place", "said"), CASES.values(), ids=CASES)
def test_what_training_longer_says_about_a_gain(differences, place, said, maximize):
    summary = confirmed(compute=differences, maximize=maximize)
    verdict = summary.confirmed
    assert (verdict.word, verdict.compute.place, verdict.tuned) == ("better", place, None)
    lines = verdict_lines(verdict)
    at = lines.index(said)
    assert lines[at - 1].startswith("beside the verdict, against clean training for 8 epochs: ")
    assert lines[at - 1].endswith("(20 or more is evidence)")
    assert ("but" in lines[0]) == (place in ("not shown", "level", "behind"))
    assert said in page(summary)["confirmed"]
    record = record_of(verdict)["against_compute"]
    assert (record["finding"], record["recipe"], record["declared"]) == (said, {"epochs": 8}, True)
    assert "verdict" not in record


@pytest.mark.parametrize(
    ("compute", "tuned", "but"),
    [
        ([0.05] * 8, HALF, ""),
        ([0.0] * 8, [0.05] * 8, ", but clean training for 8 epochs does as well or better"),
        ([0.05] * 8, [-0.05] * 8, ", but tuned clean training does as well or better"),
        ([0.0] * 8, [0.0] * 8, ", but clean training for 8 epochs and tuned clean training do as well or better"),
        (
            [0.0] * 8,
            CASES["not shown"][0],
            ", but clean training for 8 epochs does as well or better and it was not shown to beat tuned clean training",
        ),
        (
            CASES["not shown"][0],
            CASES["not shown"][0],
            ", but it was not shown to beat clean training for 8 epochs or tuned clean training",
        ),
    ],
)
def test_the_first_sentence_leaves_out_no_rival_that_is_as_good(compute, tuned, but):
    verdict = confirmed(compute=compute, tuned=tuned).confirmed
    assert verdict.lines[0].endswith(f"on 8 fresh seeds: +0.1000{but}")
    assert [each.name for each in verdict.further] == ["compute", "tuned"]


def test_the_tuned_recipe_is_said_once():
    lines = confirmed(tuned=[0.05] * 8).confirmed.lines
    said = [line for line in lines if "learning_rate=0.002" in line]
    assert len(said) == 1
    assert said[0].startswith("beside the verdict, against tuned clean training (trial 3) with learning_rate=0.002: +0.0500")
    assert "It also beats tuned clean training: the gain is more than tuning the recipe gives." in lines


def test_without_a_gain_only_a_rival_that_is_better_is_worth_a_sentence():
    none = confirmed(gain=0.0, compute=[0.0] * 8).confirmed
    assert none.word == "not separable"
    assert [line for line in none.lines if "training longer" in line] == []
    worse = confirmed(gain=0.0, compute=[-0.05] * 8).confirmed
    assert (
        "Clean training for 8 epochs does better than the winner: training longer gains more than the attack." in worse.lines
    )


def test_what_was_asked_for_later_or_is_not_complete_is_said_to_be():
    verdict = confirmed(declared=["tuned"], compute=[0.05] * 8, tuned=[0.05] * 3).confirmed
    starts = [line.partition(", against")[0] for line in verdict.lines if line.startswith("beside")]
    assert starts == ["beside the verdict, asked for when it had begun", "beside the verdict, 3 of 8 seeds so far"]
    assert (verdict.compute.declared, verdict.tuned.declared) == (False, True)


def test_rivals_do_not_touch_the_verdict():
    alone, beside = confirmed().confirmed, confirmed(compute=[0.0] * 8, tuned=[0.05] * 8).confirmed
    assert (alone.judgement, alone.clean) == (beside.judgement, beside.clean)
    assert list(beside.values) == ["clean training", "trial 1", LONGER["who"], TUNED["who"]]


def test_a_verdict_that_knows_no_rivals_has_none():
    verdict = confirmed(declared=()).confirmed
    assert (verdict.further, verdict.compute, verdict.tuned) == ([], None, None)
    assert not [key for key in record_of(verdict) if key in ("against_compute", "against_tuned")]


@pytest.mark.parametrize(
    ("mean", "low", "high", "e", "expected"),
    [
        (0.1, 0.05, 0.2, 20.0, "ahead"),
        (0.1, 0.05, 0.2, 19.9, "unsure"),
        (0.1, 0.0, 0.2, 3.0, "not shown"),
        (0.1, None, None, 1.0, "not shown"),
        (0.0, None, None, 1.0, "level"),
        (-0.1, -0.2, 0.0, 3.0, "level"),
        (-0.1, -0.2, -0.01, 3.0, "behind"),
        (-0.1, None, None, 25.0, "behind"),
    ],
)
def test_where_the_winner_stands(mean, low, high, e, expected):
    assert place(mean, low, high, e) == expected


def test_sentences_are_those_of_the_verdict():
    verdict = confirmed(compute=[0.0] * 8).confirmed
    lines = verdict.lines
    assert finding("better", verdict.compute) in lines
    assert lines[0].endswith(but([verdict.compute]))
    assert any(line.startswith(aside(verdict.compute, 8)) for line in lines)
    assert named(verdict.compute) == LONGER["who"]
    assert verdict.clean == compare("clean training", verdict.clean.differences, "better", 30, None, None)


def test_fewer_than_eight_seeds_say_nothing():
    verdict = confirmed(compute=[-0.05] * 7, tuned=[0.0] * 3).confirmed
    assert (verdict.compute.place, verdict.tuned.place) == ("too few seeds", "too few seeds")
    assert (finding("better", verdict.compute), finding("better", verdict.tuned)) == (None, None)
    assert verdict.lines[0].endswith("fresh seeds: +0.1000")
    assert "finding" not in record_of(verdict)["against_compute"]


def test_the_defaults_are_named_with_their_method_once():
    summary = confirmed()
    name = replace(summary.confirmed, winner=replace(summary.confirmed.winner, who="the defaults (trial 0)"))
    assert headline(name).startswith("verdict: better. the defaults (trial 0, fgm) is better than clean training")
