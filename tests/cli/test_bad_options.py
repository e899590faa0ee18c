"""Options that are refused before anything is read: what is said names the option, the value and what would be right."""

import shlex

import pytest
from helpers.refusals import SMALL, assert_said, files, refused, rows

import search

NAMES = [
    ("--method fgmm", "unknown method 'fgmm'", "did you mean 'fgm'?"),
    ("--method fgm,pdg", "unknown method 'pdg'", "did you mean 'pgd'?"),
    ("--method zzz", "unknown method 'zzz'", "choose from asam, awp"),
    ("--method ,", "--method is empty"),
    ("--methd fgm", "--methd", "--method"),
    ("--trails 3", "--trails", "--trials"),
    ("reprot", "'reprot'", "Did you mean 'report'"),
    ("zzz", "'zzz'", "Choose from", "report", "export", "to search"),
    ("report extra", "extra"),
    ("train", "config"),
    ("--metric acuracy", "unknown metric 'acuracy'", "did you mean 'accuracy'?"),
    ("--sampler tpee", "--sampler is 'tpee'", "did you mean 'tpe'?"),
    ("--pruner zzz", "--pruner is 'zzz'", "'median' or 'none'"),
    ("--task review", "unknown task 'review'", "did you mean 'reviews'?", "--data"),
    ("export --format yml", "unknown format 'yml'", "did you mean 'yaml'?"),
    ("--tune learning_rat", "--tune learning_rat", "did you mean 'learning_rate'?"),
    ("--tune epsilon", "--tune epsilon", "choose from average, batch_size", "epochs", "half_life", "learning_rate"),
]
NUMBERS = [
    ("--trials 0", "--trials is 0", "greater than or equal to 1"),
    ("--trials -3", "--trials is -3", "greater than or equal to 1"),
    ("--trials many", "--trials is 'many'", "integer"),
    ("--trials 2.5", "--trials is '2.5'", "integer"),
    ("--trials", "--trials", "requires an argument"),
    ("--explore -1", "--explore is -1", "greater than or equal to 0"),
    ("--timeout 0", "--timeout is 0", "greater than 0"),
    ("--timeout nan", "--timeout is nan", "finite"),
    ("--epochs 0", "--epochs is 0", "greater than or equal to 1"),
    ("--batch-size 0", "--batch-size is 0", "greater than or equal to 1"),
    ("--gradient-accumulation 0", "--gradient-accumulation is 0", "greater than or equal to 1"),
    ("--max-length 1", "--max-length is 1", "greater than or equal to 4"),
    ("--max-grad-norm 0", "--max-grad-norm is 0", "greater than 0"),
    ("--threads 0", "--threads is 0", "greater than or equal to 1"),
    ("--threads 100000", "--threads is 100000", "less than or equal to 1024"),
    ("--seed -1", "--seed is -1", "greater than or equal to 0"),
    ("--seed 99999999999", "--seed is 99999999999", "less than 4294967296"),
    ("--learning-rate -1", "--learning-rate is -1.0", "greater than 0"),
    ("--learning-rate 0", "--learning-rate is 0", "greater than 0"),
    ("--learning-rate nan", "--learning-rate is nan", "finite"),
    ("--learning-rate inf", "--learning-rate is inf", "finite"),
    ("--learning-rate high", "--learning-rate is 'high'", "number"),
    ("--weight-decay -1", "--weight-decay is -1.0", "greater than or equal to 0"),
    ("--warmup 1", "--warmup is 1.0", "less than 1"),
    ("--precision fp8", "--precision is 'fp8'", "'fp32', 'bf16' or 'fp16'"),
    ("--max-train-rows 1", "--max-train-rows is 1", "greater than or equal to 2"),
]
UNREADABLE = [
    ("--study caf\udce9", "'caf\\udce9' is not in the terminal's encoding"),
    ("export --study caf\udce9", "'caf\\udce9' is not in the terminal's encoding"),
]
SETTINGS = [
    ("--method fgm --set epsilonn=1", "--set epsilonn=1", "fgm has no setting 'epsilonn'", "did you mean 'epsilon'?"),
    ("--method none --set epsilon=1", "none has no setting 'epsilon'", "choose from same_dropout"),
    ("--method fgm --set epsilon=-1", "--set epsilon=-1", "a finite number >= 0", "is -1.0"),
    ("--method fgm --set epsilon=nan", "--set epsilon=nan", "finite"),
    ("--method fgm --set epsilon=inf", "--set epsilon=inf", "finite"),
    ("--method fgm --set 'epsilon=[1'", "--set 'epsilon=[1'", "a finite number >= 0", "is '[1'"),
    ("--method pgd --set K=0", "--set K=0", "a whole number >= 1", "is 0"),
    ("--method pgd --set K=2.5", "--set K=2.5", "a whole number >= 1", "is 2.5"),
    ("--method pgd --set K=2:5", "--set K=2:5", "a whole number >= 1", "is '2:5'"),
    ("--set combine=add", "--set combine=add", "one of mean, sum, replace", "is 'add'"),
    ("--set same_dropout=7", "--set same_dropout=7", "true or false", "is 7"),
    ("--set start_epoch=6", "start_epoch 6", "--epochs is 6"),
    ("--epochs 2 --set start_epoch=2", "start_epoch 2", "--epochs is 2"),
    ("--set K", "--set 'K'", "write name=value"),
    ("--set K=", "--set 'K='", "write name=value"),
    ("--set =3", "--set '=3'", "write name=value"),
    ("--set learning_rate=0.1", "awp has no setting 'learning_rate'"),
    ("--tune learning_rate --set learning_rate=0.1", "belongs to the recipe", "--learning-rate"),
]
RANGES = [
    ("--method fgm --range epsilonn=1:2", "fgm has no setting 'epsilonn'", "did you mean 'epsilon'?"),
    ("--method fgm --range epsilon=2:1", "--range epsilon=2:1", "empty", "2 is not below 1"),
    ("--method fgm --range epsilon=1:1", "--range epsilon=1:1", "empty", "1 is not below 1"),
    ("--method fgm --range epsilon=0:1:log", "--range epsilon=0:1:log", "above 0"),
    ("--method fgm --range epsilon=1", "'1' is not a range", "LOW:HIGH"),
    ("--method fgm --range epsilon=a:b", "'a:b' is not a range", "LOW:HIGH"),
    ("--method fgm --range epsilon=1:2:lin", "'1:2:lin' is not a range", "LOW:HIGH:log"),
    ("--method fgm --range epsilon=1:2:log:3", "'1:2:log:3' is not a range", "LOW:HIGH:log"),
    ("--method fgm --range epsilon=nan:1", "'nan:1' is not a range"),
    ("--method fgm --range epsilon", "--range 'epsilon'", "name=LOW:HIGH"),
    ("--method fgm --range epsilon=-1:2", "--range epsilon=-1:2", "a finite number >= 0", "is -1.0"),
    ("--method fgm --range epsilon=0:inf", "--range epsilon=0:inf", "finite", "is inf"),
    ("--method pgd --range K=0:3", "--range K=0:3", "a whole number >= 1", "is 0"),
    ("--method pgd --range K=1.5:3", "'1.5:3' is not a range", "whole numbers"),
    ("--range combine=mean:sum", "--range combine=mean:sum", "--set combine", "one of mean, sum, replace"),
    ("--range same_dropout=0:1", "--range same_dropout=0:1", "--set same_dropout", "true or false"),
    ("--range start_epoch=-1:2", "--range start_epoch=-1:2", "is -1"),
    ("--epochs 2 --range start_epoch=0:2", "start_epoch 2", "--epochs is 2"),
    ("--range learning_rate=1e-3:1e-2", "awp has no setting 'learning_rate'"),
    ("--tune learning_rate --range learning_rate=-1:1", "--range learning_rate=-1:1", "is -1.0", "greater than 0"),
    ("--tune warmup --range warmup=0:2", "--range warmup=0:2", "warmup is 2.0", "less than 1"),
    ("--tune batch_size --range batch_size=0:4", "batch_size is 0", "greater than or equal to 1"),
    ("--tune batch_size --range batch_size=1.5:4", "'1.5:4' is not a range", "whole numbers"),
]
SOURCES = [
    ("--task reviews --data x", "--task and --data exclude each other"),
    ("--data x --train-file y.csv", "--data and --train-file exclude each other"),
    ("--validation-file v.csv", "--validation-file", "need --train-file"),
    ("--test-file t.csv", "--test-file", "need --train-file"),
    ("--data ''", "--data is empty"),
    ("--train-file ''", "--train-file is empty"),
    ("--task ''", "--task is empty"),
    ("--model ''", "--model is empty"),
    ("--study ''", "--study is empty"),
    ("--out ''", "--out is empty"),
    ("--storage ''", "--storage is empty"),
    ("--label-column ,", "--label-column is empty"),
]


