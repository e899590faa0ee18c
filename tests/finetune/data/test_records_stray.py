"""Stray quotation marks in a .csv: no row is swallowed; the file is refused with the line and the option."""

import pytest

from finetune.config import Data
from finetune.data.files import read_file
from finetune.errors import UserError

FILLER = [(f"a plain film number {n}", ("bad", "good")[n % 2]) for n in range(12)]


def saved(folder, rows):
    path = folder / "t.csv"
    path.write_text("".join(f"{text},{label}\n" for text, label in [("text", "label"), *rows]))
    return path


STRAY = {
    "two cells that begin with a mark": [2, 7],
    "four of them": [1, 4, 8, 10],
    "neighbours": [5, 6],
    "the first and the last": [0, 11],
    "a single one": [3],
    "one in the last row": [11],
}


@pytest.mark.parametrize("places", STRAY.values(), ids=STRAY)
def test_a_stray_mark_in_a_csv_swallows_no_row(tmp_path, places):
    rows = [(f'"{text}' if n in places else text, label) for n, (text, label) in enumerate(FILLER)]
    path = saved(tmp_path, rows)
    with pytest.raises(UserError) as refused:
        read_file(path)
    assert f"line {places[0] + 2}: a quotation mark opens a cell" in str(refused.value)
    assert "quoting='none'" in str(refused.value)
    found = read_file(path, Data(train_file=str(path), quoting="none"))
    assert list(zip(found["text"], found["label"], strict=True)) == rows


@pytest.mark.parametrize(("first", "last"), [(1, 6), (0, 11), (4, 5)])
def test_two_stray_marks_that_look_like_one_cell_swallow_no_row(tmp_path, first, last):
    rows = list(FILLER)
    rows[first], rows[last] = (f'"{rows[first][0]}', rows[first][1]), (f'{rows[last][0]}"', rows[last][1])
    with pytest.raises(UserError, match=f"line {first + 2}: a quotation mark opens a cell"):
        read_file(saved(tmp_path, rows))
