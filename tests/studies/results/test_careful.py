"""Warnings of a careful colleague: each on both sides of its border."""

import math
from itertools import combinations

import numpy as np
import pytest
from helpers.made_up_studies import made
from helpers.plain_studies import plain_summary
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from finetune.arguments import as_arguments, as_options
from studies.planning.calibrated import CALIBRATED
from studies.planning.identity import CONSTANT, KEY, VALIDATION
from studies.results.broken_space import too_wide
from studies.results.budgets import best_among
from studies.results.careful import careful, enough, rising, small
from studies.results.edges import edges
from studies.results.summary import summarise

EPS = {"adv_eps": FloatDistribution(1e-4, 0.3, log=True)}
MIDDLE = [(0.8, {"adv_eps": 5e-3})]
LOOP = {"data": {"loop": "mine.train"}}


def told(line):
    return None if line is None else as_options(line)


def test_more_epochs_for_a_part_name_the_whole_search():
    about = {"search": {"explore": 8, "sampler": "tpe", "pruner": "none", "part": "2/3"}}
    line = told(rising(plain_summary(MIDDLE, EPS, clean=(0.5, 0.7, 0.8), name="s-part-2-of-3", about=about)))
    assert line.endswith("try --epochs 6 --study s-6-epochs")


@pytest.mark.parametrize(
    ("clean", "options", "said"),
    [
        pytest.param((0.5, 0.7, 0.8), {"noise": 0.02}, True, id="rising"),
        pytest.param((0.5, 0.7, 0.72), {"noise": 0.02}, False, id="by the noise, not more"),
        pytest.param((0.5, 0.7, 0.7201), {"noise": 0.02, "attrs": {CONSTANT: {"accuracy": 0.6}}}, True, id="by a bit more"),
        pytest.param((0.5, 0.78, 0.8), {}, False, id="a fifteenth of all that it learned"),
        pytest.param((0.5, 0.77, 0.8), {}, True, id="a tenth"),
        pytest.param(
            (0.5, 0.77, 0.8), {"attrs": {CONSTANT: {"accuracy": 0.4}}}, False, id="less than a tenth over the guess"
        ),
        pytest.param((0.5, 0.8, 0.7), {}, False, id="falling"),
        pytest.param((0.5, 0.85, 0.7, 0.8), {}, False, id="its best epoch is over"),
        pytest.param((0.8,), {}, False, id="one epoch"),
        pytest.param((0.8, 0.8), {}, False, id="flat"),
        pytest.param((0.5, math.nan, 0.8), {}, False, id="an epoch without a value"),
        pytest.param((9.0, 5.0, 4.0), {"metric": "rmse", "maximize": False, "noise": 0.5}, True, id="an error falls"),
        pytest.param((9.0, 5.0, 5.5), {"metric": "rmse", "maximize": False}, False, id="an error rises"),
        pytest.param((-3.0, -2.0, -1.0), {"about": LOOP, "metric": "score"}, True, id="a loop's own, below zero"),
    ],
)
def test_clean_training_still_rises(clean, options, said):
    line = told(rising(plain_summary(MIDDLE, EPS, clean=clean, **options)))
    assert (line is not None) == said
    if line:
        assert f"--epochs {2 * len(clean)} --study plain-{2 * len(clean)}-epochs" in line
        assert "speed, not quality" in line
        assert line.startswith("clean training is still improving")  # an error falls


def split(rows, error, metric="accuracy"):
    return {"attrs": {VALIDATION: {"rows": rows, "error": {metric: error}}}, "metric": metric}


