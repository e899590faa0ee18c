import json
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import optuna
import pytest
from helpers.forks import forked
from helpers.made_up_studies import made
from helpers.shown_studies import asked, detail, displayed, kept
from optuna_dashboard import get_note, save_note

import search
from studies.commands.dashboard import application, caught_up
from studies.report.legible import Legible
from studies.report.shown import shown_trials
from studies.running.storage import existing_storage


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(port: int) -> list[str]:
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies") as answer:
                return [summary["study_name"] for summary in json.load(answer)["study_summaries"]]
        except urllib.error.URLError:
            time.sleep(0.2)
    raise AssertionError("the dashboard does not answer")


def test_the_dashboard_shows_the_study_on_the_loopback_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    optuna.copy_study(from_study_name="made", from_storage=made("CCP")._storage, to_storage=url)
    port = free_port()
    with forked(search.run, ["dashboard", "--storage", url, "--port", str(port)]) as (process, _):
        try:
            assert fetch(port) == ["made"]
            listening = Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines()[1:]
            mine = [
                line.split()[1] for line in listening if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
            ]
            assert mine == [f"0100007F:{port:04X}"]
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dashboard")
    displayed(folder, "CCF", artifacts=folder / "artifacts")
    storage = existing_storage(f"sqlite:///{folder / 'studies.db'}", Legible)
    return application(storage, folder / "artifacts")


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:1234", "LOCALHOST", "127.0.0.1", "[::1]:8080"])
def test_it_answers_to_this_machine_s_names(app, host):
    assert asked(app, "/api/studies", host)[0].startswith("200")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8080", "localhost.evil.example", "", "[", "0.0.0.0"]
)
def test_it_answers_to_no_other_name(app, host):
    status, _, body = asked(app, "/api/studies", host)
    assert status.startswith("403")
    assert b"study" not in body


def test_an_artifact_that_is_opened_can_do_nothing(app):
    meta = next(meta for meta in detail(app)["artifacts"] if meta["filename"] == "trials.csv")
    status, headers, body = asked(app, f"/artifacts/1/{meta['artifact_id']}")
    assert status.startswith("200")
    assert headers["Content-Type"] == "text/csv"
    assert headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert body.startswith(b"number,state,phase,value")
    assert "sandbox" not in asked(app, "/dashboard")[1]["Content-Security-Policy"]


def test_attributes_are_numbers_and_short_texts(app):
    seen = detail(app)
    names = {attr["key"] for attr in asked_studies(app)[0]["user_attrs"]}
    assert {"method", "clean", "best", "command"} <= names
    assert not {"identity", "baseline"} & names
    attrs = {attr["key"]: attr["value"] for attr in seen["trials"][0]["user_attrs"]}
    assert attrs["metrics.extra"] == "0.5"
    assert attrs["diagnostics.clipped"] == "0.25"
    assert "metrics" not in attrs
    sortable = {attr["key"] for attr in seen["union_user_attrs"] if attr["sortable"]}
    assert {"metrics.accuracy", "diagnostics.relative", "seconds"} <= sortable


def asked_studies(app):
    return json.loads(asked(app, "/api/studies")[2])["study_summaries"]


def test_what_is_stored_stays_as_it_is(tmp_path):
    summary, storage = displayed(tmp_path, "CF")
    legible = existing_storage(str(storage.url), Legible)
    study_id = summary.study._study_id
    assert "identity" in storage.get_study_user_attrs(study_id)
    assert "metrics" not in legible.get_all_trials(study_id)[0].user_attrs
    assert storage.get_all_trials(study_id)[0].user_attrs["metrics"]["extra"] == 0.5


def test_studies_of_older_versions_are_brought_up_to_date(tmp_path):
    summary, storage = kept(tmp_path, "CC")
    optuna.create_study(study_name="another program's", storage=storage)
    assert caught_up(storage, tmp_path / "artifacts") == []
    assert shown_trials(summary.study) == 2
    assert "To go on" not in get_note(summary.study)  # the command is not known
    save_note(summary.study, "mine")
    assert caught_up(storage, tmp_path / "artifacts") == []
    assert get_note(summary.study) == "mine"


def test_a_study_that_cannot_be_brought_up_to_date_is_still_shown(tmp_path):
    summary, storage = kept(tmp_path, "CC")
    summary.study.set_user_attr("baseline", [{"damaged": True}])
    [line] = caught_up(storage, tmp_path / "artifacts")
    assert line.startswith("study made is shown without note and figure: ")
    assert detail(application(storage, tmp_path / "artifacts"))["name"] == "made"
