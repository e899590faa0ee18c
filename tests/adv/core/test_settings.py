"""Settings carry their own domain: what is outside is refused by name, what is inside is kept and printed."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import adv
from adv import METHODS, SettingError

FIELDS = [(name, field.name) for name, kind in METHODS.items() for field in dataclasses.fields(kind)]
WRONG = {
    float: [math.nan, math.inf, -math.inf, (0.5,), [0.5], "0.5", None, True, 10**400, 1j],
    int: [True, 1.0, math.nan, (1,), "1", None],
    bool: [0, 1, "true", None],
    str: [1, ("mean",), ["mean"], b"mean", True],
}


def field_of(name, setting):
    return next(field for field in dataclasses.fields(METHODS[name]) if field.name == setting)


def outside(field):
    """Values that the field must refuse."""
    rule = field.metadata
    values = list(WRONG[rule["kind"]])
    if rule["low"] is not None:
        values.append(rule["kind"](rule["low"] - 1))
    if rule["high"] is not None:
        values.append(rule["kind"](rule["high"] + 1))
    if rule["choices"]:
        values += ["", "Mean", "mean "]
    if rule["pattern"]:
        values += ["[", "*weight", "(?P<"]
    if rule["kind"] is str and not rule["optional"]:
        values.append(None)
    return values


@pytest.mark.parametrize(("name", "setting"), FIELDS)
def test_refuses_by_name_what_is_outside(name, setting):
    field = field_of(name, setting)
    for value in outside(field):
        with pytest.raises(SettingError, match=f"^{setting} must be .*, but is "):
            METHODS[name](**{setting: value})


@pytest.mark.parametrize(("name", "setting"), FIELDS)
def test_takes_the_bounds_and_the_choices(name, setting):
    field = field_of(name, setting)
    rule = field.metadata
    inside = [*(rule["choices"] or ()), rule["low"], rule["high"], field.default]
    for value in [value for value in inside if value is not None]:
        assert getattr(METHODS[name](**{setting: rule["kind"](value)}), setting) == value


def test_the_message_tells_the_rule():
    for make, words in (
        (lambda: adv.PGD(K=0), "K must be a whole number >= 1, but is 0"),
        (lambda: adv.FGM(norm="l2"), "norm must be one of matrix, example, token, but is 'l2'"),
        (lambda: adv.AWP(adv_param="["), "adv_param must be a regular expression, but is '['"),
        (lambda: adv.FGM(emb_name=3), "emb_name must be a regular expression or nothing, but is 3"),
        (lambda: adv.FGM(epsilon=-1), "epsilon must be a finite number >= 0, but is -1.0"),
    ):
        with pytest.raises(SettingError) as caught:
            make()
        assert str(caught.value) == words


def test_whole_numbers_serve_as_numbers_but_positions_do_not_serve_as_names():
    assert type(adv.FGM(epsilon=1).epsilon) is float
    with pytest.raises(TypeError):
        adv.FGM(1.0)


@pytest.mark.parametrize(
    ("given", "kept"),
    [(1, 1), (1.0, 1), (1.5, 1.5), (2 / 3, 2 / 3), (0.3333333333333333 * 3, 1), (0.9999999999999999, 1), (1e6, 10**6)],
)
def test_a_start_without_a_fraction_is_a_whole_number(given, kept):
    method = adv.FGM(start_epoch=given)
    assert method.start_epoch == kept
    assert type(method.start_epoch) is type(kept)
    assert repr(kept) in repr(method)


@pytest.mark.parametrize("thirds", [1, 2, 3, 4, 5])
def test_a_start_at_a_third_of_an_epoch_is_there_at_that_third(thirds):
    method = adv.FGM(start_epoch=thirds * (1 / 3))
    at = [type(method.at(step / 3)).__name__ for step in range(7)]
    assert at == ["Clean"] * thirds + ["FGM"] * (7 - thirds)


def test_a_method_that_replays_its_batches_begins_at_a_whole_epoch():
    with pytest.raises(SettingError, match="start_epoch must be a whole number for FreeAT, but is 1") as caught:
        adv.FreeAT(start_epoch=1.5)
    assert str(caught.value).count("\n") == 0
    assert adv.FreeAT(start_epoch=1.0).start_epoch == 1
    assert adv.FreeAT(start_epoch=1.5, K=1).start_epoch == 1.5  # it replays nothing


NUMBERS = st.floats(0, 1e6, allow_nan=False)


@given(name=st.sampled_from(list(METHODS)), number=NUMBERS, count=st.integers(1, 50), choice=st.integers(0, 2))
def test_repr_rebuilds_the_method(name, number, count, choice):
    settings = {}
    for field in dataclasses.fields(METHODS[name]):
        rule = field.metadata
        if rule["choices"]:
            settings[field.name] = rule["choices"][choice % len(rule["choices"])]
        elif rule["kind"] is not str:
            value = {float: number, int: count, bool: count % 2 == 0}[rule["kind"]]
            settings[field.name] = value if rule["high"] is None else min(value, rule["high"])
            if rule["whole"]:
                settings[field.name] = float(count) if name == "freeat" else round(number * 8) / 8
        elif rule["pattern"]:
            settings[field.name] = r"word_embeddings\.weight$" if count % 2 else field.default
    if settings.get("direction") == "momentum":
        settings["adv_step"] = 1
    method = METHODS[name](**settings)
    rebuilt = eval(repr(method), vars(adv))
    assert rebuilt == method
    assert all(getattr(rebuilt, setting) == value for setting, value in settings.items())
