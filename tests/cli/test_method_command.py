"""One method on the screen, and commands that are names of methods."""

import dataclasses
from pathlib import Path

import pytest
from helpers.places import ROOT
from helpers.refusals import assert_said, refused

import search
from adv import METHODS


@pytest.fixture
def shown(capsys, monkeypatch):
    """What ``methods --method NAME`` prints, on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "300")

    def show(name):
        assert search.run(["methods", "--method", name]) == 0
        return capsys.readouterr().out

    return show


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_its_paper_cost_settings_and_page(name, shown):
    kind, said = METHODS[name], shown(name)
    lines = {line.split()[0]: " ".join(line.split()) for line in said.splitlines() if line.strip()}
    assert said.startswith(f"{name}: {kind.paper}\n")
    assert f"cost of a step: {kind().cost().relative:.2f}x a clean one" in said
    for field in dataclasses.fields(kind):
        assert field.metadata["text"] in lines[field.name]
    page = said.splitlines()[-1].removeprefix("page: ")
    assert (ROOT / page).is_file()
    assert Path(page).stem == name
    assert 20 < len(said.splitlines()[1]) < 500  # two or three lines


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("awp", ["adv_eps 0.2 0.0001 to 0.3, log box, as a share", "adv_step 1 - ascent steps"]),
        ("awp", ["start_epoch 0 0 to epochs - 2 first epoch"]),
        ("awp", ["with attack=none (the default) these do nothing: epsilon, alpha, K, norm, emb_name"]),
        ("awp", ["with attack=fgm these do nothing: alpha, K", "with form=gamma these do nothing: adv_eps"]),
        ("awp", ["it is clean training with adv_lr=0 or adv_eps=0", "(2 forward, 2 backward)"]),
        ("smart", ["with reg_weight=0 and teacher_weight=0", "with teacher_weight=0 these do nothing: beta"]),
        ("mifgm", ["with K=1 these do nothing: mu"]),
        ("none", ["start_epoch 0 - first epoch", "1.00x"]),
        ("pgd", ["combine mean - how clean and adversarial gradients are joined (one of mean, sum, replace)"]),
    ],
)  # fmt: skip
def test_settings_are_shown_with_range_meaning_and_what_makes_them_idle(name, words, shown):
    assert_said(" ".join(shown(name).split()), *words)


def test_the_page_is_named_from_elsewhere(shown, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown("fgm").splitlines()[-1] == f"page: {ROOT / 'docs/methods/fgm.md'}"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["awp"], "no such command 'awp'; did you mean --method awp?"),
        (["awp", "--help"], "no such command 'awp'; did you mean --method awp?"),
        (["AWP", "--trials", "3"], "no such command 'AWP'; did you mean --method awp?"),
        (["random-weights"], "did you mean --method random_weights?"),
        (["frelb"], "did you mean --method freelb?"),
        (["metods"], "'methods'"),
        (["reprot"], "'report'"),
        (["xyz"], "or give no command to search"),
        (["studies", "awp"], "Choose from delete"),
        (["methods", "--method", "frelb"], "unknown method 'frelb'; did you mean 'freelb'?"),
        (["methods", "--method", "q"], "choose from asam, awp"),
        (["methods", "awp"], "awp"),
    ],
    ids=" ".join,
)
def test_misspelt_commands(line, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert words in refused(capsys, *line)
