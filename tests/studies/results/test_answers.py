from dataclasses import replace

import pytest
from helpers.made_up_studies import matter_of, summary
from optuna.distributions import FloatDistribution

from finetune.arguments import as_options
from studies.results.answers import answers, nothing, silence
from studies.results.importance import Finding, Matters

SPACE = {name: FloatDistribution(0.0, 1.0) for name in ("lr", "eps", "K")}


def study(rows, broken=()):
    found = replace(summary("C" * 24, SPACE, explore=16))
    found.__dict__["matters"] = Matters(list(rows), 0.004, list(broken), 24)
    return found


def pair(question="breaks", share=0.5, floor=0.2):
    return Finding(("eps", "lr"), question, share, 0.3, 0.7, floor, share > floor)


def test_a_pair_says_what_its_settings_do():
    rows = [pair(), matter_of("eps", "breaks"), matter_of("K", "breaks", share=0.1)]
    [line] = answers(study(rows, [1, 2, 3]))
    assert line.startswith("eps and lr decide together whether training breaks (3 trials of 24 did): 0.50 of the variance")
    assert "(floor 0.20); with eps " in line


def test_a_setting_of_its_own_and_the_strength():
    lines = answers(study([matter_of("K"), matter_of("strength")], range(4)))
    assert lines[0].startswith(
        "K decides how good the trials are that do not break: 0.90 of the variance (floor 0.30); the best"
    )
    assert lines[1].startswith("the strength of the attack decides how good")


def test_what_is_not_found_says_how_many_trials_would_show_it():
    rows = [matter_of(name, share=share, floor=0.25) for name, share in (("K", 0.1), ("lr", 0.2))]
    [few, line] = answers(study(rows))
    assert few == "0 trials of 24 broke training: too few to ask why"
    # The floor is -ln(0.75) * 16 / 2 = 2.30 nats; a tenth of the variance reaches it with 16 * ln(0.75) / ln(0.9) = 43.7.
    assert as_options(line) == (
        "nothing explains how good the trials are that do not break beyond chance (the most: lr, 0.20, floor 0.25); "
        "a setting with a tenth of the variance would show in about 50 evenly spread trials (--explore 50)"
    )
    assert "--explore" not in as_options(nothing("improves", [matter_of("K", share=0.01, floor=0.02)], study([])))


@pytest.mark.parametrize(
    ("states", "space", "words"),
    [
        ("C" * 9, {}, "this study varies none"),
        ("C" * 9, {"lr": SPACE["lr"]}, "this study varies only one"),
        ("CCC", None, "Importances need 8 trials with a value, and this study has 3."),
    ],
)
def test_why_nothing_is_said(states, space, words):
    found = summary(states, space)
    assert words in silence(found)
    assert answers(found) == []


def test_where_something_is_said_there_is_no_silence():
    assert silence(study([matter_of("K")])) == ""
    assert "All trials that do not break training have the same value" in silence(study([], range(16)))
    few = "Importances need 8 trials that do not break training, and this study has 7 of 24."
    assert silence(study([], range(17))) == few
