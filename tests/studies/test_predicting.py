"""Predictions of a file: the numbers of the search, bit for bit, for every kind; the file's columns, order and formats."""

import csv
import io
import json
import sys

import numpy as np
import pytest
from helpers.saved_models import TASKS, rows_of, saved_model, without_labels
from helpers.small_tasks import write_lines

import studies
from finetune.data import encode
from finetune.errors import UserError
from studies import predicting
from studies.report.screen import Screen

KINDS = {
    "classes": ["predicted", "p negative", "p positive"],
    "pairs": ["predicted", "p negative", "p positive"],
    "numbers": ["predicted words", "predicted commas"],
    "number": ["predicted words"],
    "labels": ["predicted", "p long", "p with commas", "p good"],
    "thresholds": ["predicted", "p long", "p with commas", "p good"],
    "steps": ["predicted", "p above short", "p above middling"],
    "words": ["predicted"],
}


def softmax(logits):
    shares = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def predict(name, file, **arguments):
    return studies.predict(saved_model(name)[0], file, progress=False, **arguments)


def written(path, rows, names=None):
    """A CSV file as pandas writes it."""
    names = list(rows[0]) if names is None else names
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([[row[name] for name in names] for row in rows])
    return path


@pytest.mark.parametrize("name", TASKS)
def test_a_file_without_labels_gets_the_numbers_of_the_search(tmp_path, name):
    folder, bench, raw, values = saved_model(name)
    file = write_lines(tmp_path / "test.jsonl", without_labels(name))
    found = predict(name, file)
    assert list(found) == ["id", *KINDS[name]]
    assert list(found["id"]) == [row["id"] for row in rows_of(name)]
    names, columns = bench.task.names, found[KINDS[name]]
    if bench.task.kind == "regression":
        assert np.array_equal(columns.to_numpy(np.float32), raw)  # bit for bit
    elif name in ("classes", "pairs"):
        np.testing.assert_allclose(columns.iloc[:, 1:].to_numpy(float), softmax(raw), rtol=1e-14)
        assert list(columns["predicted"]) == [names[best] for best in raw.argmax(1)]
    elif name == "words":
        tags = [[names[row.argmax()] for row in sentence if not np.isnan(row).any()] for sentence in raw]
        assert list(columns["predicted"]) == tags
    else:
        likely = 1 / (1 + np.exp(-raw.astype(np.float64)))
        np.testing.assert_allclose(columns.iloc[:, 1:].to_numpy(float), likely, rtol=1e-14)
    # With labels the same file has the values of the search, to the last bit.
    screen = Screen(None)
    labelled = write_lines(tmp_path / "labelled.jsonl", rows_of(name))
    given = {"models": (str(folder),), "file": labelled, "out": str(tmp_path / "out.csv")}
    scores = predicting.predicted(given, screen).scores
    assert scores == {metric: value for metric, value in values.items() if metric in scores}
    assert len(scores) > 3
    assert not any("not scored" in line for line in screen.said)


def test_every_format_has_the_same_numbers(tmp_path):
    rows = without_labels("labels")
    file = written(tmp_path / "test.csv", rows)
    frame = predict("labels", file)
    for suffix in ("csv", "tsv", "jsonl", "parquet", "csv.gz"):
        out = predict("labels", file, out=tmp_path / f"out.{suffix}")
        assert out == tmp_path / f"out.{suffix}"
        again = studies.predict(saved_model("labels")[0], write_lines(tmp_path / "t.jsonl", rows), progress=False)
        assert again.equals(frame)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["predicted"] for line in lines] == list(frame["predicted"])
    with (tmp_path / "out.csv").open(newline="") as text:
        table = list(csv.DictReader(text))
    assert [row["predicted"] for row in table] == [", ".join(one) for one in frame["predicted"]]
    assert [float(row["p good"]) for row in table] == list(frame["p good"])
    import pandas

    assert list(pandas.read_parquet(tmp_path / "out.parquet")["p good"]) == list(frame["p good"])
    assert list(pandas.read_csv(tmp_path / "out.csv.gz")["p good"]) == list(frame["p good"])
    assert (tmp_path / "out.tsv").read_text().splitlines()[0].split("\t") == ["id", *KINDS["labels"]]


