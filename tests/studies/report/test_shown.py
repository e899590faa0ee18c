import json
import threading

import optuna
import pytest
from helpers.made_up_studies import CLEAN, REASON
from helpers.shown_studies import detail, displayed, kept, summary_of
from optuna.artifacts import FileSystemArtifactStore
from optuna.distributions import FloatDistribution
from optuna_dashboard import get_note, save_note, wsgi

from finetune.arguments import as_options
from studies.report.attached import by_epoch, epochs_csv
from studies.report.note import note
from studies.report.shown import FIGURE, KEY, Shown, mark, show, shown_trials
from studies.results.facts import facts_of, task_of
from studies.running.batch import batch

MIXED = "C" * 12 + "PFCPC"
NASTY = "<img src=x onerror=alert(1)>|`![a](http://127.0.0.1:9/a.png)"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """What the stock dashboard knows of a finished study."""
    folder = tmp_path_factory.mktemp("shown")
    summary, storage = displayed(folder, MIXED, artifacts=folder / "artifacts")
    store = FileSystemArtifactStore(str(folder / "artifacts"))
    return summary, detail(wsgi(storage, artifact_store=store)), folder / "artifacts"


def test_the_objective_has_the_name_of_the_metric(page):
    assert page[1]["objective_names"] == ["accuracy"]


def test_the_note_has_the_answer_the_best_the_baseline_and_the_command(page):
    summary, seen, _ = page
    body = seen["note"]["body"]
    assert f"| **best** (trial {summary.best.number}) | **{summary.best.value:.4f}** | `adv_lr=" in body
    assert f"| clean baseline | {CLEAN:.4f} |" in body
    assert "best against clean +" in body
    assert "17 trials finished: 14 complete, 2 pruned, 1 failed." in body
    assert "```\npython search.py --method awp\n```" in body


def test_a_failed_trial_says_why_and_others_say_nothing(page):
    notes = {trial["number"]: trial["note"]["body"] for trial in page[1]["trials"]}
    assert notes.pop(13) == f"failed: {REASON}"
    assert set(notes.values()) == {""}


def test_the_figure_has_only_what_an_older_plotly_reads(page):
    [saved] = page[1]["plotly_graph_objects"]
    assert saved["id"] == FIGURE
    figure = json.loads(saved["graph_object"])
    assert "bdata" not in saved["graph_object"]
    assert "template" not in figure["layout"]
    assert "(advsearch)" in figure["layout"]["title"]["text"]
    assert any(isinstance(trace["x"], list) and trace["x"] for trace in figure["data"])


def test_the_study_has_attributes_in_plain_words(page):
    summary, seen, _ = page
    attrs = {attr["key"]: attr["value"] for attr in seen["user_attrs"]}
    assert attrs["method"] == "awp"
    assert attrs["metric"] == "accuracy, higher is better"
    assert attrs["clean"] == "0.8125"
    assert attrs["best"] == f"{summary.best.value:.4f}".rstrip("0")
    assert attrs["finished"] == "17"
    assert "identity" in attrs  # what resuming reads stays where it was


def test_artifacts_are_tables_and_text(page):
    summary, seen, folder = page
    kinds = {meta["filename"]: meta["mimetype"] for meta in seen["artifacts"]}
    assert kinds.items() >= {"trials.csv": "text/csv", "epochs.csv": "text/csv", "best.yaml": "text/plain"}.items()
    assert set(kinds.values()) <= {"text/csv", "text/plain", "image/png"}
    [epochs] = [meta for trial in seen["trials"] for meta in trial["artifacts"]]
    assert next(trial["number"] for trial in seen["trials"] if trial["artifacts"]) == summary.best.number
    lines = (folder / epochs["artifact_id"]).read_text().splitlines()
    assert lines[0] == "trial,epoch,accuracy"
    assert lines[4:6] == [f",3,{CLEAN}", f"{summary.best.number},0,{summary.best.intermediate_values[0]}"]
    assert len(list(folder.iterdir())) == len(seen["artifacts"]) + 1