CASES = [(line, words) for line, *words in NAMES + NUMBERS + UNREADABLE + SETTINGS + RANGES + SOURCES]


@pytest.mark.parametrize(("line", "words"), CASES, ids=[line for line, _ in CASES])
def test_a_bad_option_is_named_with_its_value_and_what_would_be_right(line, words, capsys):
    assert_said(refused(capsys, *shlex.split(line)), *words)
    assert files() == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["is not a mapping", "epsilon: 0.1:2:log"]),
        ("- 1\n", ["is not a mapping"]),
        ("adv_lr: [\n", ["cannot be read"]),
        ("adv_lrr: 1\n", ["adv_lrr", "did you mean 'adv_lr'?"]),
        ("adv_lr: -1\n", ["adv_lr must be a finite number >= 0", "-1"]),
        ("adv_lr: [1, 2]\n", ["adv_lr must be a finite number", "['1', '2']"]),
        ("adv_lr:\n", ["adv_lr must be a finite number"]),
        ("adv_lr: 2:1\n", ["adv_lr", "empty", "2 is not below 1"]),
        ("adv_step: 0:3\n", ["adv_step must be a whole number >= 1", "is 0"]),
        ("adv_lr: 0:1:log\n", ["adv_lr", "above 0"]),
    ],
)
def test_a_bad_space_file_is_named_with_its_setting(text, words, capsys, tmp_path):
    (tmp_path / "space.yaml").write_text(text)
    assert_said(refused(capsys, "--space", "space.yaml"), "--space space.yaml", *words)


def test_a_space_file_that_cannot_be_read(capsys, tmp_path):
    assert_said(refused(capsys, "--space", "none.yaml"), "--space none.yaml", "No such file")
    assert_said(refused(capsys, "--space", str(tmp_path)), f"--space {tmp_path}", "Is a directory")
    (tmp_path / "binary.yaml").write_bytes(bytes(range(256)))
    assert_said(refused(capsys, "--space", "binary.yaml"), "--space binary.yaml", "cannot be read")


def test_a_metric_for_another_kind_of_task(capsys):
    said = refused(capsys, *SMALL, "--metric", "rmse")
    assert_said(said, "--metric rmse is not for classification", "choose from accuracy, macro_f1")


def test_a_learning_rate_that_cannot_train_leaves_no_study_and_a_better_one_is_taken(capsys, tmp_path):
    (tmp_path / "rows.csv").write_text(rows())
    arguments = ["--train-file", "rows.csv", "--method", "fgm", *SMALL]
    assert_said(refused(capsys, *arguments, "--learning-rate", "1e30"), "clean training diverges", "lower --learning-rate")
    assert search.run([*arguments, "--learning-rate", "1e-3"]) == 0
