"""Lists of words and of tags: which columns hold them, how tags are written, and what is refused."""

import json

import datasets
import numpy as np
import pytest
from helpers.small_tasks import write_lines
from helpers.tagged_sentences import conll, sentences
from hypothesis import given
from hypothesis import strategies as st

from finetune.config import Data
from finetune.data.load import load_task
from finetune.data.noise import noisy
from finetune.errors import UserError
from finetune.tasks.entities import NO_WORD
from finetune.tasks.task import Rows

PAIRS = sentences(40)
NAMES = ["O", "B-place", "I-place", "B-person", "I-person"]


def records(pairs=PAIRS, words="tokens", tags="ner_tags", change=lambda tag: tag):
    return [{words: one, tags: [change(tag) for tag in other]} for one, other in pairs]


def load(path, rows, metric=None, **data):
    return load_task(Data(train_file=write_lines(path / "train.jsonl", rows), **data), metric)


def tags_of(task):
    """The tags of all sentences, in whatever order."""
    parts = [part.labels for part in (task.train, task.validation, task.test)]
    return sorted(
        tuple(task.names[tag] for tag in row if tag != NO_WORD) for part in parts for row in part.tolist() for row in [row]
    )


GOLD = sorted(tuple(tags) for _, tags in PAIRS)


@pytest.mark.parametrize("form", ["lines", "array", "parquet", "saved", "hub layout"])
def test_usual_columns_are_found_in_every_format(tmp_path, form):
    folder, kinds = tmp_path / "d", {"tokens": datasets.List(datasets.Value("string"))}
    kinds["ner_tags"] = datasets.List(datasets.ClassLabel(names=NAMES))
    table = datasets.Dataset.from_list(records(), datasets.Features(kinds))
    folder.mkdir()
    if form == "saved":
        datasets.DatasetDict({"train": table}).save_to_disk(str(folder))
    elif form == "parquet":
        table.to_parquet(str(folder / "train.parquet"))
    elif form == "hub layout":
        (folder / "data").mkdir()
        table.to_parquet(str(folder / "data" / "train-00000-of-00001.parquet"))
    elif form == "lines":
        write_lines(folder / "train.jsonl", records())
    else:
        (folder / "train.json").write_text(json.dumps(records()))
    task = load_task(Data(data=str(folder)))
    assert task.kind == "tokens"
    order = ["O", "B-person", "I-person", "B-place", "I-place"] if form in ("lines", "array") else NAMES
    assert list(task.names) == order
    assert tags_of(task) == GOLD
    assert any("columns tokens and ner_tags are read as words with tags" in line for line in task.notes)


@pytest.mark.parametrize(
    ("names", "given", "said"),
    [
        (("words", "tags"), {}, "columns words and tags"),
        (("tokens", "pos_tags"), {}, "columns tokens and pos_tags"),
        (("text", "label"), {}, "columns text and label hold lists"),
        (("w", "t"), {"text_column": "w", "label_column": ("t",)}, "columns w and t hold lists"),
        (("tokens", "fine"), {"label_column": ("fine",), "kind": "tokens"}, "columns tokens and fine"),
    ],
)
def test_other_columns_are_found_or_named(tmp_path, names, given, said):
    task = load(tmp_path, records(words=names[0], tags=names[1]), **given)
    assert tags_of(task) == GOLD
    assert any(said in line for line in task.notes)


def test_texts_with_blanks_between_words_are_read_if_told(tmp_path):
    rows = [{"text": " ".join(words), "label": " ".join(tags)} for words, tags in PAIRS]
    assert tags_of(load(tmp_path, rows, kind="tokens")) == GOLD
    assert tags_of(load(tmp_path, rows, metric="entity_f1")) == GOLD
    with pytest.raises(UserError, match="a list that is written as a text is not read"):
        load(tmp_path, [{"text": row["text"], "label": str(row["label"].split())} for row in rows], kind="tokens")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (str.lower, "written in the usual way (b-person as B-person)"),
        (lambda tag: tag.replace("-", "_"), "(B_person as B-person)"),
        (lambda tag: "-".join(reversed(tag.split("-"))), "(person-B as B-person)"),
        (lambda tag: tag.lower().replace("-", "_"), "(b_person as B-person)"),
    ],
)
def test_other_ways_to_write_tags_are_read_and_said(tmp_path, change, said):
    task = load(tmp_path, records(change=change))
    assert tags_of(task) == GOLD
    assert any(said in line for line in task.notes)
    plain = load(tmp_path, records(change=change), tag_scheme="plain")
    assert set(plain.names) == {change(tag) for _, tags in PAIRS for tag in tags}


