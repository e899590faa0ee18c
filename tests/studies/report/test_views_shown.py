"""Views that a study records beside the one that it searches, wherever its result is shown."""

import io

from helpers.made_up_studies import CLEAN, made, summary
from helpers.report_pages import Words
from rich.console import Console

from finetune.arguments import as_options
from studies.planning.identity import BASELINE, KEY
from studies.report.files import report_text
from studies.report.fragment import fragment
from studies.report.note import note
from studies.report.terminal import print_summary
from studies.results.summary import summarise


def recorded(*views):
    """A study of accuracy that also records these views: clean training has 0.5 in them, the best trial 0.6."""
    study = made("C" * 9)
    study.set_user_attr(KEY, study.user_attrs[KEY] | {"record": list(views)})
    epochs = study.user_attrs[BASELINE]
    for view in views:
        epochs[-1]["metrics"][f"{view}_accuracy"] = 0.5
    study.set_user_attr(BASELINE, epochs)
    found = summarise(study)
    for view in views:
        found.best.user_attrs["metrics"][f"{view}_accuracy"] = 0.6
    return found


def shown(found):
    """What each place says in plain words."""
    out = io.StringIO()
    print_summary(Console(file=out, width=200), found)
    return [
        out.getvalue(),
        Words(report_text(found)).text,
        Words(fragment(found)).text,
        note(found, None, as_options).replace("\\", ""),
    ]


def test_each_place_has_every_view():
    for text in shown(recorded("robust", "noisy")):
        for view in ("robust", "noisy"):
            assert f"{view}_accuracy: best 0.6000, clean 0.5000 (recorded, not searched)" in text


def test_without_views_nothing_is_said():
    assert summary("CCC").clean == CLEAN
    assert not any("recorded, not searched" in text for text in shown(summary("C" * 9)))
