from importlib.metadata import version

import pytest

from studies.planning import versions
from studies.planning.versions import changes, told, weighty


def test_a_checkout_that_is_not_installed_has_a_version_too(monkeypatch):
    monkeypatch.setattr(versions, "PACKAGES", ("no-such-package", "torch"))
    assert versions.versions() == {"no-such-package": "not installed", "torch": version("torch")}


@pytest.mark.parametrize(
    ("then", "now", "found"),
    [
        ("0.1.0", "0.1.1", False),
        ("2.13.0", "2.13.0+cpu", False),
        ("2.11.0+cu130", "2.13.0+cpu", True),
        ("5.0.0", "5.0.0rc1", False),
        ("1!2.0", "2.0", True),
        ("0.1.0", "not installed", True),
        ("not installed", "0.1.0", True),
    ],
)
def test_values_may_differ_under_another_minor_version(then, now, found):
    assert weighty(then, now) is found


def test_changes_are_told_for_packages_that_both_know():
    found = changes({"torch": "2.0", "optuna": "5.0.0", "old": "1"}, {"torch": "2.1", "optuna": "5.0.0", "new": "1"})
    assert found == {"torch": ("2.0", "2.1")}
    assert told(found) == "torch 2.0 then, 2.1 now"