def written_as(tags, scheme):
    """IOB2 as another scheme, by hand."""
    found = []
    for place, tag in enumerate(tags):
        after = tags[place + 1] if place + 1 < len(tags) else "O"
        last = not after.startswith("I-")
        if scheme == "iob1":
            found.append("I" + tag[1:] if tag != "O" else tag)
        elif tag == "O":
            found.append(tag)
        else:
            single, ends = ("S", "E") if scheme == "iobes" else ("U", "L")
            letter = {("B", True): single, ("B", False): "B", ("I", True): ends, ("I", False): "I"}[tag[0], last]
            found.append(letter + tag[1:])
    return found


@pytest.mark.parametrize("scheme", ["iobes", "bilou"])
def test_schemes_with_ends_stay_as_they_are(tmp_path, scheme):
    pairs = [(words, written_as(tags, scheme)) for words, tags in PAIRS]
    task = load(tmp_path, records(pairs))
    assert tags_of(task) == sorted(tuple(tags) for _, tags in pairs)
    assert tags_of(load(tmp_path, records(pairs), tag_scheme=scheme)) == tags_of(task)
    with pytest.raises(UserError, match="tag_scheme='iob2' has no tags such as"):
        load(tmp_path, records(pairs), tag_scheme="iob2")


def test_iob1_becomes_iob2_and_is_said(tmp_path):
    """B- stands only between neighbours of one type; where entities begin both ways, it is IOB2 with mistakes."""
    both = (["ada", "bob", "x"], ["B-person", "B-person", "O"])
    pairs = [(words, written_as(tags, "iob1")) for words, tags in PAIRS] + [(both[0], ["I-person", "B-person", "O"])]
    task = load(tmp_path, records(pairs))
    assert tags_of(task) == sorted([*GOLD, tuple(both[1])])
    assert any("IOB1 and read as IOB2" in line for line in task.notes)
    kept = load(tmp_path, records(pairs), tag_scheme="iob2")
    assert tags_of(kept) == sorted(tuple(tags) for _, tags in pairs)
    begun = sum(tags[place][0] == "I" and tags[place - 1] == "O" for _, tags in pairs[:-1] for place in range(len(tags)))
    assert any(f"{begun + 1} entities begin with I- instead of B-" in line for line in kept.notes)
    one = load(tmp_path, records([*PAIRS, (["ada"], ["I-person"])]))
    assert any("1 entity begins with I- instead of B-: entity_f1 counts it" in line for line in one.notes)


def test_plain_tags_have_no_entities(tmp_path):
    task = load(tmp_path, records(tags="tags", change=lambda tag: {"O": "NOUN", "B-person": "VERB"}.get(tag, "ADJ")))
    assert task.names == ("ADJ", "NOUN", "VERB")
    assert any("scored word by word, not as entities" in line for line in task.notes)
    numbers = load(tmp_path, records(change=NAMES.index))
    assert numbers.names == ("0", "1", "2", "3", "4")


