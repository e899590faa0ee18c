"""What is handed on of a study: the shapes of best.yaml, what a run says beside them, and sentences."""

import pytest
from helpers.made_up_studies import made, summary

from finetune.config import Recipe
from studies.planning.identity import KEY
from studies.results import rerun
from studies.results.best import Best, LoopBest
from studies.results.export import best_of
from studies.results.recorded import compared, edited, seed_of
from studies.results.sentences import against_clean, counts, first, settings_line
from studies.results.snippet import as_python
from studies.results.summary import summarise


@pytest.fixture(scope="module")
def best():
    return best_of(summary("CCCPF"))


def of_a_loop():
    """The best of a study that ``tune`` might have made."""
    study = made("CCC")
    about = study.user_attrs[KEY]
    study.set_user_attr(KEY, about | {"data": {"loop": "here.train"}, "recipe": {"epochs": 4, "seed": 7, "rate": 0.5}})
    return best_of(summarise(study))


def test_the_project_s_own_training_and_a_loop_have_shapes_of_their_own(best):
    assert isinstance(best, Best)
    assert best.recorded.searched.recipe == best.recipe
    other = of_a_loop()
    assert isinstance(other, LoopBest)
    assert other.recorded.loop == {"loop": "here.train"}
    assert other.recipe == {"epochs": 4, "seed": 7, "rate": 0.5}


def test_a_script_of_a_loop_is_the_method_with_its_settings():
    text = as_python(of_a_loop())
    names = {}
    exec(text, names)
    assert type(names["method"]).__name__ == "AWP"
    assert names["recipe"]["rate"] == 0.5


def test_a_value_is_the_same_or_its_differences_are_said(best):
    value = best.recorded.value
    assert compared(best, value, [], seed_of(best), True).endswith(": the same")
    assert "NOT the same (epochs 3 then, 5 now)" in compared(
        best, value - 0.1, ["epochs 3 then, 5 now"], seed_of(best), True
    )
    assert "equal at these digits" in compared(best, value + 1e-9, [], seed_of(best), True)
    assert "another draw of the same setting" in compared(best, value, [], seed_of(best) + 1, True)


def test_edits_are_named_by_their_leaf():
    there, here = Recipe(epochs=3).model_dump(), Recipe(epochs=5).model_dump()
    assert edited({"recipe": there}, {"recipe": here}) == ["epochs 3 then, 5 now"]
    assert edited({"label_column": ["a", "b"]}, {"label_column": ["a"]}) == ["label_column a, b then, a now"]


def test_sentences_count_and_do_not_promise():
    found = summary("CCCPF")
    assert counts(found) == "3 complete, 1 pruned, 1 failed"
    found.study.ask()
    assert counts(found) == "3 complete, 1 pruned, 1 failed, 1 begun and not finished"
    assert "on one seed: the best of 3 looks better than it is" in against_clean(found)
    assert against_clean(summary("F")) is None
    assert settings_line({"a": 0.12345678, "b": 3}) == "a=0.1235 b=3"
    assert first(["x"] * 3, "with a note") == ["x"] * 3
    assert len(first(["x"] * 30, "with a note")) < 30


def test_a_rerun_keeps_what_it_says():
    made_again = rerun.Rerun(0.5, True, ["a"], [])
    assert made_again.sentences == ["a"]
