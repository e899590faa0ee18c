"""The pages of the methods say what the code has: settings, defaults, ranges, costs, papers; and what they advise works."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from helpers.places import ROOT
from helpers.plans import plan_of

from adv import METHODS
from finetune.errors import UserError
from spaces import space_of
from studies.commands.methods import text
from studies.planning.words import from_to

FOLDER = ROOT / "docs" / "methods"
PAGES = sorted(FOLDER.glob("*.md"))
MOST_LINES = 70
EPOCHS = 4
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Code spans of prose; a listing has none.
SPAN = re.compile(r"`([^`]+)`")


def page_of(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def table_of(name: str) -> dict[str, tuple[str, str]]:
    """Default and range of each setting in the page's table; a row may hold several settings."""
    rows: dict[str, tuple[str, str]] = {}
    section = page_of(name).split("## Settings\n")[1].split("\n## ")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("| `"):
            continue
        names, defaults = SPAN.findall(cells[0]), SPAN.findall(cells[-2])
        assert len(cells) == 4, line
        assert not rows.keys() & set(names), line
        rows |= {setting: (default, cells[-1]) for setting, default in zip(names, defaults, strict=True)}
    return rows


def anchors_of(path: Path) -> set[str]:
    """What can be linked to in a page: its headings, as they are shown in an address."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", METHODS)
def test_every_setting_has_a_row_with_its_default_and_range(name: str) -> None:
    method, space = METHODS[name](), space_of(name, EPOCHS)
    expected = {}
    for field in dataclasses.fields(method):
        searched = from_to(space[field.name]) if field.name in space else "fixed; `--set`"
        if field.name == "start_epoch" and field.name in space:
            searched = "0 to epochs - 2"
        expected[field.name] = (text(field.default) or '""', searched)
    assert table_of(name) == expected


@pytest.mark.parametrize("name", METHODS)
def test_a_page_has_paper_cost_and_passes(name: str) -> None:
    page, kind = page_of(name), METHODS[name]
    assert page.startswith(f"# {name}\n")
    paper = page.split("**Paper.**")[1].split("\n## ")[0]
    year = re.search(r"\d{4}", kind.paper)
    if year:
        assert kind.paper.split()[0] in paper
        assert year[0] in paper
    cost = page.split("## Cost\n")[1].split("\n## ")[0]
    assert f"{kind().cost().relative:.2f}x" in cost
    assert "forward" in cost
    assert "graph" in cost


@pytest.mark.parametrize("name", [path.stem for path in PAGES if path.stem != "README"])
def test_a_page_has_all_sections_in_order(name: str) -> None:
    titles = re.findall(r"^## (.+)$", page_of(name), re.MULTILINE)
    assert titles == ["Settings", "Cost", "When to use it, when not", "Differences", "Published values", "Pitfalls"]


@pytest.mark.parametrize("name", METHODS)
def test_the_options_that_a_page_gives_are_accepted_together(name: str) -> None:
    page = page_of(name)
    # A page may speak of a setting of a method that it links to.
    methods = [name, *(link for link in re.findall(r"\]\((\w+)\.md\)", page) if link in METHODS)]
    for span in SPAN.findall(page):
        sets, ranges = (re.findall(rf"--{option} (\w+=\S+)", span) for option in ("set", "range"))
        assert len(sets) + len(ranges) == len(re.findall("--(?:set|range) ", span)), span
        if sets or ranges:
            assert any(accepted(method, sets, ranges) for method in methods), f"{name}.md: {span}"


def accepted(method: str, sets: list[str], ranges: list[str]) -> bool:
    try:
        plan = plan_of(method, sets, ranges, epochs=EPOCHS)
    except UserError:
        return False
    return plan.method == method


@pytest.mark.parametrize("name", ["freelb", "tavat"])
def test_published_values_of_each_task_lie_in_the_space(name: str) -> None:
    space, seen = space_of(name, EPOCHS), 0
    table = re.search(r"^\| task \| (.+) \|\n\|[-|]+\n((?:\|.*\n)+)", page_of(name), re.MULTILINE)
    assert table is not None
    titles = table[1].split(" | ")
    for row in table[2].splitlines():
        cells = row.strip("| ").split(" | ")[1:]
        if "`" in row:  # a row that says how to reach what lies outside
            continue
        for title, cell in zip(titles, cells, strict=True):
            for number in re.findall(r"\d[\d.]*", cell):
                distribution: Any = space[title]
                assert distribution.low <= float(number) <= distribution.high, (row, number)
                seen += 1
    assert seen >= 8 * len(titles)


@pytest.mark.parametrize("path", [*PAGES, ROOT / "README.md"], ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_files_that_are_named_exist(path: Path) -> None:
    content = path.read_text(encoding="utf-8")
    for link in LINK.findall(content):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link
    for file in re.findall(r"\b(?:starts|examples)/\w+\.\w+", content):
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_the_index_links_every_page_and_has_every_cost() -> None:
    index = page_of("README")
    linked = set(LINK.findall(index))
    assert {path.name for path in PAGES} - {"README.md"} <= linked
    rows = dict(re.findall(r"^\| \[(\w+)\]\(\1\.md\) \|.*\| (\S+) \|$", index, re.MULTILINE))
    assert rows == {name: f"{kind().cost().relative:.2f}x" for name, kind in METHODS.items()}


def test_every_method_has_a_page() -> None:
    assert METHODS.keys() <= {path.stem for path in PAGES}
