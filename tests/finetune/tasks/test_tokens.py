"""Scores of tagged words, against seqeval and by hand; strata, the constant guess, and what is said of the tags."""

import numpy as np
import pytest
import seqeval.metrics
import seqeval.scheme
from helpers.tagged_sentences import TAGS, tokens_task
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score

from finetune.errors import Diverged, UserError
from finetune.tasks import KINDS, kind_for
from finetune.tasks.entities import NO_WORD
from finetune.tasks.metrics import constant_guess, evaluate, metric_for
from finetune.tasks.schemes import in_order, scheme_of, written
from finetune.tasks.task import Rows, Task

SETS = {
    "IOB2": ("O", "B-a", "I-a", "B-b", "I-b"),
    "IOB1": ("O", "I-a", "I-b"),
    "IOE2": ("O", "E-a", "I-a", "E-b", "I-b"),
    "IOBES": ("O", "B-a", "I-a", "E-a", "S-a", "B-b-c", "I-b-c", "E-b-c", "S-b-c"),
    "BILOU": ("O", "B-a", "I-a", "L-a", "U-a", "B-b", "L-b"),
    "one type": ("O", "B", "I"),
    "no O": ("B-x", "I-x", "B-y"),
}


def task_of(names, sentences):
    labels = np.full((len(sentences), max(map(len, sentences))), NO_WORD, np.int16)
    for row, tags in enumerate(sentences):
        labels[row, : len(tags)] = [names.index(tag) for tag in tags]
    rows = Rows([" ".join("w" for _ in tags) for tags in sentences], None, labels)
    return Task("made", "tokens", names, rows, rows, rows)


def output_of(task, sentences):
    """Predictions, with anything at all after the last word."""
    output = np.full(task.train.labels.shape, 1.0, np.float32)
    for row, tags in enumerate(sentences):
        output[row, : len(tags)] = [task.names.index(tag) for tag in tags]
    return output


def as_iobes(tags):
    """seqeval knows L and U in strict mode alone."""
    return [{"L": "E", "U": "S"}.get(tag[0], tag[0]) + tag[1:] for tag in tags]


