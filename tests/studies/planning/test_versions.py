from importlib.metadata import version

import pytest

from studies.planning import versions
from studies.planning.versions import changes, told, weighty


def test_a_checkout_that_is_not_installed_has_a_version_too(monkeypatch):
    monkeypatch.setattr(versions, "PACKAGES", ("no-such-package", "torch"))
    assert versions.versions() == {"no-such-package": "not installed", "torch": version("torch")}


@pytest.mark.parametrize(
    ("then", "now", "grave"),
    [
        ("2.13.0", "2.13.1", False),
        ("2.13.1", "2.13.0", False),
        ("2.13.0+cpu", "2.13.0+cu126", False),
        ("2.13", "2.13.4", False),
        ("5.23.0rc1", "5.23.0", False),
        ("2.9.9", "2.13.0", True),
        ("2.13.0", "2.14.0", True),
        ("2.13.0", "3.13.0", True),
        ("0.1.0", "0.2.0", True),
        ("1!2.13.0", "2.13.0", True),
        ("unknown", "2.13.0", True),
        ("0.1.0", "not installed", True),
        ("not installed", "0.1.0", True),
    ],
)
def test_a_patch_is_no_other_version_and_all_else_is(then, now, grave):
    assert weighty(then, now) is grave


def test_changes_are_told_for_packages_that_both_know():
    found = changes({"torch": "2.0", "optuna": "5.0.0", "old": "1"}, {"torch": "2.1", "optuna": "5.0.0", "new": "1"})
    assert found == {"torch": ("2.0", "2.1")}
    assert told(found) == "torch 2.0 then, 2.1 now"