@pytest.mark.parametrize(
    ("best", "options", "said"),
    [
        pytest.param(0.83, split(131, 0.0349), "on 131 validation rows accuracy has a standard error of 0.0349", id="small"),
        pytest.param(0.83, split(131, 0.03), None, id="as large as the gain"),
        pytest.param(0.83, split(131, 0.02), None, id="large enough"),
        pytest.param(0.80, split(131, 0.0349), None, id="no gain to doubt"),
        pytest.param(0.70, split(131, 0.0349), None, id="a loss"),
        pytest.param(0.83, {}, None, id="a study that does not know its rows"),
        pytest.param(0.83, {"attrs": {VALIDATION: {"rows": 9, "error": {}}}}, None, id="rows without an error"),
        pytest.param(0.83, split(1, 0.4), "on 1 validation row accuracy", id="one row"),
        pytest.param(0.83, split(40, 0.05, "macro_f1"), "macro_f1 has a standard error of 0.0500", id="another metric"),
        pytest.param(None, split(131, 0.4), None, id="no complete trial"),
    ],
)
def test_the_validation_split_is_too_small_for_the_gain(best, options, said):
    line = told(small(plain_summary([(best, {"adv_eps": 5e-3})], EPS, **options)))
    assert (line is None) == (said is None)
    if said:
        assert said in line
        assert "the gain of the best is 0.0300" in line
        assert line.endswith("--validation-file gives more rows")


def test_rows_that_were_left_out_are_named_first():
    about = {"data": made("").user_attrs[KEY]["data"] | {"max_validation_rows": 50}}
    line = told(small(plain_summary([(0.83, {"adv_eps": 5e-3})], EPS, about=about, **split(50, 0.05))))
    assert line.endswith("--max-validation-rows 200 gives more rows")


def at(name, *places, maximize=True):
    """Five trials at these values, the best first; the last value again for those that are not given."""
    places = [*places, *[places[-1]] * (5 - len(places))]
    return [((0.9 - 0.01 * i) if maximize else (0.1 + 0.01 * i), {name: place}) for i, place in enumerate(places)]


@pytest.mark.parametrize(
    ("name", "distribution", "places", "tried"),
    [
        pytest.param("adv_eps", EPS["adv_eps"], [0.29, 0.2, 0.25], "--range adv_eps=0.0001:3:log", id="upper"),
        pytest.param("adv_eps", EPS["adv_eps"], [1.05e-4, 2e-4, 3e-4], "--range adv_eps=1e-05:0.3:log", id="lower"),
        pytest.param("adv_eps", EPS["adv_eps"], [0.19, 0.2, 0.25], None, id="near the edge is not at it"),
        pytest.param("adv_eps", EPS["adv_eps"], [0.29, 2e-4, 3e-3], None, id="alone at the edge: luck"),
        pytest.param("adv_lr", FloatDistribution(0.01, 0.04, log=True), [0.04], "--range adv_lr=0.01:0.08:log", id="narrow"),
        pytest.param("adv_lr", FloatDistribution(0.2, 0.6), [0.6], "--range adv_lr=0.2:0.8", id="a linear range"),
        pytest.param("adv_lr", FloatDistribution(0.0, 0.4), [0.0], None, id="nothing is below 0"),
        pytest.param("adv_step", IntDistribution(1, 3), [1, 1], None, id="nothing is below the first step"),
        pytest.param("adv_step", IntDistribution(1, 3), [3, 3], "--range adv_step=1:4", id="whole numbers"),
        pytest.param("adv_step", IntDistribution(1, 2), [2, 2], None, id="one of two values"),
        pytest.param("adv_step", IntDistribution(2, 32, log=True), [2, 2, 3], "--range adv_step=1:32:log", id="whole, log"),
        pytest.param("start_epoch", IntDistribution(0, 2), [2, 2], None, id="the attack needs epochs"),
        pytest.param("start_epoch", IntDistribution(0, 3), [3, 3], None, id="the last of 4 epochs"),
        pytest.param("start_epoch", FloatDistribution(1.5, 3.5, step=0.5), [3.5, 3.0], None, id="the last half of an epoch"),
        pytest.param("start_epoch", FloatDistribution(1.5, 3.5, step=0.5), [1.5], "--range start_epoch=0.5:3.5", id="half"),
        pytest.param("warmup", FloatDistribution(0.0, 0.9), [0.9, 0.88], None, id="a share beyond 1"),
        pytest.param("weight_decay", FloatDistribution(0.02, 0.1), [0.1], "--range weight_decay=0.02:0.14", id="recipe"),
        pytest.param("combine", CategoricalDistribution(["mean", "sum"]), ["sum"], None, id="choices have no edge"),
    ],
)
@pytest.mark.parametrize("maximize", [True, False])
def test_the_best_is_at_the_edge_of_a_range(name, distribution, places, tried, maximize):
    rows = at(name, *places, maximize=maximize)
    found = [told(line) for line in edges(plain_summary(rows, {name: distribution}, clean=(0.5,) * 4, maximize=maximize))]
    assert len(found) == (tried is not None)
    if tried:
        assert f"try {tried} --study plain-wider --from plain" in found[0]
        assert f"edge of {name}" in found[0]


