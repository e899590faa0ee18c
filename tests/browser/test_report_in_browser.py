"""The report as a browser shows it."""

import pytest
from helpers.browser_pages import FIGURES, SHADE, TOO_WIDE, watched
from helpers.made_up_parts import confirmed_summary
from helpers.two_metrics import two_study

from studies.report.figures import figures
from studies.report.files import write_report
from studies.results.summary import summarise

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


def test_the_front_of_two_metrics_is_drawn_on_a_phone_in_the_dark(chromium, tmp_path):
    found = summarise(two_study([(0.82, 9.0), (0.81, 7.0), None, (0.79, 6.5), (0.1, 6.0), (0.805, 8.0)] * 2))
    address = write_report(found, tmp_path).as_uri()
    with watched(chromium, color_scheme="dark", **PHONE) as seen:
        opened(seen, (address, list(figures(found))))
        [front] = [figure for figure in seen.page.evaluate(FIGURES) if figure["id"] == "figure-front"]
        assert front["given"]
        assert front["drawn"]
        numbers = seen.page.locator("#figure-front .textpoint").all_text_contents()
        assert numbers == ["4", "10", "3", "9", "1", "7", "0", "6"]  # from few seconds to many
        assert not seen.page.evaluate(TOO_WIDE)
        assert (seen.errors, seen.requests) == ([], [address])
