"""Made-up studies in a database, as the dashboard shows them."""

import json
from io import BytesIO
from wsgiref.util import setup_testing_defaults

from finetune.arguments import as_options
from helpers.made_up_studies import made, stored
from studies.report.shown import show
from studies.results.summary import summarise
from studies.running.storage import open_storage


def kept(folder, *args, **options):
    """A study in a database of its own: its summary, and the storage."""
    storage = open_storage(f"sqlite:///{folder / 'studies.db'}")
    return summary_of(stored(made(*args, **options), storage)), storage


def summary_of(study):
    return summarise(study)


def displayed(folder, *args, command="python search.py --method awp", artifacts=None, **options):
    """The same after it was written for the dashboard."""
    summary, storage = kept(folder, *args, **options)
    assert show(summary, storage, as_options, command, artifacts) == []
    return summary, storage


def asked(app, path, host="127.0.0.1:8080"):
    """Status, headers and body of a GET request, without a socket."""
    environ, seen = {"PATH_INFO": path, "HTTP_HOST": host, "HTTP_ACCEPT_ENCODING": "identity"}, {}
    setup_testing_defaults(environ)
    environ["wsgi.input"] = BytesIO()

    def start(status, headers, *more):
        seen.update(status=status, headers=headers)

    answer = app(environ, start)
    body = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    return seen["status"], dict(seen["headers"]), body


def detail(app, study_id=1):
    """What the dashboard's page asks for."""
    status, _, body = asked(app, f"/api/studies/{study_id}")
    assert status.startswith("200")
    return json.loads(body)
