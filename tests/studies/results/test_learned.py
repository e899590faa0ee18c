"""What summary and report say beside the value: the constant guess, small errors, errors of several targets."""

import re

import pytest
from helpers.made_up_studies import CLEAN, made
from helpers.report_pages import Page
from rich.console import Console

from studies.report.files import write_report
from studies.report.terminal import print_summary
from studies.results.summary import BASELINE, CONSTANT, summarise


def test_small_errors_keep_four_digits_everywhere(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.made_up_studies.CLEAN", 3.14159e-5)
    study = made("CCC", maximize=False, metric="rmse", gain=0)
    study.set_user_attr(CONSTANT, {"rmse": 4.5e-5})
    found = summarise(study)
    text = Page(write_report(found, tmp_path)).text
    assert "Clean baseline 0.00003142" in text
    assert "Constant guess 0.00004500" in text
    assert f"Best value {found.best.value:.8f}" in text


SAID = [(CLEAN, "no better than"), (CLEAN + 0.1, "worse than"), (0.5, None), (None, None)]


@pytest.mark.parametrize(("constant", "said"), SAID)
def test_the_page_says_when_nothing_was_learned(tmp_path, constant, said):
    study = made("CCC", gain=-0.1)
    if constant is not None:
        study.set_user_attr(CONSTANT, {"accuracy": constant})
    text = Page(write_report(summarise(study), tmp_path)).text
    assert ("Constant guess" in text) == (constant is not None)
    assert ("Clean training learned nothing" in text) == (said is not None)
    if said:
        assert f"{said} the constant guess's {constant:.4f}" in text
        assert "The best trial does not beat the constant guess either." in text
        assert "try more --epochs, another --learning-rate" in text


def test_a_best_trial_that_learned_nothing_is_named_alone():
    study = made("CCC", gain=-0.1)
    study.set_user_attr(CONSTANT, {"accuracy": CLEAN - 0.05})
    [line] = summarise(study).unlearned
    assert line.startswith("the best trial (")


def test_errors_of_several_targets_are_in_the_page(tmp_path):
    study = made("CC", metric="mcrmse", maximize=False)
    baseline = study.user_attrs[BASELINE]
    baseline[-1]["metrics"] |= {"rmse valence": 0.25, "rmse arousal": 0.5}
    study.set_user_attr(BASELINE, baseline)
    found = summarise(study)
    found.best.set_user_attr("metrics", {"mcrmse": 0.5, "rmse valence": 0.125, "rmse arousal": 0.75})
    assert found.targets == {"valence": (0.125, 0.25), "arousal": (0.75, 0.5)}
    assert "valence 0.1250 (clean 0.2500), arousal 0.7500 (clean 0.5000)" in Page(write_report(found, tmp_path)).text
    print_summary(console := Console(record=True, width=100), found)
    assert re.search(r"rmse of +best +clean\s+valence +0\.1250 +0\.2500\s+arousal +0\.7500 +0\.5000", console.export_text())
