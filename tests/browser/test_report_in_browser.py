"""The report as a browser shows it."""

import pytest
from helpers.browser_pages import FIGURES, SHADE, TOO_WIDE, watched
from helpers.made_up_parts import confirmed_summary

from studies.report.figures import figures
from studies.report.files import write_report

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DRAWN = "count => document.querySelectorAll('.js-plotly-plot .main-svg').length >= count"


@pytest.fixture(scope="module")
def written(chromium, tmp_path_factory):
    """The report of a confirmed study, and the names of the figures that it must have."""
    found = confirmed_summary("C" * 14 + "PFCPC", values={"the defaults": 0.5})
    return write_report(found, tmp_path_factory.mktemp("report")).as_uri(), list(figures(found))


@pytest.fixture(scope="module")
def desktop(chromium, written):
    with watched(chromium) as seen:
        opened(seen, written)
        yield seen


def opened(seen, written):
    address, names = written
    seen.page.goto(address)
    seen.page.wait_for_function(DRAWN, arg=len(names))


def contrast(page):
    """The ratio of the page's text and background, as WCAG reckons it."""
    lights = sorted(page.evaluate(SHADE, ["body", which]) ** 2.2 for which in ("backgroundColor", "color"))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def test_no_request_leaves_it_and_nothing_complains(desktop, written):
    assert desktop.requests == [written[0]]
    assert desktop.errors == []


def test_every_figure_has_data_and_draws_it(desktop, written):
    seen = {figure["id"]: figure for figure in desktop.page.evaluate(FIGURES)}
    assert list(seen) == [f"figure-{name}" for name in written[1]]
    assert [name for name, figure in seen.items() if not figure["given"]] == []
    assert [name for name, figure in seen.items() if not figure["drawn"]] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(desktop, scheme):
    desktop.page.emulate_media(color_scheme=scheme)
    assert contrast(desktop.page) > 7
    desktop.page.emulate_media(color_scheme="light")


def test_it_prints_all_figures_within_the_paper(desktop, written):
    page, before = desktop.page, desktop.page.viewport_size
    page.set_viewport_size({"width": 718, "height": 1000})  # A4 without its margins
    page.emulate_media(media="print")
    seen = page.evaluate(FIGURES)
    assert len(seen) == len(written[1])
    assert all(figure["drawn"] for figure in seen)
    assert contrast(page) > 7
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.emulate_media(media="screen")
    page.set_viewport_size(before)


def test_a_phone_scrolls_down_alone(chromium, written):
    with watched(chromium, **PHONE) as seen:
        opened(seen, written)
        assert not seen.page.evaluate(TOO_WIDE)
        assert seen.errors == []
        assert all(figure["drawn"] for figure in seen.page.evaluate(FIGURES))
