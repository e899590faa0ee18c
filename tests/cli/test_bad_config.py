"""A best.yaml that cannot be trained: what is said names the file, the entry and what would be right."""

import copy
from pathlib import Path

import pytest
import yaml
from helpers.refusals import SMALL, assert_said, refused, rows

import search


@pytest.fixture(scope="module")
def best(tmp_path_factory):
    """What a real search exports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("searched"))
        Path("rows.csv").write_text(rows())
        assert search.run(["--train-file", "rows.csv", *SMALL]) == 0
        return yaml.safe_load(Path("runs/rows-awp/best.yaml").read_text())


def refused_config(capsys, content, *arguments):
    Path("best.yaml").write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    said = refused(capsys, "train", "best.yaml", *arguments)
    assert said.startswith("best.yaml")
    return said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["not an exported configuration", "a search writes one"]),
        ("some text", ["not an exported configuration"]),
        ("- awp\n- pgd\n", ["not an exported configuration"]),
        ("format: 1\n", ["it has no method"]),
        ("a: [1", ["is not readable YAML"]),
        ("\x01", ["is not readable YAML"]),
    ],
)
def test_no_configuration_at_all(text, words, capsys):
    assert_said(refused_config(capsys, text), *words)


def test_no_readable_file(capsys):
    assert_said(refused(capsys, "train", "none.yaml"), "none.yaml: there is no such file")
    Path("folder").mkdir()
    assert_said(refused(capsys, "train", "folder"), "folder", "Is a directory")
    Path("binary.yaml").write_bytes(bytes(range(256)))
    assert_said(refused(capsys, "train", "binary.yaml"), "binary.yaml", "is not readable YAML")


@pytest.mark.parametrize("entry", ["format", "method", "settings", "data", "recipe", "recorded"])
def test_an_entry_is_missing(entry, best, capsys):
    content = {name: value for name, value in best.items() if name != entry}
    assert_said(refused_config(capsys, content), entry)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("format", 2, ["has format 2", "this version reads 1", "export it again"]),
        ("format", "1", ["has format '1'", "this version reads 1"]),
        ("extra", 1, ["extra is not a setting", "choose from confirmed, data, folds, format"]),
        ("recipe", 3, ["recipe is missing"]),
        ("recipe.epoch", 3, ["recipe: epoch is not a setting", "did you mean 'epochs'?"]),
        ("recipe.epochs", "many", ["recipe: epochs is 'many'", "integer"]),
        ("recipe.epochs", 0, ["recipe: epochs is 0", "greater than or equal to 1"]),
        ("recipe.batch_size", 1.5, ["recipe: batch_size is 1.5", "integer"]),
        ("recipe.learning_rate", -1.0, ["recipe: learning_rate is -1.0", "greater than 0"]),
        ("recipe.learning_rate", float("nan"), ["recipe: learning_rate is nan", "finite"]),
        ("recipe.precision", "fp8", ["recipe: precision is 'fp8'", "'fp32', 'bf16' or 'fp16'"]),
        ("metric", "acuracy", ["unknown metric 'acuracy'", "did you mean 'accuracy'?"]),
        ("metric", "mcrmse", ["row 1 of the train data is 'bad'", "not a finite number"]),
        ("recipe.model", "/none/such", ["--model /none/such", "there is no such folder"]),
        ("data.train_file", "/none/such.csv", ["/none/such.csv", "there is no such file"]),
        ("data.train_file", None, ["exactly one of --task, --data and --train-file"]),
        ("data.txt_column", "text", ["data: txt_column is not a setting", "did you mean 'text_column'?"]),
        ("data.label_column", "label", ["data: label_column is 'label'"]),
        ("data.label_column", [], ["data: label_column"]),
        ("data.label_column", ["lable"], ["--label-column lable", "did you mean 'label'?"]),
        ("recorded.valu", 1, ["recorded: valu is not a setting", "did you mean 'value'?"]),
        ("recorded.value", "high", ["recorded: value is 'high'", "number"]),
        ("recorded.versions", 3, ["recorded: versions is 3"]),
        ("method", "awpp", ["unknown method 'awpp'", "did you mean 'awp'?"]),
        ("method", 3, ["method is 3", "string"]),
        ("settings", [1], ["settings is [1]", "dictionary"]),
        ("settings.adv_lrr", 1.0, ["settings: awp has no setting 'adv_lrr'", "did you mean 'adv_lr'?"]),
        ("settings.adv_lr", -1.0, ["settings: adv_lr must be a finite number >= 0", "is -1.0"]),
        ("settings.adv_lr", "much", ["settings: adv_lr must be a finite number >= 0", "is 'much'"]),
        ("settings.adv_step", 1.5, ["settings: adv_step must be a whole number >= 1", "is 1.5"]),
        ("settings.combine", "add", ["settings: combine must be one of mean, sum, replace", "is 'add'"]),
    ],
)
def test_an_entry_is_wrong(place, value, words, best, capsys):
    content = copy.deepcopy(best)
    *above, name = place.split(".")
    inside = content
    for part in above:
        inside = inside[part]
    inside[name] = value
    assert_said(refused_config(capsys, content), *words)


def test_options_of_train(best, capsys):
    assert_said(refused_config(capsys, best, "--seed", "-1"), "--seed is -1", "greater than or equal to 0")
    assert_said(refused_config(capsys, best, "--seed", "4294967296"), "--seed is 4294967296", "less than")
    Path("file").write_text("")
    assert_said(refused_config(capsys, best, "--out", "file"), "--out file cannot be written", "File exists")
    assert_said(refused_config(capsys, best, "--out", "file/model"), "--out file/model cannot be written")
