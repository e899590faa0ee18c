"""Options under the names that other programs have for them."""

import pytest

import search

NAMES = {
    "--n-splits": "--folds", "--n_fold": "--folds", "--cv": "--folds", "--KFold": "--folds", "--group-col": "--group-column",
    "--lr": "--learning-rate", "--num-train-epochs": "--epochs",
}  # fmt: skip


@pytest.mark.parametrize(("given", "right"), NAMES.items(), ids=NAMES)
def test_an_option_of_another_name_is_named(given, right, capsys):
    assert search.run([given, "4"]) == 2
    assert capsys.readouterr().err == f"error: no such option: {given}; did you mean {right}?\n"


def test_only_options_of_the_command_are_named(capsys):
    assert search.run(["report", "--n-splits", "4"]) == 2
    assert capsys.readouterr().err.startswith("error: No such option: --n-splits")
    assert search.run(["--awp-lr", "4"]) == 2  # a setting, not an option
    assert "did you mean" not in capsys.readouterr().err
