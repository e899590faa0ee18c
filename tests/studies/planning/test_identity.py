"""What a study is compared by when it is taken up: younger fields, versions, the device."""

import copy

import optuna
import pytest
from helpers.made_up_studies import made

from adv import METHODS
from finetune.arguments import as_options
from finetune.config import Data, Recipe
from finetune.errors import UserError
from studies.planning.identity import KEY, identity, refuse_another
from studies.planning.plan import make_plan
from studies.planning.versions import changes, made_under


def identity_of(study):
    return copy.deepcopy(study.user_attrs[KEY])


def study_under(**versions):
    """A study that was made under these versions."""
    study = made("CC")
    study.set_user_attr(KEY, identity_of(study) | {"versions": versions})
    return study


def asked(study, **versions):
    """What the same command asks for under other versions."""
    return identity_of(study) | {"versions": identity_of(study)["versions"] | versions}


@pytest.mark.parametrize("package", ["torch", "transformers", "optuna", "advsearch"])
def test_a_patch_is_said_and_a_minor_version_is_refused_unless_accepted(package):
    study = study_under(**{package: "1.2.3"})
    assert refuse_another(study, asked(study)) == []
    [line] = refuse_another(study, asked(study, **{package: "1.2.4"}))
    assert f"{package} 1.2.3 then, 1.2.4 now" in line
    other = asked(study, **{package: "1.3.0"})
    with pytest.raises(UserError, match=f"{package} 1.2.3 then, 1.3.0 now.*accept_versions=True"):
        refuse_another(study, other)
    [line] = refuse_another(study, other, accept=True)
    assert "accepted by --accept-versions" in as_options(line)


def test_a_refusal_names_the_grave_ones_only_and_a_line_all():
    study = study_under(torch="2.13.0", optuna="5.0.1")
    other = asked(study, torch="2.14.0", optuna="5.0.2")
    with pytest.raises(UserError) as refused:
        refuse_another(study, other)
    assert "torch" in str(refused.value)
    assert "optuna" not in str(refused.value)
    [line] = refuse_another(study, other, accept=True)
    assert "torch 2.13.0 then, 2.14.0 now, optuna 5.0.1 then, 5.0.2 now" in line


def test_a_package_that_was_not_recorded_is_no_difference():
    study = study_under(torch="2.13.0")
    assert refuse_another(study, asked(study, newcomer="9.9")) == []
    assert changes({"gone": "1"}, {"torch": "2"}) == {}


def test_versions_do_not_hide_another_study():
    study = study_under(torch="2.13.0")
    other = asked(study, torch="2.14.0") | {"method": "fgm"}
    with pytest.raises(UserError, match="method: there 'awp', here 'fgm'"):
        refuse_another(study, other, accept=True)


@pytest.mark.parametrize(("section", "field"), [("data", "max_train_rows"), ("recipe", "swa_lr"), ("recipe", "threads")])
def test_a_field_younger_than_the_study_differs_only_when_it_is_not_its_default(section, field):
    study = made("CC")
    now = identity_of(study)
    old = identity_of(study)
    del old[section][field]
    study.set_user_attr(KEY, old)
    assert refuse_another(study, now) == []
    now[section][field] = 3 if field != "swa_lr" else 0.25
    with pytest.raises(UserError, match=rf"{section}.{field}: there .*, here {now[section][field]}"):
        refuse_another(study, now)


def test_an_old_study_without_a_device_says_nothing_of_it_and_another_device_is_said():
    study = made("CC")
    assert refuse_another(study, identity_of(study) | {"device": "cuda"}) == []
    study.set_user_attr(KEY, identity_of(study) | {"device": "cpu"})
    [line] = refuse_another(study, identity_of(study) | {"device": "cuda"})
    assert "begun on cpu, now on cuda" in line


def test_a_part_of_an_identity_is_compared_as_far_as_it_goes():
    study = made("CC")
    part = {
        key: value
        for key, value in identity_of(study).items()
        if "fingerprint" not in key and key not in ("direction", "metric")
    }
    assert refuse_another(study, part) == []
    part["recipe"]["seed"] = 8
    with pytest.raises(UserError, match=r"recipe\.seed: there 7, here 8"):
        refuse_another(study, part)


def test_a_study_of_plain_optuna_is_not_ours():
    with pytest.raises(UserError, match="not made by this program"):
        refuse_another(optuna.create_study(study_name="plain"), {})


def test_trials_keep_what_is_not_the_studys_own(monkeypatch):
    here = {"torch": "2.13.0", "optuna": "5.0.0"}
    monkeypatch.setattr("studies.planning.versions.versions", lambda: here)
    assert made_under({"versions": dict(here), "device": "cpu"}, "cpu") == {}
    assert made_under({"versions": dict(here)}, "cuda") == {}
    assert made_under({"versions": dict(here), "device": "cpu"}, "cuda") == {"device": "cuda"}
    assert made_under({"versions": here | {"torch": "2.12.0"}}, "cpu") == {"versions": here}


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        ({}, {}, False),
        ({}, {"formula": 2}, True),
        ({"formula": 2}, {"formula": 2}, False),
        ({"formula": 2}, {"formula": 3}, True),
    ],
)
def test_a_study_from_before_a_method_s_change_goes_on_and_says_that_its_values_do_not_compare(then, now, said):
    study = made("CC")
    about = identity_of(study)
    study.set_user_attr(KEY, about | then)
    lines = refuse_another(study, about | now)
    assert len(lines) == said
    assert not said or "computed something else from the same settings" in lines[0]
    assert not said or about["method"] in lines[0]


def formula_of(method):
    plan = make_plan(method, Data(task="reviews"), Recipe())
    return identity(plan, "accuracy", "maximize", 1, "tpe", "none", []).get("formula")


def test_methods_that_have_changed_are_in_what_their_studies_are_about():
    """SiFT's weight and SMART's proximal term act otherwise than in the first studies."""
    changed = [name for name in METHODS if formula_of(name) is not None]
    assert changed == ["smart", "sift"]