@pytest.mark.parametrize("name", SETS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_scores_are_seqeval_s_for_any_tags(name, data):
    names = SETS[name]
    pairs = data.draw(
        st.lists(st.lists(st.tuples(*[st.sampled_from(names)] * 2), min_size=1, max_size=9), min_size=1, max_size=4)
    )
    gold, found = ([[pair[side] for pair in one] for one in pairs] for side in (0, 1))
    task = task_of(names, gold)
    values = evaluate(task, task.train.labels, output_of(task, found))
    both = ([as_iobes(tags) for tags in gold], [as_iobes(tags) for tags in found])
    options = {"zero_division": 0}
    assert values["entity_f1"] == pytest.approx(f1_score(*both, **options))
    assert values["entity_precision"] == pytest.approx(precision_score(*both, **options))
    assert values["entity_recall"] == pytest.approx(recall_score(*both, **options))
    assert values["token_accuracy"] == pytest.approx(accuracy_score(gold, found))
    scheme = getattr(seqeval.scheme, {"one type": "IOB2", "no O": "IOB2"}.get(name, name))
    if any(scheme_entities(gold, scheme)) and any(scheme_entities(found, scheme)):  # seqeval's strict mode needs some
        strict = f1_score(gold, found, mode="strict", scheme=scheme, **options)
        assert values["entity_f1_strict"] == pytest.approx(strict)
    if values["entity_recall"]:  # a report without entities divides by zero
        report = seqeval.metrics.classification_report(*both, output_dict=True, **options)
        parts = {
            f"entity_f1 {kind}": row["f1-score"] for kind, row in report.items() if row["support"] and "avg" not in kind
        }
        known = {key: value for key, value in values.items() if " " in key}
        assert known == pytest.approx(parts if known else {})


def scheme_entities(sentences, scheme):
    return seqeval.scheme.Entities(sentences, scheme).entities


def test_scores_by_hand():
    """One entity right, one cut short, one made up; an I- without B- counts except strictly."""
    gold = [["B-a", "I-a", "O", "B-b", "I-b"], ["O", "O"], ["B-a", "O"]]
    found = [["B-a", "I-a", "O", "B-b", "O"], ["B-a", "O"], ["I-a", "O"]]
    task = task_of(SETS["IOB2"], gold)
    values = evaluate(task, task.train.labels, output_of(task, found))
    assert values["entity_precision"] == pytest.approx(2 / 4)
    assert values["entity_recall"] == pytest.approx(2 / 3)
    assert values["entity_f1"] == pytest.approx(2 * 2 / (4 + 3))
    assert values["entity_f1_strict"] == pytest.approx(2 * 1 / (3 + 3))
    assert values["token_accuracy"] == pytest.approx(6 / 9)
    assert values["entity_f1 a"] == pytest.approx(2 * 2 / (3 + 2))
    assert values["entity_f1 b"] == 0


def test_plain_tags_have_no_scores_of_entities():
    task = task_of(("ADJ", "NOUN", "VERB"), [["ADJ", "NOUN"], ["VERB"]])
    assert evaluate(task, task.train.labels, output_of(task, [["NOUN", "NOUN"], ["VERB"]])) == {"token_accuracy": 2 / 3}
    assert metric_for(task) == "token_accuracy"
    assert metric_for(tokens_task()) == "entity_f1"
    with pytest.raises(
        UserError, match="'entity_f1' is not for tokens with the labels ADJ, NOUN, VERB; choose from token_acc"
    ):
        metric_for(task, "entity_f1")
    assert "3 words and 3 tags in train: ADJ 1, NOUN 1, VERB 1" in KINDS["tokens"].describe(task.train, task.names)[0]


def test_predictions_that_are_not_finite_are_divergence():
    task = tokens_task()
    output = task.train.labels.astype(np.float32)
    output[0, 0] = np.nan
    with pytest.raises(Diverged):
        evaluate(task, task.train.labels, output)


def test_the_constant_guess_finds_nothing():
    task = tokens_task()
    found = constant_guess(task, ["noisy"])
    assert found["entity_f1"] == found["noisy_entity_f1"] == found["entity_f1_strict"] == 0
    outside = (task.validation.labels == 0).sum() / (task.validation.labels != NO_WORD).sum()
    assert found["token_accuracy"] == pytest.approx(outside)
    plain = task_of(("A", "B2"), [["B2", "B2"], ["A"]])
    assert constant_guess(plain)["token_accuracy"] == pytest.approx(2 / 3)


def test_strata_go_by_the_rarest_tag_and_no_stratum_is_single():
    labels = np.array([[0, 1, -1], [0, 0, -1], [1, 2, 0], [0, 2, -1], [3, 1, -1], [0, -1, -1], [1, 0, -1], [-1, -1, -1]])
    strata = KINDS["tokens"].strata(labels.astype(np.int16))
    # Tag 3 is in one sentence alone, which goes by tag 1; the sentence without words joins the most frequent stratum.
    assert strata[:7].tolist() == [1, 0, 2, 2, 1, 0, 1]
    assert np.unique(strata, return_counts=True)[1].min() >= 2
    single = np.array([[0], [1], [2]], np.int16)
    assert len(set(KINDS["tokens"].strata(single).tolist())) == 1


def test_sentences_as_people_read_them():
    task = task_of(TAGS, [["B-person", "O"], ["O", "B-place", "I-place"]])
    cells = kind_for(task).cells(task.names, task.train.labels, output_of(task, [["O", "O"], ["O", "B-place", "O"]]))
    assert cells == {"tags": ["B-person O", "O B-place I-place"], "predicted": ["O O", "O B-place O"]}


def test_what_is_said_of_the_tags():
    task = tokens_task()
    (line,) = KINDS["tokens"].describe(task.train, task.names)
    people = sum(text.count("met") for text in task.train.texts)
    places = sum(text.split().count("in") for text in task.train.texts)
    assert f"{people + places} entities in train (IOB2)" in line
    assert f"person {people}" in line
    told = KINDS["tokens"].describe(task.train, (*TAGS, "B-work"))
    assert told[-1] == "warning: no train word has the tag B-work: it cannot be learned"


@pytest.mark.parametrize(
    ("tags", "plain"),
    [
        (("O", "B-a", "I-a"), False),
        (("O", "I-a"), False),
        (("B", "M", "E", "S"), False),
        (("B-a", "I-a"), False),
        (("O", "B-a"), False),
        (("NN", "IN", "B", "I"), True),
        (("O", "N", "V"), True),
        (("S", "E"), True),
        (("B-a", "B-b"), True),
        (("O", "B-a", "M-a", "U-a"), True),
        (("O",), True),
        (("i", "e", "s"), True),
        (("O", "-B", "-I"), True),
    ],
)
def test_prefixes_are_told_from_names(tags, plain):
    assert written(tags).plain == plain


def test_tags_have_an_order():
    assert in_order({"S-b", "I-a", "B-b", "O", "B-a", "E-b"}) == ("O", "B-a", "I-a", "B-b", "E-b", "S-b")
    assert in_order({"VERB", "ADJ"}) == ("ADJ", "VERB")
    assert scheme_of(("O", "B-a", "M-a", "E-a", "S-a")) == "IOBES"


@pytest.mark.parametrize(
    ("names", "sentences", "types"),
    [
        (SETS["IOB2"], [["O", "B-a"], ["O"]], "b"),
        (SETS["IOB2"], [["O"], ["O", "O"]], "a, b"),
        (SETS["IOB2"], [["I-b", "B-a"]], ""),
        (SETS["BILOU"], [["U-a", "O"]], "b"),
        (SETS["no O"], [["B-y", "B-y"]], "x"),
        (SETS["one type"], [["O", "O"]], ""),
        (("ADJ", "NOUN"), [["NOUN"]], ""),
    ],
)
def test_types_that_no_scored_sentence_has_are_said(names, sentences, types):
    task = task_of(names, sentences)
    line = f"warning: no test sentence has an entity of type {types}: how well it is found is not measured"
    assert kind_for(task).scored(task.test, names, "test") == [line] * bool(types)
