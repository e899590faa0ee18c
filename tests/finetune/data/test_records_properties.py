"""Random tables, written with Python's own writer in every dialect: read back equal, or refused, never something else."""

import csv
import io
from contextlib import suppress

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from finetune.config import Data
from finetune.data.files import read_file
from finetune.errors import UserError

WORDS = [*"aü0\\'\",;|\t \n\r\u2028\x85", '""', "\r\n", "no", "film", "世界", "1.5"]
cells = st.one_of(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map("".join),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
).filter(str.strip)
tables = st.lists(st.tuples(cells, st.sampled_from(["bad", "good", "so so"]), cells), min_size=1, max_size=8)
dialects = {
    "delimiter": st.sampled_from([",", ";", "\t", "|"]),
    "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    "lineterminator": st.sampled_from(["\n", "\r\n", "\r"]),
}
HEADER = ("text", "label", "more")


def written(rows, **dialect):
    if any(end in cell for row in rows for cell in row for end in "\r\n"):
        dialect["quoting"] = csv.QUOTE_ALL  # else the writer leaves line ends of another kind without marks
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows([HEADER, *rows])
    return text.getvalue()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("tables") / "t.csv"


def rows_of(table):
    return list(zip(*(table[name] for name in HEADER), strict=True))


@settings(max_examples=300)
@given(rows=tables, dialect=st.fixed_dictionaries(dialects), suffix=st.sampled_from([".csv", ".tsv"]))
def test_what_is_read_is_what_was_written_or_nothing(path, rows, dialect, suffix):
    path = path.with_suffix(suffix)
    path.write_bytes(written(rows, **dialect).encode())
    with suppress(UserError):
        assert rows_of(read_file(path)) == rows


@settings(max_examples=150)
@given(rows=tables, dialect=st.fixed_dictionaries(dialects))
def test_named_delimiter_and_quoting_read_every_table(path, rows, dialect):
    path.write_bytes(written(rows, **dialect).encode())
    data = Data(train_file=str(path), delimiter=dialect["delimiter"], quoting="double")
    assert rows_of(read_file(path, data)) == rows


plain = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "Z", "P"), exclude_characters="\"'\\,;|\t\u2028\u2029"), max_size=9
)


@settings(max_examples=100)
@given(
    rows=st.lists(
        st.tuples(plain.map(lambda text: f"film {text}".strip()), st.sampled_from(["bad", "good"]), plain), min_size=3
    ),
    dialect=st.fixed_dictionaries(dialects),
)
def test_tables_without_marks_in_their_cells_are_never_refused(path, rows, dialect):
    assume(len({row[0] for row in rows}) > 1)
    path.write_bytes(written(rows, **dialect).encode())
    assert rows_of(read_file(path)) == rows
