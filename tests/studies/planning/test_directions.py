"""Directions of a study, from its identity."""

from optuna.study import StudyDirection

from studies.planning.directions import SECOND_DIRECTION, directions_of


def test_a_study_has_one_direction_or_two():
    up, down = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE
    assert directions_of({"direction": "minimize"}) == [down]
    assert directions_of({"direction": "maximize", SECOND_DIRECTION: "minimize"}) == [up, down]
    assert directions_of({}) == []
