"""The command says what it guessed and read before it trains, once for each kind of guess."""

import pytest
from helpers.refusals import SMALL, assert_said, refused, rows

import search

CHINESE = "text,label\n" + "".join(f"这部电影{'很好看' if n % 2 else '太难看'}第{n}次,{n % 2}.0\n" for n in range(40))
UNLABELLED = "text\n" + "".join(f"a new film {n}\n" for n in range(6))
MOST = "text,label\n" + "".join(f"film {n},{'rare' if n % 20 == 0 else 'common'}\n" for n in range(80))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("files", "arguments", "said"),
    [
        (
            {"train.csv": CHINESE},
            (),
            ["whole numbers are read as 2 classes; --kind regression", "2 classes in train: 0 14, 1 14", "longest 12;"],
        ),
        ({"train.csv": CHINESE}, ("--kind", "regression"), ["targets, mean +- sd (range): label 0.5"]),
        (
            {"train.csv": rows(), "devSet.csv": rows(20), "test.csv": UNLABELLED},
            ("--max-validation-rows", "10"),
            [
                "devSet.csv is the validation split, by its name; --validation-file takes another",
                "test.csv has no column 'label': it is kept for prediction and not scored",
                "rows: 40 train, 10 validation, 6 test (no labels)",
                "10 of 10 validation texts (100 %) are also train texts",
            ],
        ),
        ({"train.csv": MOST}, (), ["of the train rows are 'common'", "consider --metric macro_f1"]),
    ],
)
def test_a_run_begins_with_what_it_read(tmp_path, capsys, files, arguments, said):
    (tmp_path / "d").mkdir()
    for name, content in files.items():
        (tmp_path / "d" / name).write_text(content)
    small = ("--trials", "1", "--epochs", "1", "--method", "fgm")
    assert search.run(["--data", "d", *small, *arguments]) == 0
    out = capsys.readouterr()
    assert_said(" ".join((out.out + out.err).split("finished, ")[0].split()), *said)


def test_two_files_for_one_split_are_settled_by_the_option(tmp_path, capsys):
    for name in ("train.csv", "eval.csv", "dev2.csv"):
        (tmp_path / name).write_text(rows())
    assert_said(
        refused(capsys, "--data", ".", *SMALL), "dev2.csv or eval.csv may be the validation split", "--validation-file"
    )


@pytest.mark.parametrize("value", ["", "nan"])
def test_a_missing_label_is_refused_with_its_line(tmp_path, capsys, value):
    (tmp_path / "t.csv").write_text(CHINESE.replace("第4次,0.0", f"第4次,{value}"))
    assert_said(refused(capsys, "--train-file", "t.csv", *SMALL), "row 5", "has no label", "line 6 of t.csv")


def test_several_labels_of_one_text_are_no_classes(tmp_path, capsys):
    (tmp_path / "t.csv").write_text("text,a,b\n" + "".join(f"film {n},{n % 2}.0,{int(n % 3 == 0)}.0\n" for n in range(30)))
    several = ("--train-file", "t.csv", "--label-column", "a,b", *SMALL)
    assert_said(refused(capsys, *several, "--kind", "classification"), "--kind classification takes one column of labels")
    assert_said(refused(capsys, *several, "--metric", "accuracy"), "--metric accuracy takes one column of labels")
    assert_said(refused(capsys, *several, "--label-order", "0,1"), "--label-order 0,1 takes one column of labels")
    assert_said(refused(capsys, *several, "--label-separator", "and"), "give a mark such as")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--kind", "multiple_choice"), "multiple choice is not a task of this program: it trains"),
        (("--kind", "summarization"), "generation is not a task of this program: it trains"),
        (("--kind", "multi-label"), "did you mean 'multilabel'?"),
        (("--metric", "bleu"), "--metric bleu: generation is not a task of this program: it trains"),
        (("--metric", "rougeL"), "generation is not a task of this program"),
        (("--metric", "perplexity"), "generation is not a task of this program"),
        (("--metric", "auc"), "did you mean 'roc_auc'?"),
        (("--metric", "f1_macro"), "did you mean 'macro_f1'?"),
    ],
)
def test_what_is_no_task_of_this_program_is_refused_in_one_line(capsys, options, said):
    assert_said(refused(capsys, *options, *SMALL), said)