ODD = [
    ["", "text", "label", "predicted", "p negative", "=1+1", "id"],
    *[[n, f"film {n}", "?", "x", "y", "-2", n] for n in range(3)],
]


def test_columns_before_and_after_the_text_stay_as_they_are_and_ours_get_other_names(tmp_path):
    text = io.StringIO()
    csv.writer(text).writerows(ODD)
    path, screen = tmp_path / "odd.csv", Screen(None)
    path.write_text(text.getvalue())
    folder = str(saved_model("classes")[0])
    predicting.predicted({"models": (folder,), "file": str(path), "out": str(tmp_path / "out.csv")}, screen)
    with (tmp_path / "out.csv").open(newline="") as file:
        table = list(csv.reader(file))
    assert table[0] == [
        "",
        "label",
        "predicted",
        "p negative",
        "=1+1",
        "id",
        "predicted (model)",
        "p negative (model)",
        "p positive",
    ]
    assert [row[:6] for row in table[1:]] == [[str(n), "?", "x", "y", "-2", str(n)] for n in range(3)]
    assert "the file has a column 'predicted': the prediction is in 'predicted (model)'" in screen.said
    assert "odd.csv is not scored: has '?' for every label" in screen.said
    frame = predict("classes", path, id_column="id")
    assert list(frame) == ["id", "predicted", "p negative", "p positive"]


def test_texts_that_are_empty_or_missing_are_predicted_and_told(tmp_path):
    rows = [{"id": 1, "text": "a film"}, {"id": 2, "text": None}, {"id": 3}, {"id": 4, "text": "  "}]
    file, screen = write_lines(tmp_path / "gaps.jsonl", rows), Screen(None)
    folder = str(saved_model("classes")[0])
    found = predicting.predicted({"models": (folder,), "file": file}, screen, frame=True).frame
    assert len(found) == 4
    assert found["p negative"][1] == found["p negative"][2]
    assert screen.said[0] == "gaps.jsonl: 3 of 4 texts are empty, the first in row 2: predicted as an empty text"
    sentences = [{"tokens": ["ada", "met", "bob"]}, {"tokens": []}, {"tokens": None}, {"tokens": ["rome"]}]
    tags = predict("words", write_lines(tmp_path / "s.jsonl", sentences))["predicted"]
    assert [len(one) for one in tags] == [3, 0, 0, 1]
    assert list(predict("words", write_lines(tmp_path / "s.jsonl", sentences[1:2]))["predicted"]) == [[]]


