"""The figure of a winner against its rivals."""

import pytest
from helpers.made_up_stages import made_stage
from helpers.made_up_studies import summary
from helpers.plain_studies import plain_study

from spaces import space_of
from studies.report.page import page
from studies.report.panels import PANELS, rivals
from studies.results.summary import summarise

SPACE = {"epsilon": space_of("fgm", 4)["epsilon"]}
CLEAN = {"who": "clean training", "method": "none", "settings": {}}
WINNER = {"who": "trial 1", "method": "fgm", "settings": {"epsilon": 0.5}, "trial": 1}
CONTROL = {"who": "its control", "method": "fgm", "settings": {"epsilon": 0.5}, "rival": True}
LONGER = {"who": "clean training for 8 epochs", "method": "none", "settings": {}, "recipe": {"epochs": 8}}


def confirmed(seeds=3, control=True, longer=3, lost=None):
    study = plain_study([(0.70, {"epsilon": 0.2}), (0.80, {"epsilon": 0.5})], SPACE, about={"method": "fgm"})
    winner = [0.80, 0.82, 0.81]
    if lost is not None:
        winner[lost] = None
    arms = [(CLEAN, [0.70, 0.71, 0.72][:seeds]), (WINNER, winner[:seeds])]
    made_stage(study, "verdict", arms + ([(CONTROL, [0.75, 0.76, 0.74][:seeds])] if control else []), cap=30)
    if longer:
        made_stage(study, "against_compute", [(LONGER, [0.78, 0.79, 0.80][:longer])])
    return summarise(study)


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({}, ["clean training", "its control", "clean training<br>for 8 epochs"]),
        ({"control": False}, ["clean training", "clean training<br>for 8 epochs"]),
        ({"longer": 0}, ["clean training", "its control"]),
        ({"longer": 1}, ["clean training", "its control"]),  # one seed has no interval
        ({"seeds": 2, "longer": 2, "control": False}, ["clean training", "clean training<br>for 8 epochs"]),
    ],
)
def test_each_rival_has_a_row(options, rows):
    figure = rivals.draw(confirmed(**options))
    assert list(figure.layout.yaxis.ticktext) == rows
    low, high = figure.layout.xaxis.range
    assert all(low <= end <= high for trace in figure.data for end in trace.x)
    assert low < 0 < high


def test_means_and_seeds_are_those_of_the_verdict():
    found = confirmed()
    figure = rivals.draw(found)
    dots, means = figure.data[0], figure.data[-1]
    assert [round(x, 3) for x in dots.x] == [0.1, 0.11, 0.09, 0.05, 0.06, 0.07, 0.02, 0.03, 0.01]
    assert list(means.text) == ["+0.1000", "+0.0600", "+0.0200"]
    said = rivals.finding(found)
    assert said == (
        "On 3 fresh seeds the winner is +0.1000 against clean training, +0.0600 against its control, "
        "+0.0200 against clean training for 8 epochs."
    )
    assert page(found)["confirmed"]
    assert rivals.PART == "confirmed"
    assert rivals in PANELS.values()


def test_a_seed_that_failed_has_no_dot():
    assert len(rivals.draw(confirmed(lost=1)).data[0].x) == 6


@pytest.mark.parametrize("found", [lambda: summary("CCC"), lambda: summary(""), lambda: confirmed(seeds=1, longer=1)])
def test_without_two_seeds_there_is_nothing_to_draw(found):
    assert rivals.draw(found()) is None
