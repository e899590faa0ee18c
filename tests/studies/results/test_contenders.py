"""What a confirmation compares."""

import pytest
from helpers.made_up_studies import made

from finetune.errors import UserError
from studies.results.contenders import compared_with, contenders
from studies.results.summary import summarise
from studies.running.stages import Arm


@pytest.mark.parametrize("maximize", [True, False])
def test_the_race_takes_the_best_and_always_the_defaults(maximize):
    study = made("CCFPCCCCCC", maximize=maximize)
    found = summarise(study)
    ranked = sorted((t for t in found.trials if t.state.name == "COMPLETE"), key=lambda t: t.value * (-1 if maximize else 1))
    arms, lines = contenders(found, 4)
    assert [arm.trial for arm in arms[:3]] == [trial.number for trial in ranked[:3]]
    assert arms[3].who == "the defaults"
    assert lines == []
    assert arms[3].settings["adv_lr"] == pytest.approx(min(1.0, found.space["adv_lr"].high))
    assert [arm.trial for arm in contenders(found, 0)[0]] == [ranked[0].number]
    arms, lines = contenders(found, 50)
    assert len(arms) == 9
    assert "the study has 8 configurations with a value, fewer than 50" in lines[0]


def test_who_is_compared():
    assert [arm.who for arm in compared_with(Arm("trial 1", "fgm", {}))[0]] == ["clean training", "trial 1", "its control"]
    arms, lines = compared_with(Arm("trial 1", "random", {}))
    assert (len(arms), lines) == (2, ["no control: random follows no gradient that noise could replace"])
    arms, lines = compared_with(Arm("trial 1", "none", {}, {"learning_rate": 1e-3}))
    assert len(arms) == 2
    assert "the study's recipe, not the winner's" in lines[0]
    with pytest.raises(UserError, match="clean training itself"):
        compared_with(Arm("trial 0", "none", {}))
