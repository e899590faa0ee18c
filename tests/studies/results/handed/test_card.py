"""The card of a model: the hub reads it, nothing in it is markup, and no place of this machine is named."""

from dataclasses import replace

import numpy as np
import pytest
import yaml
from helpers.scripts_to_run import best_of_file
from helpers.small_tasks import labels_task, numbers_task, reviews_task, shares_task, steps_task
from helpers.tagged_sentences import tokens_task
from huggingface_hub import ModelCard

from finetune.config import Data
from finetune.errors import UserError
from finetune.folds import Folds
from studies.results.handed.card import Facts, Score, card, is_ours, refuse_licence
from studies.results.handed.how_to_load import loading_of
from studies.results.handed.verdict import verdict_of

SECRET = "/home/somebody/secret"
DATA = Data(train_file=f"{SECRET}/rows.csv", text_column="te|xt`", label_column=("<b>y</b>",))
CONFIRMED = {
    "verdict": "better",
    "seeds": 12,
    "against_clean": {"difference": 0.0213, "over_seeds": [0.01, 0.03], "over_seeds_and_rows": [-0.004, 0.05]},
    "optimism_of_search": 0.011,
    "test": {"rows": 300, "mean": 0.8123, "clean": 0.801, "seeds": 12, "against_clean": {"difference": 0.011}},
}


def facts_of(task, metric="accuracy", data=DATA, scores=None, confirmed=None, **recipe):
    best = best_of_file(data, metric, **{"model": f"{SECRET}/encoder"} | recipe)
    best = best.model_copy(update={"confirmed": confirmed})
    scores = [Score("validation", metric, 0.75, 40, 0.1, 0.7)] if scores is None else scores
    return Facts(best, best.recipe, task, scores, loading_of(task, None, True), {"torch": "2.13.0"}, "mit")


def front_of(text):
    return yaml.safe_load(text.split("\n---\n")[0].removeprefix("---\n"))


TASKS = {
    "classification": reviews_task,
    "regression": numbers_task,
    "shares": shares_task,
    "multilabel": labels_task,
    "ordinal": steps_task,
    "tokens": tokens_task,
}


@pytest.mark.parametrize("name", TASKS)
def test_the_hub_reads_the_card(name, tmp_path):
    text = card(facts_of(TASKS[name]()))
    (tmp_path / "README.md").write_text(text)
    read = ModelCard.load(tmp_path / "README.md")
    assert read.data.license == "mit"
    assert read.data.pipeline_tag == ("token-classification" if name == "tokens" else "text-classification")
    assert read.data.language is None
    assert read.data.base_model is None  # it came from a folder
    [result] = read.data.eval_results
    assert (result.metric_type, result.metric_value) == ("accuracy", 0.75)
    assert "0.554 to 0.946" in result.metric_name
    assert SECRET not in text
    assert "rows.csv" in text
    assert is_ours(text)


@pytest.mark.parametrize(
    ("labelled", "words"), [(True, "64 test rows that took no part."), (False, "64 test rows without labels.")]
)
def test_the_rows_are_counted(labelled, words):
    task = reviews_task()
    task = replace(task, test=replace(task.test, labelled=labelled))
    assert f"64 rows to train on, 64 to choose by, {words}" in card(facts_of(task))
    folded = replace(task, validation=task.train, fold_of=np.arange(64) % 4)
    assert f"64 rows in 4 folds, {words}" in card(facts_of(folded))


def test_names_from_data_are_no_markup():
    names = ("<script>alert(1)</script>", "a|b\n# c", "`x` *y* [z](http://e)", '{{ 7 * 7 }} "q"')
    task = replace(reviews_task(), names=names, name="x\n---\nlicense: gpl")
    text = card(facts_of(task))
    front, body = front_of(text), text.split("\n---\n", 1)[1]
    assert front["license"] == "mit"
    assert front["model-index"][0]["results"][0]["dataset"]["name"] == "x\n---\nlicense: gpl"
    assert "<script>" not in body
    assert "<b>" not in body.replace("`<b>y</b>`", "")
    assert "\n# c" not in body
    assert r"\`x\` \*y\* \[z\](http://e)" in body
    assert "{{ 7 \\* 7 }}" in body


@pytest.mark.parametrize(
    ("model", "base"), [("some/model", "some/model"), ("bert-base-uncased", "bert-base-uncased"), ("tiny", None)]
)
def test_the_base_model_is_named_if_it_is_the_hub_s(model, base):
    front = front_of(card(facts_of(reviews_task(), model=model)))
    assert front.get("base_model") == base
    assert front["tags"] == ["advsearch", "adversarial-training", "fgm"]


