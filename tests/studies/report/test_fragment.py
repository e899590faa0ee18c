"""The block that a notebook shows for a result."""

import re
from pathlib import Path

import optuna
import pytest
from helpers.made_up_studies import CLEAN, REASON, made, matter_of, summary, with_findings
from helpers.report_pages import Words
from optuna.distributions import CategoricalDistribution, FloatDistribution

from studies.planning.identity import KEY
from studies.report.fragment import fragment
from studies.result import Result
from studies.results.summary import CONSTANT, summarise

BAD = "</div><script>alert(1)</script>"


def words(text):
    return Words(text).text


def test_it_says_what_was_found():
    found = summary("C" * 12 + "PFCPC", fixed={"adv_step": 2})
    text, best = words(fragment(found)), found.best
    assert text.startswith(
        "made awp, 14 complete, 2 pruned, 1 failed "
        f"accuracy {best.value:.4f} (trial {best.number}), clean baseline {CLEAN:.4f}"
    )
    assert (
        f"best against clean +{best.value - CLEAN:.4f} (better), on one seed: the best of 14 looks better than it is" in text
    )
    settings = " ".join(f"{name} {value:.4g}" for name, value in best.params.items())
    assert f"Best settings adv_step 2 {settings}" in text
    for row in found.importances:
        verdict = "matters" if row.evidence else "no evidence"
        assert f"{row.name} {row.share:.2f} {row.low:.2f} to {row.high:.2f} {row.floor:.2f} {verdict}" in text
    assert f"trial 13 failed: {REASON}" in text


@pytest.mark.parametrize(
    ("states", "space", "said"),
    [
        (
            "",
            None,
            "no trial is complete clean baseline 0.8125 Importances need 8 trials with a value, and this study has 0.",
        ),
        ("FF", None, "no trial is complete clean baseline 0.8125"),
        ("P", None, "no trial is complete"),
        ("C", {}, "Importances compare settings, and this study varies none."),
        ("C", {"rate": FloatDistribution(0, 1)}, "Importances compare settings, and this study varies only one."),
        ("C" * 9, {"a": CategoricalDistribution(["x"]), "b": FloatDistribution(1, 1)}, "this study varies none"),
    ],
)
@pytest.mark.parametrize("maximize", [True, False])
def test_a_study_with_little_in_it_is_shown_too(states, space, said, maximize):
    assert said in words(fragment(summary(states, space, maximize=maximize)))


def test_it_warns():
    study = made("C" * 3 + "F" * 7, gain=-0.1, clipped=0.0)
    study.set_user_attr(CONSTANT, {"accuracy": CLEAN + 0.05})
    text = words(fragment(summarise(study)))
    assert "clean training learned nothing: accuracy 0.8125 is worse than the constant guess's 0.8625" in text
    assert (
        "try more epochs, another learning_rate or more rows, and see whether text_column and label_column are right" in text
    )
    assert "constant guess 0.8625" in text
    assert "the best trial does not beat the constant guess either" in text
    assert "adv_eps was idle in 3 of 3 trials" in text
    assert "trial 7 failed" in text
    assert "trial 8 failed" not in text
    assert "and 2 more trials that failed, in trials.csv" in text
    assert "(worse), on one seed" in text


def test_names_are_text_and_nothing_runs_or_is_loaded():
    space = {BAD: FloatDistribution(0.0, 1.0), "<img src=x>": CategoricalDistribution(["<b>a</b>", "c"])}
    found = summary("CCCF", space, metric="<i>f1", failure=f"<iframe>{BAD}", name=f"<h1>{BAD}", fixed={"<u>K</u>": "<s>"})
    found = with_findings(found, [matter_of(name) for name in space])
    text = fragment(found)
    tags = {tag for tag, _ in Words(text).tags}
    assert tags <= {"div", "style", "p", "span", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"}
    assert not re.search(r"http|url\(|src=\"|href", text)
    assert words(text).count("alert(1)") >= 3


def test_no_colour_of_its_own_so_that_dark_pages_can_show_it():
    style = fragment(summary("C")).split("</style>")[0]
    assert set(re.findall(r"[^-]color: *([^;]+);", style)) == {"inherit"}
    assert set(re.findall(r"background: *([^;]+);", style)) == {"none"}


def test_rules_touch_nothing_but_the_block():
    rules = re.findall(r"^(.*)\{", fragment(summary("C")).split("<style>")[1].split("</style>")[0], re.MULTILINE)
    assert rules
    assert all(part.strip().startswith(".advsearch") for rule in rules for part in rule.split(","))


def test_a_search_around_a_loop_is_shown():
    study = made("CCC", metric="value")
    loop = {"data": {"loop": "mine.train", "data": "<mine>"}, "recipe": {"epochs": 4, "seed": 0, "rate": 0.1}}
    study.set_user_attr(KEY, study.user_attrs[KEY] | loop)
    found = Result(study, "sqlite:///none.db", Path("runs/made"))
    assert f"value {found.best.value:.4f} (trial {found.best.number})" in words(found._repr_html_())


def test_what_cannot_be_summed_up_says_why():
    study = optuna.create_study(study_name="<other>")
    found = Result(study, "sqlite:///none.db", None)
    assert found._repr_html_() == "<div>study &#x27;&lt;other&gt;&#x27; was not made by this program</div>"
    assert repr(found) == "<Result: study '<other>' was not made by this program>"