def test_one_row_and_a_column_of_another_name(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("sentence\na fine film\n")
    assert len(predict("classes", path, text_column="sentence")) == 1
    with pytest.raises(UserError, match=r"text_column='text': .* has no such column; did you mean|choose from sentence"):
        predict("classes", path)


def test_files_are_predicted_in_blocks_as_the_search_scores(tmp_path, monkeypatch):
    """With blocks of seven rows in both: the same batches, and so the same bits."""
    name = "number"
    file = written(tmp_path / "test.csv", without_labels(name))
    folder, bench, _, _ = saved_model(name)
    for module in (encode, sys.modules["studies.results.survey"], sys.modules["studies.results.asked_models"]):
        monkeypatch.setattr(module, "BLOCK", 7)
    from finetune.training.saved import load_saved

    expected = load_saved(folder).predict(bench.task.validation)
    found = predict(name, file)["predicted words"].to_numpy(np.float32)
    assert np.array_equal(found, expected[:, 0])


def mean_of(*names, file, **arguments):
    return studies.predict([saved_model("classes", seed)[0] for seed in names], file, progress=False, **arguments)


def test_the_mean_of_models_of_probabilities_logits_and_ranks(tmp_path):
    file = written(tmp_path / "test.csv", without_labels("classes"))
    one, two = (saved_model("classes", seed)[2] for seed in (0, 1))
    found = mean_of(0, 1, file=file)
    np.testing.assert_allclose(found["p positive"], (softmax(one) + softmax(two))[:, 1] / 2, rtol=1e-12)
    members = [{"folder": str(seed), "weight": weight} for seed, weight in ((0, 3), (1, 1))]
    for seed in (0, 1):
        (tmp_path / str(seed)).symlink_to(saved_model("classes", seed)[0])
    (tmp_path / "ensemble.json").write_text(json.dumps({"format": "advsearch ensemble 1", "members": members}))
    found = studies.predict(tmp_path, file, progress=False)
    np.testing.assert_allclose(found["p positive"], (3 * softmax(one) + softmax(two))[:, 1] / 4, rtol=1e-12)
    found = mean_of(0, 1, file=file, mean="logits")
    np.testing.assert_allclose(found["p positive"], softmax((one.astype(float) + two) / 2)[:, 1], rtol=1e-12)
    found = mean_of(0, 1, file=file, mean="ranks")
    assert list(found) == ["id", "rank negative", "rank positive"]
    order = [np.argsort(np.argsort(softmax(raw)[:, 1])) + 1 for raw in (one, two)]
    np.testing.assert_allclose(found["rank positive"], (order[0] + order[1]) / 2 / len(one), atol=1e-12)


def test_models_that_do_not_fit_into_memory_are_loaded_anew(tmp_path, monkeypatch):
    file = written(tmp_path / "test.csv", without_labels("classes"))
    expected, screen = mean_of(0, 1, file=file), Screen(None)
    monkeypatch.setattr("studies.results.asked_models.HELD", 10)
    given = {"models": tuple(str(saved_model("classes", seed)[0]) for seed in (0, 1)), "file": str(file)}
    assert predicting.predicted(given, screen, frame=True).frame.equals(expected)
    assert "1 of 2 models are held in memory, the others are loaded anew for every 65536 rows" in screen.said


CONLL = "yesterday\tO\nmet\tO\nada\tB-person\n\nin\tO\nrome\tB-place\n"


def test_words_one_a_line_are_written_back(tmp_path):
    path = tmp_path / "words.conll"
    path.write_text(CONLL)
    out = predict("words", path, out=tmp_path / "out.conll")
    lines = out.read_text().split("\n")
    assert [line.rpartition("\t")[0] for line in lines if line] == [line for line in CONLL.split("\n") if line]
    frame = predict("words", path)
    assert [line.split("\t")[-1] for line in lines if line] == [tag for tags in frame["predicted"] for tag in tags]
    assert list(frame["text"]) == [["yesterday", "met", "ada"], ["in", "rome"]]


def test_a_word_in_each_row_stays_so(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("sentence_id,Word,Tag\n1,Ada,B-person\n1,met,O\n2,Rome,B-place\n")
    frame = predict("words", path)
    assert list(frame) == ["sentence_id", "Word", "Tag", "predicted"]
    assert list(frame["Word"]) == ["Ada", "met", "Rome"]
    assert set(frame["predicted"]) <= {"O", "B-person", "I-person", "B-place", "I-place"}


def test_nothing_half_written_and_what_was_there_is_said(tmp_path, monkeypatch):
    file, out, screen = written(tmp_path / "test.csv", without_labels("classes")), tmp_path / "out.csv", Screen(None)
    given = {"models": (str(saved_model("classes")[0]),), "file": str(file), "out": str(out)}
    predicting.predicted(given, screen)
    whole = out.read_bytes()
    assert predicting.predicted(given, screen).path == out
    assert f"{out} is replaced" in screen.said

    def fails(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("studies.results.outputs.rows_with", fails)
    with pytest.raises(UserError, match="cannot be written: No space left on device; free some space"):
        predicting.predicted(given, screen)
    assert out.read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "test.csv"]
