"""One number is one class however it is written, in all files; and only whole numbers are made whole."""

import pandas as pd
import pytest

from finetune.config import Data
from finetune.data.load import load_task
from finetune.errors import UserError


def loaded(folder, suffix=".csv", **splits):
    for name, labels in splits.items():
        table = pd.DataFrame({"text": [f"{name} film {n}" for n in range(len(labels))], "label": labels})
        path = folder / f"{name}{suffix}"
        if suffix == ".csv":
            table.to_csv(path, index=False)
        elif suffix == ".jsonl":
            table.to_json(path, orient="records", lines=True)
        else:
            table.to_parquet(path)
    return load_task(Data(data=str(folder)))


@pytest.mark.parametrize(
    ("train", "dev", "names"),
    [
        (["+1", "-1"], ["1", "-1"], ("-1", "1")),
        (["1", "0"], ["1.0", "0.0"], ("0", "1")),
        (["1.000000000000000000e+00", "0.000000000000000000e+00"], ["1", "0"], ("0", "1")),
        (["1", "0"], ["1E0", "-0.0"], ("0", "1")),
        (["1.", "+2"], ["1.00", "2"], ("1", "2")),
        (["1e1", "100"], ["10", "1.0E+2"], ("10", "100")),
        (["1152921504606846977", "1152921504606846976"], ["1152921504606846976"] * 2, None),
    ],
)
def test_one_number_is_one_class_in_all_splits(tmp_path, train, dev, names):
    task = loaded(tmp_path, train=train * 10, dev=dev * 4)
    assert task.names == (names or tuple(sorted(train)))
    number = {float(name): place for place, name in enumerate(task.names)}
    if names:
        assert task.validation.labels.tolist() == [number[float(label)] for label in dev * 4]
    else:
        assert task.validation.labels.tolist() == [0] * 8


@pytest.mark.parametrize("labels", [["007", "7"], ["01", "1"], ["00", "0"], ["1_0", "10"], ["1e", "1"]])
def test_what_is_more_than_a_number_stays_a_name(tmp_path, labels):
    assert sorted(loaded(tmp_path, train=labels * 10).names) == sorted(labels)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("test", [[-1.5, -1.25, -1.75], [-1.5, -1.5], [-1.01, -1.99], [0.5, 0.25], [-0.5, 0.75], [2.5, 2.5]])
def test_fractions_of_a_test_split_are_its_labels(tmp_path, test, suffix):
    task = loaded(tmp_path, suffix, train=[0.5, 2.25, -3.5] * 7, test=test)
    assert task.test.labelled
    assert task.test.labels[:, 0].tolist() == pytest.approx(test)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), 1e300])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_too_large_is_refused_with_its_row(tmp_path, value, suffix):
    with pytest.raises(UserError, match=r"row 2.*test.(csv|parquet)"):
        loaded(tmp_path, suffix, train=[0.0, 1.0] * 10, test=[0.0, value])