def test_of_fewer_than_five_trials_or_of_a_part_nobody_can_tell():
    rows = at("adv_eps", 0.3)
    assert len(edges(plain_summary(rows, EPS))) == 1
    assert edges(plain_summary(rows[:4], EPS)) == []
    assert edges(plain_summary(rows, EPS, about={"search": made("").user_attrs[KEY]["search"] | {"part": "1/2"}})) == []


@pytest.mark.parametrize(
    ("ends", "best", "tried"),
    [
        ([1e-3, 0.2], 0.2, "--range adv_eps=0.001:0.3:log"),  # no further than it was declared
        ([1e-3, 0.2], 1e-3, "--range adv_eps=0.0001:0.2:log"),
        ([1e-3, 0.3], 0.3, "--range adv_eps=0.001:3:log"),  # measured up to where it was declared to end
        ([1e-3, 0.02], 0.02, "--range adv_eps=0.001:0.089:log"),
    ],
)
def test_beyond_a_measured_range_is_the_declared_one(ends, best, tried):
    ranges = {"names": ["adv_eps"], "ranges": {"adv_eps": ends}, "why": ""}
    line = told(edges(plain_summary(at("adv_eps", best), EPS, attrs={CALIBRATED: ranges}))[0])
    assert f"try {tried} --study plain-wider" in line
    assert "measured before the search" in line


def test_two_edges_make_one_search():
    space = EPS | {"adv_lr": FloatDistribution(1e-4, 1.0, log=True)}
    (line,) = edges(plain_summary([(0.9, {"adv_eps": 0.3, "adv_lr": 1e-4})] * 5, space))
    assert "at the upper edge of adv_eps (0.3 in" in line
    assert "and at the lower edge of adv_lr (0.0001 in" in line
    assert "try --range adv_eps=0.0001:3:log --range adv_lr=1e-05:1:log --study plain-wider --from plain" in told(line)


def test_a_range_of_a_users_own_loop_may_be_below_zero():
    space = {"bias": FloatDistribution(-1.0, 1.0)}
    about = LOOP | {"method": "none", "recipe": {"epochs": 2, "seed": 0, "bias": 0.0}}
    line = edges(plain_summary([(0.9, {"bias": -1.0})] * 5, space, about=about))[0]
    assert "space={'bias': ['-2', '1']}" in as_arguments(line)


def wide(broken, count=30):
    """Trials over both settings of awp; which are broken is said by a function of the two."""
    rng = np.random.default_rng(0)
    space = EPS | {"adv_lr": FloatDistribution(1e-4, 1.0, log=True)}
    points = [
        {"adv_eps": float(10 ** rng.uniform(-4, -0.53)), "adv_lr": float(10 ** rng.uniform(-4, 0))} for _ in range(count)
    ]
    lost = [number for number, point in enumerate(points) if broken(point["adv_eps"], point["adv_lr"])]
    rows = [(0.5 if number in lost else 0.8, point) for number, point in enumerate(points)]
    return plain_summary(rows, space, broken=lost), len(lost)


def test_too_many_broken_trials_name_the_value_beyond_which_they_break():
    found, count = wide(lambda eps, lr: eps > 5e-3)
    assert count > 10
    line = told(too_wide(found))
    limit = float(line.split("adv_eps ")[1].split(";")[0])
    assert 3e-3 < limit < 8e-3
    assert line == (
        f"{count} of 30 trials broke training: the space is too wide above adv_eps {limit:g}; "
        f"try --range adv_eps=0.0001:{limit:g}:log --study plain-narrower"
    )


