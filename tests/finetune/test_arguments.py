"""One message, read as Python's arguments or as options."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.arguments import Line, arg, as_arguments, as_options
from finetune.errors import UserError

CASES = [
    (arg("label_column"), "label_column", "--label-column"),
    (arg("label_column", "y"), "label_column='y'", "--label-column y"),
    (arg("label_column", ("a", "b")), "label_column=['a', 'b']", "--label-column a,b"),
    (arg("text_column", "my text"), "text_column='my text'", "--text-column 'my text'"),
    (arg("model", "~/my model"), "model='~/my model'", "--model ~/'my model'"),
    (arg("max_length", 64), "max_length=64", "--max-length 64"),
    (arg("seed", 0), "seed=0", "--seed 0"),
    (arg("trials", 1), "trials=1", "--trials 1"),
    (arg("accept_versions", True), "accept_versions=True", "--accept-versions"),
    (arg("prefix_reuse", False), "prefix_reuse=False", "--no-prefix-reuse"),
    (arg("set", {"K": 3}), "set={'K': 3}", "--set K=3"),
    (arg("space", {"adv_eps": (0.1, 1, "log")}), "space={'adv_eps': [0.1, 1, 'log']}", "--range adv_eps=0.1:1:log"),
    (arg("space", "more.yaml"), "space='more.yaml'", "--space more.yaml"),
]


@pytest.mark.parametrize(("marked", "argument", "option"), CASES)
def test_a_message_speaks_to_who_reads_it(marked, argument, option):
    assert as_arguments(f"give {marked}, or nothing") == f"give {argument}, or nothing"
    assert as_options(f"give {marked}, or nothing") == f"give {option}, or nothing"


@given(st.text(st.characters(exclude_characters="\x1f", codec="utf-8")))
def test_a_text_without_marks_stays_as_it_is(text):
    assert as_arguments(text) == as_options(text) == text


@given(st.text(st.characters(codec="utf-8")))
def test_any_value_comes_through(value):
    assert as_arguments(f"[{arg('data', value)}]") == f"[data={value!r}]"


def test_an_error_taken_into_another_keeps_its_marks():
    first = UserError(f"{arg('epochs')} is 0")
    second = UserError(f"best.yaml: {first.text}")
    assert str(second) == "best.yaml: epochs is 0"
    assert as_options(second.text) == "best.yaml: --epochs is 0"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{arg('epochs', 0)} is too few", "UserError('epochs=0 is too few')"),
        (f"{arg('label_column', ['a', 'b'])}: one", "UserError(\"label_column=['a', 'b']: one\")"),
        (f"{arg('out')} and {arg('study')}", "UserError('out and study')"),
        ("two\nlines", "UserError('two\\nlines')"),
        ("größe 🙂", "UserError('größe 🙂')"),
        ("", "UserError('')"),
    ],
)
def test_an_error_in_a_notebook_or_a_log_shows_no_marks(text, shown):
    error = UserError(text)
    assert repr(error) == shown
    assert repr([error]) == f"[{shown}]"
    again = pickle.loads(pickle.dumps(error))
    assert (repr(again), again.text) == (shown, text)
    assert repr(type("Other", (UserError,), {})(text)) == shown.replace("UserError", "Other")


def test_an_error_without_a_message_is_shown_too():
    assert (repr(UserError()), str(UserError())) == ("UserError('')", "")


def test_a_printed_line_speaks_to_both():
    line = Line(f"give {arg('max_length', 64)}, or nothing")
    assert line == f"{line}" == "give max_length=64, or nothing"
    assert as_options(line) == "give --max-length 64, or nothing"
    assert as_options(Line(line)) == as_options(pickle.loads(pickle.dumps(line))) == as_options(line)
    assert as_options(Line("no argument")) == "no argument"