def test_scores_have_their_interval_and_clean_training():
    scores = [
        Score("validation", "robust_macro_f1", 0.5, 40),
        Score("out of fold", "rmse", 0.02, 60, 0.02, 0.03, note="A note."),
        Score("test", "accuracy", 0.99, 60, 0.02),
    ]
    text = card(facts_of(reviews_task(), scores=scores))
    assert "| validation | robust\\_macro\\_f1 | 0.5 | not known |  | 40 |" in text
    assert "| out of fold | rmse | 0.02 | 0 to 0.0592 | 0.03 | 60 |" in text
    assert "| test | accuracy | 0.99 | 0.9508 to 1 |  | 60 |" in text
    assert "A note." in text
    assert front_of(text)["metrics"] == ["f1", "rmse", "accuracy"]


def test_the_verdict_is_told():
    text = card(facts_of(reviews_task(), confirmed=CONFIRMED))
    assert "On 12 fresh seeds the verdict is better." in text
    assert "The difference to clean training is 0.0213 (-0.004 to 0.05); positive is better." in text
    assert "On the 300 test rows, read once, it has 0.8123 and clean training 0.801" in text
    assert "too good by about 0.011" in text
    assert "not been confirmed" in card(facts_of(reviews_task()))


BROKEN = [3, [], {}, {"verdict": 3, "test": 4, "against_clean": [1]}, {"verdict": "<i>", "seeds": None, "test": {"rows": 1}}]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_record_that_was_edited_says_less(broken):
    assert all(isinstance(line, str) for line in verdict_of(broken))
    assert "<i>" not in card(facts_of(reviews_task(), confirmed=broken if isinstance(broken, dict) else None))


@pytest.mark.parametrize(("given", "kept"), [("MIT", "mit"), (" apache-2.0 ", "apache-2.0"), ("cc-by-4.0", "cc-by-4.0")])
def test_licences(given, kept):
    assert refuse_licence(given) == kept


@pytest.mark.parametrize("wrong", ["", "see LICENSE", "mit\ntags: x", "../x", "x" * 60])
def test_no_licence(wrong):
    with pytest.raises(UserError, match="give an identifier of the hub"):
        refuse_licence(wrong)


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("# My model", False),
        ("---\nlicense: mit\n---\n# x\n- advsearch\n", False),
        ("# Thresholds\n\nA label", True),
        ("", False),
    ],
)
def test_whose_readme_it_is(text, ours):
    assert is_ours(text) == ours


def test_a_card_has_the_rates_of_training_also_where_they_are_the_default():
    text = card(facts_of(reviews_task(), model="some/model"))
    recipe = best_of_file(DATA, "accuracy", model="some/model").recipe
    assert f"| `learning_rate` | `{recipe.learning_rate}` |" in text
    for name, value in {"weight_decay": 0.01, "warmup": 0.1, "schedule": "linear"}.items():
        assert f"| `{name}` | `{value}` |" in text
    assert "multi_sample" not in text


def test_names_with_commas_and_draws_of_groups_are_told():
    task = replace(reviews_task(), names=("so, so", "good"))
    assert "of 2 classes a text belongs: so, so; good." in card(facts_of(task))
    assert "Intervals are over draws of these rows (bootstrap)." in card(facts_of(task))
    folded = replace(task, validation=task.train, fold_of=np.arange(64) % 4, groups=np.arange(64) % 8)
    assert "Intervals are over draws of whole groups of rows (bootstrap)." in card(facts_of(folded))


def test_a_card_says_pairs_folds_and_the_paper():
    task = reviews_task()
    rows = replace(task.train, pairs=task.train.texts)
    task = replace(task, train=rows, validation=rows, fold_of=np.arange(64) % 4)
    facts = facts_of(task)
    text = card(replace(facts, best=facts.best.model_copy(update={"folds": Folds(folds=4, group_column="an `id`")})))
    assert "to which of 2 classes a pair of texts belongs" in text
    assert "64 rows in 4 folds (whole groups of column `an 'id'`)," in text
    assert "Method: fgm (Miyato et al. 2017). Its other settings have their defaults." in text
    text = card(replace(facts, best=facts.best.model_copy(update={"folds": Folds(fold_column="kfold")})))
    assert "64 rows in 4 folds (those of column `kfold`)," in text