def test_below_is_a_side_too():
    line = told(too_wide(wide(lambda eps, lr: lr < 1e-2)[0]))
    assert "too wide below adv_lr 0.0" in line
    assert ":1:log --study" in line


def test_two_settings_that_break_together_are_named_together():
    line = told(too_wide(wide(lambda eps, lr: eps > 1e-3 and lr > 3e-3, 90)[0]))
    assert "above adv_eps" in line
    assert "and above adv_lr" in line
    assert "together" in line
    assert line.count("--range") == 2


def test_where_nothing_parts_them_no_value_is_made_up():
    dice = np.random.default_rng(5)
    found, count = wide(lambda eps, lr: dice.random() < 0.5, 80)
    assert count > 27
    assert "no one setting says where" in told(too_wide(found))


@pytest.mark.parametrize(
    ("count", "of", "said"), [(10, 30, False), (11, 30, True), (0, 30, False), (1, 2, True), (2, 6, False)]
)
def test_a_third_may_break(count, of, said):
    rows = [(0.8, {"adv_eps": 1e-4 * 1.2**number}) for number in range(of)]
    found = plain_summary(rows, EPS, broken=range(of - count, of))
    assert (too_wide(found) is not None) == said


def test_a_study_in_which_nothing_could_be_asked_is_silent():
    found = plain_summary(MIDDLE, EPS)
    found.__dict__["matters"] = found.matters._replace(points=0)
    assert too_wide(found) is None
    assert enough(found) is None


@pytest.mark.parametrize("budget", [1, 2, 3, 5])
def test_the_expected_best_is_the_mean_over_all_draws(budget):
    values = [3.0, -1.0, 3.0, 7.0, 0.5]
    plainly = np.mean([max(draw) for draw in combinations(values, budget)])
    assert best_among(values, budget) == pytest.approx(plainly)


def evenly(count, maximize=True):
    """Trials that are each better than the one before, by equal steps."""
    return [((0.8 + 1e-3 * i) if maximize else (0.8 - 1e-3 * i), {"adv_eps": 5e-3}) for i in range(count)]


@pytest.mark.parametrize(
    ("count", "noise", "said"),
    [
        pytest.param(40, 0.01, True, id="less than the noise"),
        pytest.param(40, 9.5e-4, False, id="more than the noise"),
        pytest.param(39, 0.01, False, id="too few to tell"),
        pytest.param(40, 0.0, False, id="the noise is not known"),
        pytest.param(200, 0.01, True, id="many"),
    ],
)
@pytest.mark.parametrize("maximize", [True, False])
def test_more_trials_do_not_pay(count, noise, said, maximize):
    # the best of 40 evenly spaced values is 39 steps up, the best of 20 of them at 20 * 41 / 21 - 1 steps
    line = told(enough(plain_summary(evenly(count, maximize), EPS, noise=noise, maximize=maximize)))
    assert (line is not None) == said
    if line and count == 40:
        assert (
            f"20 more would {'raise' if maximize else 'lower'} the best by {(39 - (20 * 41 / 21 - 1)) * 1e-3:.4f} or" in line
        )
        assert "--trials 60" in line


def test_failed_trials_had_their_chance_too():
    rows = evenly(20) + [(None, {"adv_eps": 5e-3})] * 20
    line = told(enough(plain_summary(rows, EPS, noise=0.05)))
    values = sorted([0.8] * 21 + [0.8 + 1e-3 * i for i in range(1, 20)])
    chance = sum(math.comb(i, 19) / math.comb(40, 20) * value for i, value in enumerate(values))
    assert f"by {0.819 - chance:.4f} or less" in line


def test_nothing_is_said_about_a_plain_study():
    assert careful(plain_summary([(0.83, {"adv_eps": 5e-3})], EPS, clean=(0.8, 0.8))) == []


@pytest.mark.parametrize("states", ["", "F", "PP", "C", "CFP"])
@pytest.mark.parametrize("maximize", [True, False])
def test_any_study_can_be_asked(states, maximize):
    for line in careful(summarise(made(states, name="it's <b> odd", maximize=maximize))):
        assert "\x1f" not in as_options(line)
        assert "--study \"'it'\"" not in as_options(line)