def test_a_tag_of_the_validation_data_alone_is_said(tmp_path):
    other = write_lines(tmp_path / "dev.jsonl", records([(["x", "y"], ["B-work", "I-work"]), *PAIRS[:3]]))
    task = load(tmp_path, records(), validation_file=other)
    assert "B-work" in task.names
    said = next(line for line in task.notes if "B-work" in line)
    assert "the validation data has a tag that the train data does not have: B-work (1), I-work (1)" in said


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"tokens": ["a", "b"], "ner_tags": ["O"]}, r"row 41 .* has 2 words and 1 tag \(line 41 of train.jsonl\)"),
        ({"tokens": ["a"], "ner_tags": [None]}, r"word 1 \('a'\) of row 41 .* has no tag"),
        ({"tokens": ["a"], "ner_tags": [" "]}, "has no tag"),
        ({"tokens": ["a"], "ner_tags": [-100]}, "has '-100' instead of a tag"),
        ({"tokens": [["a"]], "ner_tags": ["O"]}, "not a list of words"),
        ({"tokens": {"a": 1}, "ner_tags": ["O"]}, "not a list of words"),
        ({"tokens": ["a"], "ner_tags": {"a": "O"}}, "not a list of tags"),
        ({"tokens": ["a"]}, "row 41 of the train data has 1 word and 0 tags"),
        ({"tokens": ["a"], "ner_tags": ["person"]}, "person has no prefix such as B-, others have one.*tag_scheme='plain'"),
    ],
)
def test_a_sentence_that_does_not_fit_is_refused_with_its_place(tmp_path, row, said):
    with pytest.raises(UserError, match=said) as raised:
        load(tmp_path, [*records(), row])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"pair_column": "b"}, "pair_column='b': tokens has no second text"),
        ({"label_column": ("ner_tags", "tokens"), "kind": "tokens"}, "takes one column"),
        ({"tag_scheme": "iobes", "kind": "regression"}, "tag_scheme='iobes' is for kind='tokens'"),
    ],
)
def test_what_sentences_do_not_have_is_refused(tmp_path, given, said):
    rows = [record | {"text": record["tokens"], "label": record["ner_tags"]} for record in records()]
    with pytest.raises(UserError, match=said):
        load(tmp_path, rows, **given)


def test_odd_words_keep_their_places_and_empty_sentences_go(tmp_path):
    odd = [(["", "New York", "\u200b", "a\tb", 7], ["O", "B-place", "O", "O", "O"]), ([], [])]
    task = load(tmp_path, records([*PAIRS, *odd]))
    words = [text for part in (task.train, task.validation, task.test) for text in part.texts if "York" in text]
    assert words == [" New\u00a0York \u200b a\tb 7"]
    said = "\n".join(task.notes)
    assert "1 train word with a blank inside" in said
    assert "1 train word is empty" in said
    assert "1 train sentence without words is left out" in said


def test_hidden_tags_of_a_test_split_are_no_labels(tmp_path):
    for hidden in ("_", "?", None):
        test = write_lines(tmp_path / "test.jsonl", records(PAIRS[:4], change=lambda tag, hidden=hidden: hidden))
        task = load(tmp_path, records(), test_file=test)
        assert not task.test.labelled
        assert (task.test.labels == 0).sum() == sum(len(words) for words, _ in PAIRS[:4])


def test_rare_types_are_in_every_part(tmp_path):
    pairs = [*PAIRS * 3, *[(["x", "y"], ["B-work", "O"])] * 8]
    task = load(tmp_path, records(pairs))
    for part in (task.train, task.validation, task.test):
        assert (part.labels == task.names.index("B-work")).any()


def test_texts_and_labels_of_tables_stay_texts(tmp_path):
    rows = [{"text": f"a film {n}", "label": "OB"[n % 2], "tokens": ["a"], "ner_tags": ["O"]} for n in range(40)]
    assert load(tmp_path, rows).kind == "classification"


@given(
    st.lists(st.text(st.characters(exclude_characters=" ", exclude_categories=["Cs"]), max_size=5), min_size=1, max_size=6)
)
def test_noise_keeps_the_number_of_words(words):
    rows = noisy(Rows([" ".join(words)] * 5, None, np.zeros((5, len(words)), np.int16)))
    assert {len(text.split(" ")) for text in rows.texts} == {len(words)}


def test_noise_keeps_a_blank_behind_a_mark_that_joins_it():
    """U+0600 and the blank after it are one character to a reader."""
    rows = noisy(Rows(["\u0600 a \u0600 b"] * 200, None, np.zeros((200, 4), np.int16)))
    assert {len(text.split(" ")) for text in rows.texts} == {4}


def test_a_file_without_an_end_is_whole(tmp_path):
    (tmp_path / "train.conll").write_text(conll(PAIRS).rstrip("\n"))
    assert tags_of(load_task(Data(data=str(tmp_path)))) == GOLD
