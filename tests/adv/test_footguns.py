"""adv/README.md claims nothing that no test proves: each footgun takes two lines and names tests that are there."""

import re

import pytest
from helpers.places import ROOT

PAGE = (ROOT / "adv" / "README.md").read_text()
ENTRIES = re.findall(r"^- (\*\*.*(?:\n  .*)*)", PAGE, re.MULTILINE)
TESTS = [
    name
    for path in (ROOT / "tests" / "adv").rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
]


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.split("**")[1] for entry in ENTRIES])
def test_a_footgun_is_two_lines_and_proved(entry):
    wrong, here = entry.splitlines()
    assert here.startswith("  Here: ")
    proofs = re.findall(r"`(test_\w+)`", here)
    assert proofs
    for proof in proofs:
        assert [name for name in TESTS if name == proof or name.startswith(proof + "_")] != [], proof
    assert len(wrong) < 125


def test_there_are_footguns():
    assert len(ENTRIES) >= 20
