"""A page in a browser, with everything that it asked for and complained about."""

from contextlib import contextmanager


class Watched:
    """A page of a browser.

    ``requests`` are the addresses that it asked for after the first one, ``errors`` what it wrote to its console as an
    error or a warning, or raised.
    """

    def __init__(self, page):
        self.page, self.requests, self.errors = page, [], []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self._complain(message) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _complain(self, message):
        self.errors.append(message.text)

    def elsewhere(self, home):
        """Requests to other places than this one; what is inside the page itself counts as nowhere."""
        return [url for url in self.requests if not url.startswith((home, "data:", "blob:"))]


@contextmanager
def watched(browser, **options):
    """A new page, closed at the end. Nothing can be reached but 127.0.0.1 and files."""
    context = browser.new_context(**options)
    try:
        yield Watched(context.new_page())
    finally:
        context.close()


# What every plotly figure of a page has: its name, how many points were given to it, and how many marks it drew.
FIGURES = """() => [...document.querySelectorAll('.js-plotly-plot')].map(figure => ({
    id: figure.id || figure.parentElement.id,
    given: figure.data.length,
    drawn: figure.querySelectorAll(
        '.point path, .points path, path.point, .js-line, .contourlevel path, .heatmaplayer image, ' +
        '.parcoords canvas, path.yerror, path.xerror'
    ).length,
    wide: figure.getBoundingClientRect().width,
}))"""
# Whether the page is wider than its window, so that a reader would have to scroll sideways.
TOO_WIDE = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth + 1"
# The luminance of a colour that the browser computed, 0 (black) to 1 (white).
SHADE = """([selector, property]) => {
    const [r, g, b] = getComputedStyle(document.querySelector(selector))[property].match(/[\\d.]+/g).map(Number);
    return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
}"""