def test_the_files_are_replaced_and_those_of_an_earlier_best_are_gone(tmp_path):
    folder = tmp_path / "artifacts"
    summary, storage = displayed(tmp_path, "CCCC", artifacts=folder)
    before = {path.name for path in folder.iterdir()}
    trial = summary.study.ask(summary.space)
    trial.set_user_attr("metrics", {"accuracy": 0.99})
    summary.study.tell(trial, 0.99)
    again = summary_of(summary.study)
    assert again.best.number == 4
    show(again, storage, as_options, None, folder)
    seen = detail(wsgi(storage, artifact_store=FileSystemArtifactStore(str(folder))))
    assert [trial["number"] for trial in seen["trials"] if trial["artifacts"]] == [4]
    after = {path.name for path in folder.iterdir()}
    assert len(before) == len(after) == 4
    assert len(before & after) == 3
    assert "python search.py --method awp" in seen["note"]["body"]  # the command stays known


def test_a_user_s_own_attributes_and_artifacts_stay(tmp_path):
    summary, storage = kept(tmp_path, "CCC")
    summary.study.set_user_attr("best", "mine")
    summary.study.set_user_attr("seed", {"a": 1})
    folder = tmp_path / "artifacts"
    for _ in range(2):
        show(summary, storage, as_options, "c", folder)
    assert summary.study.user_attrs["best"] == "mine"
    assert summary.study.user_attrs["seed"] == {"a": 1}
    assert summary.study.user_attrs["method"] == "awp"


@pytest.mark.parametrize("changed", ["mine", "  \nmine\n"])
def test_a_note_that_a_user_has_written_stays(tmp_path, changed):
    summary, storage = displayed(tmp_path, "CCC")
    save_note(summary.study, changed)
    [line] = show(summary, storage, as_options, "another")
    assert "written by hand" in line
    assert get_note(summary.study) == changed
    save_note(summary.study, "")
    assert show(summary, storage, as_options, "another") == []
    assert "another" in get_note(summary.study)


def test_a_note_that_the_editor_only_reformatted_is_ours():
    assert mark("a\n\nb ") == mark("a\r\n\r\nb")
    assert mark("a b") != mark("a c")


def test_what_knows_more_trials_is_not_overwritten(tmp_path):
    earlier, storage = kept(tmp_path, "CC")
    trial = earlier.study.ask(earlier.space)
    earlier.study.tell(trial, state=optuna.trial.TrialState.FAIL)
    show(summary_of(earlier.study), storage, as_options, "c")
    text = get_note(earlier.study)
    assert show(earlier, storage, as_options, "stale") == []
    assert get_note(earlier.study) == text
    assert shown_trials(earlier.study) == 3


def test_several_workers_never_tear_note_or_figure(tmp_path):
    """Each writes notes of another length; whoever reads sees one of them."""
    summary, storage = kept(tmp_path, MIXED)
    errors, over = [], threading.Event()

    def work(size):
        try:
            for _ in range(6):
                show(summary, storage, as_options, "x" * size)
        except Exception as error:
            errors.append(error)

    def read():
        while not over.is_set():
            seen = detail(wsgi(storage))
            command = seen["note"]["body"].split("```\n")[1:2]
            if command not in ([], ["x" * 30 + "\n"], ["x" * 5000 + "\n"]):
                errors.append(command)
            for saved in seen["plotly_graph_objects"]:
                json.loads(saved["graph_object"])

    reader = threading.Thread(target=read)
    workers = [threading.Thread(target=work, args=(size,)) for size in (30, 5000)]
    for thread in [reader, *workers]:
        thread.start()
    for thread in workers:
        thread.join()
    over.set()
    reader.join()
    assert errors == []


def test_names_are_never_markup(tmp_path):
    space = {NASTY: FloatDistribution(0.0, 1.0), "_b_": FloatDistribution(0.0, 1.0)}
    _, storage = displayed(tmp_path, "CCF", space, metric=NASTY, name=NASTY, failure=NASTY, command=f"x {NASTY}")
    seen = detail(wsgi(storage))
    assert seen["objective_names"] == [NASTY]
    escaped = r"\<img src=x onerror=alert(1)>\|\`!\[a\](http\://127.0.0.1:9/a.png)"
    assert seen["note"]["body"].startswith(f"## {escaped}\n")
    assert seen["trials"][2]["note"]["body"] == f"failed: {escaped}"
    table = [line for line in seen["note"]["body"].splitlines() if line.startswith("|")]
    assert {line.replace(r"\|", "").count("|") for line in table} == {4}


