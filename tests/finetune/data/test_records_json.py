"""JSON in the forms that people save it in: all of them are the same rows."""

import json

import pytest

from finetune.data.files import read_file
from finetune.errors import UserError

ROWS = [{"text": f'film "{n}",\n fine\u2028', "label": ("bad", "good")[n % 2]} for n in range(12)]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}
FORMS = {
    "lines": "".join(json.dumps(row) + "\n" for row in ROWS),
    "lines with windows ends and blank lines": "\r\n\r\n".join(json.dumps(row) for row in ROWS),
    "a list": json.dumps(ROWS),
    "a list, indented": json.dumps(ROWS, indent=2, ensure_ascii=False),
    "objects, indented, one after the other": "\n".join(json.dumps(row, indent=1) for row in ROWS),
    "a list inside an object": json.dumps({"version": "1", "data": ROWS}),
    "columns": json.dumps(COLUMNS),
    "columns as pandas writes them": json.dumps({name: dict(enumerate(column)) for name, column in COLUMNS.items()}),
    "rows by key": json.dumps({f"id-{n}": row for n, row in enumerate(ROWS)}),
    "with a byte order mark": "\ufeff" + json.dumps(ROWS),
}


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".ndjson"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_is_the_same_rows(tmp_path, form, suffix):
    path = tmp_path / f"t{suffix}"
    path.write_bytes(form.encode())
    assert read_file(path) == COLUMNS


def test_keys_may_come_in_any_order_and_be_missing(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "a", "label": 1}\n{"label": 2, "more": true, "text": "b"}\n{"text": "c"}\n')
    assert read_file(path) == {"text": ["a", "b", "c"], "label": [1, 2, None], "more": [None, True, None]}


def test_what_is_no_number_is_no_value(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "a", "label": NaN}\n{"text": "b", "label": 0.5}\n')
    assert read_file(path)["label"] == [None, 0.5]


GOOD = '{"text": "a", "label": "bad"}\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD * 3 + '{"text": "cut off', "line 4, character"),
        (GOOD * 2 + '{"text": "a" "label": 1}\n' + GOOD, "line 3, character"),
        (GOOD + "{'text': 'a', 'label': 'bad'}\n", "line 2, character"),
        (GOOD + "[1, 2]\n", "line 2 is '[1, 2]', not an object"),
        ('["a", "b"]', "item 1 is 'a', not an object"),
        (GOOD + '{"text": "a", "text": "b", "label": "bad"}\n', "the object that begins in line 2 has the key 'text' twice"),
        ("[" + GOOD.strip() + ",\n" + GOOD.strip() + ",\n]", "line 3, character"),
        ('{"text": "a", "label": "bad"}, \n' * 2, "line 1, character"),
        ("text,label\na,bad\n", "line 1, character"),
    ],
)
def test_what_is_broken_is_refused_with_its_line(tmp_path, text, words):
    path = tmp_path / "t.jsonl"
    path.write_text(text)
    with pytest.raises(UserError, match=r"t\.jsonl cannot be read as jsonl: ") as refused:
        read_file(path)
    assert words in str(refused.value)
