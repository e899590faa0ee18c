import re
from dataclasses import replace

import pytest
from helpers.made_up_studies import summary

from studies.report.compact import MOST, compact
from studies.results.importance import Finding, Matters


def found(name, question, share, evidence):
    return Finding((name,), question, share, share / 2, share * 1.2, 0.2, evidence)


def with_findings(*findings):
    base = replace(summary("CC"))
    base.__dict__["matters"] = Matters(list(findings), 0.01, [], 2)
    return base


def test_each_question_has_its_bars_and_evidence_is_not_faint():
    figure = compact(
        with_findings(
            found("a", "improves", 0.6, True), found("b", "improves", 0.1, False), found("a", "breaks", 0.5, False)
        )
    )
    breaks, improves, floors = figure.data
    assert list(breaks.x), list(breaks.y) == ([0.5], [0])
    assert list(improves.x), list(improves.y) == ([0.6, 0.1], [1, 2])
    assert list(improves.marker.opacity) == [1.0, 0.3]
    assert list(floors.x) == [0.2, 0.2, 0.2]
    assert list(figure.layout.yaxis.ticktext) == ["a", "a", "b"]
    assert re.search("advsearch", figure.layout.title.text)


def test_what_has_evidence_is_kept_where_there_is_no_room():
    rows = [found(f"s{i}", "improves", 0.5 - 0.05 * i, i == 8) for i in range(9)]
    names = list(compact(with_findings(*rows)).layout.yaxis.ticktext)
    assert names == ["s8", *(f"s{i}" for i in range(MOST - 1))]


@pytest.mark.parametrize("name", ["<b>x</b>", "<a href='http://x'>y</a>", "a&b", "<br>", "$x^2$"])
def test_names_are_escaped(name):
    [shown] = compact(with_findings(found(name, "breaks", 0.5, True))).layout.yaxis.ticktext
    assert "<" not in shown


def test_without_findings_there_is_no_figure():
    assert compact(with_findings()) is None
