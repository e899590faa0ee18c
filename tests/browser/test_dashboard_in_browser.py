"""A finished study in optuna-dashboard, as a browser shows it."""

import re
import threading
from contextlib import ExitStack, contextmanager
from wsgiref.simple_server import make_server

import pytest
from helpers.browser_pages import watched
from helpers.made_up_studies import REASON
from helpers.shown_studies import displayed
from optuna.distributions import FloatDistribution
from optuna.storages import RDBStorage

from studies.commands.dashboard import HOST, Quiet, Threads, application
from studies.report.legible import Legible
from studies.running.storage import existing_storage

NAME = "<b>mine</b>"
SPACE = {"epsilon": FloatDistribution(0.05, 5.0, log=True), "alpha": FloatDistribution(0.01, 1.0, log=True)}
# The marks that our figure drew, told from the dashboard's own figures by its title.
OURS = """() => {
    const title = [...document.querySelectorAll('.gtitle')].find(found => found.textContent.includes('(advsearch)'));
    const figure = title && title.closest('.js-plotly-plot');
    return figure ? figure.querySelectorAll('.point path, path.point, .points path').length : 0;
}"""


@pytest.fixture(scope="module")
def shown(chromium, tmp_path_factory):
    """The addresses of a study in our dashboard, and in one that reads the database as any other program does."""
    folder = tmp_path_factory.mktemp("dashboard")
    displayed(folder, "C" * 12 + "PFC", SPACE, name=NAME, gain=0.1, artifacts=folder / "artifacts")
    with ExitStack() as running:
        yield [running.enter_context(served(folder, kind)) for kind in (Legible, RDBStorage)]


@contextmanager
def served(folder, kind):
    storage = existing_storage(f"sqlite:///{folder / 'studies.db'}", kind)
    with make_server(HOST, 0, application(storage, folder / "artifacts"), Threads, Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://{HOST}:{server.server_port}/"
        server.shutdown()
        thread.join()
    storage.engine.dispose()


@pytest.mark.parametrize("which", [0, 1], ids=["ours", "stock"])
def test_the_study_is_shown_with_name_figure_attributes_and_artifacts(chromium, shown, which):
    home = shown[which]
    with watched(chromium, viewport={"width": 1300, "height": 1000}) as seen:
        page = seen.page
        page.goto(f"{home}dashboard/studies/1")
        page.get_by_text("epochs.csv").wait_for()
        page.wait_for_function(OURS)
        text = page.locator("body").inner_text()
        assert "accuracy" in text
        assert "Objective 0" not in text
        assert NAME in text
        assert page.evaluate(OURS) >= 2  # a bar for each setting
        assert {"trials.csv", "epochs.csv", "best.yaml"} <= set(text.split())
        assert ("data fingerprint" in text) == (which == 1)
        assert seen.elsewhere(home) == []
        assert seen.errors == []


def test_the_notes_are_shown(chromium, shown):
    [home, _] = shown
    with watched(chromium) as seen:
        page = seen.page
        page.goto(f"{home}dashboard/studies/1/note")
        page.get_by_role("heading", name=NAME).wait_for()
        assert page.get_by_role("cell", name="clean baseline").count() == 1
        assert "python search.py --method awp" in page.locator("pre code").all_inner_texts()[0]
        assert re.search(r"best \(trial \d+\)", page.locator("body").inner_text())
        page.goto(f"{home}dashboard/studies/1/trials?numbers=13")
        page.get_by_text(f"failed: {REASON}").wait_for()
        assert seen.elsewhere(home) == []
        assert seen.errors == []