def test_a_study_without_trials_says_so(tmp_path):
    _, storage = displayed(tmp_path, "")
    body = detail(wsgi(storage))["note"]["body"]
    assert "No trial is complete yet." in body
    assert f"{CLEAN:.4f}" in body


def test_a_note_is_written_at_once_and_then_only_now_and_then(tmp_path):
    summary, storage = kept(tmp_path, "CC")
    said = []
    shown = Shown(summary.study, storage, said.append, as_options, "first", tmp_path / "artifacts")
    shown.write()
    assert "first" in get_note(summary.study)
    shown.command = "second"
    shown.on_finished(summary.trials[0])
    assert "second" not in get_note(summary.study)
    shown._next = 0.0
    shown.on_finished(summary.trials[0])
    assert "second" in get_note(summary.study)
    assert not (tmp_path / "artifacts").exists()
    shown.write(summary)
    assert (tmp_path / "artifacts").is_dir()
    assert said == []


def test_a_search_goes_on_if_nothing_can_be_written(tmp_path):
    summary, storage = kept(tmp_path, "CC")
    (tmp_path / "artifacts").write_text("a file where the folder should be")
    said = []
    shown = Shown(summary.study, storage, said.append, as_options, "c", tmp_path / "artifacts")
    for _ in range(3):
        shown.write(summary)
    [line] = said
    assert "could not be written" in line
    assert shown_trials(summary.study) is None  # all or nothing
    optuna.delete_study(study_name="made", storage=storage)
    shown.write(summary)
    assert "no longer in the database" in said[1]


def test_a_batch_that_fails_changes_nothing(tmp_path):
    summary, storage = kept(tmp_path, "C")
    before = storage.get_study_system_attrs(summary.study._study_id)

    def fails():
        with batch(summary.study, storage) as writes:
            writes.set_study_system_attr(writes.id, "a", [1])
            writes.set_user("b", 2)
            assert writes.system["a"] == [1]
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="is full"):
        fails()
    assert storage.get_study_system_attrs(summary.study._study_id) == before
    assert "b" not in summary.study.user_attrs


def test_epochs_of_older_studies_are_what_they_reported(tmp_path):
    summary, _ = kept(tmp_path, "CP")
    assert by_epoch(summary.trials[1], "accuracy") == [
        (epoch, {"accuracy": value}) for epoch, value in sorted(summary.trials[1].intermediate_values.items())
    ]
    summary.trials[1].user_attrs["metrics by epoch"] = [{"accuracy": 0.5, "mcc": -0.25}, {}]
    rows = epochs_csv(summary, summary.trials[1:]).splitlines()
    assert rows[0] == "trial,epoch,accuracy,mcc"
    assert rows[-2] == "1,0,0.5,-0.25"
    assert rows[-1].startswith("1,1,")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"task": "reviews"}, "reviews"),
        ({"loop": "my.train"}, "your own loop my.train"),
        ({"loop": "my.train", "data": "rows of May"}, "your own loop my.train on rows of May"),
        ({"task": None, "data": "folder"}, "folder"),
        ({"task": None, "data": None, "train_file": "a.csv"}, "a.csv"),
    ],
)
def test_where_rows_come_from(data, words):
    assert task_of(data) == words


def test_a_loss_is_better_when_lower(tmp_path):
    summary, _ = kept(tmp_path, "CC", metric="rmse", maximize=False)
    facts = facts_of(summary)
    assert facts["metric"] == "rmse, lower is better"
    assert facts["best"] == round(min(trial.value for trial in summary.trials), 4)
    assert KEY not in facts
    assert "`rmse`" in note(summary, None, as_options)
    assert "To go on" not in note(summary, None, as_options)


def test_a_browser_that_fails_costs_only_the_image(tmp_path, monkeypatch):
    def breaks(summary, folder, names):
        raise RuntimeError("the browser closed at once")

    monkeypatch.setattr("studies.report.attached.write_images", breaks)
    summary, storage = kept(tmp_path, "CC")
    assert show(summary, storage, as_options, "c", tmp_path / "artifacts") == [
        "the dashboard has no image of the curves: the browser closed at once"
    ]
    assert len(list((tmp_path / "artifacts").iterdir())) == 4
