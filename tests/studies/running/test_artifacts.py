import uuid

import pytest
from helpers.shown_studies import displayed, kept
from optuna.artifacts import FileSystemArtifactStore, upload_artifact

from studies.running.artifacts import Artifact, artifact_files, artifact_folder, attach
from studies.running.batch import batch
from studies.running.folder import folder_of
from studies.running.removal import plan_removal, remove


def test_a_study_takes_its_artifacts_with_it(tmp_path):
    folder = artifact_folder(tmp_path)
    summary, storage = displayed(tmp_path, "CCC", artifacts=folder)
    own = tmp_path / "mine.txt"
    own.write_text("added in the dashboard")
    trial = summary.study.ask()
    store = FileSystemArtifactStore(str(folder))
    upload_artifact(artifact_store=store, file_path=str(own), study_or_trial=trial)
    upload_artifact(artifact_store=store, file_path=str(own), study_or_trial=summary.study)
    summary.study.tell(trial, 0.5)
    other = folder / str(uuid.uuid4())
    other.write_text("of another study")
    removal = plan_removal(storage, "made", str(tmp_path))
    assert len(removal.artifacts) == 6
    assert any(line.startswith(f"6 files for the dashboard in {folder}") for line in removal.lines)
    assert remove(removal, storage) == []
    assert list(folder.iterdir()) == [other]


def test_the_folder_goes_with_the_last_study(tmp_path):
    _, storage = displayed(tmp_path, "CCC", artifacts=artifact_folder(tmp_path))
    remove(plan_removal(storage, "made", str(tmp_path)), storage)
    assert not artifact_folder(tmp_path).exists()


@pytest.mark.parametrize("name", ["../studies.db", "..", "", "/etc/passwd", "x" * 36, "study.html"])
def test_only_ids_are_taken_for_files(tmp_path, name):
    summary, storage = kept(tmp_path, "C")
    folder = tmp_path / "artifacts"
    folder.mkdir()
    (folder / ("x" * 36)).write_text("not ours")
    storage.set_study_system_attr(summary.study._study_id, f"artifacts:{name}", "null")
    assert artifact_files(summary.study, storage, folder) == []


def test_links_are_not_followed(tmp_path):
    summary, storage = kept(tmp_path, "C")
    target, name = tmp_path / "target", str(uuid.uuid4())
    target.mkdir()
    (target / name).write_text("elsewhere")
    storage.set_study_system_attr(summary.study._study_id, f"artifacts:{name}", "null")
    folder = tmp_path / "artifacts"
    folder.symlink_to(target)
    assert artifact_files(summary.study, storage, folder) == []
    folder.unlink()
    folder.mkdir()
    (folder / name).symlink_to(target / name)
    assert artifact_files(summary.study, storage, folder) == []


def test_a_kind_that_a_browser_would_run_is_refused(tmp_path):
    summary, storage = kept(tmp_path, "C")
    with batch(summary.study, storage) as writes, pytest.raises(KeyError, match=r"\.html"):
        attach(writes, tmp_path / "artifacts", {}, [Artifact("page.html", b"<script>")])


def test_no_study_gets_the_folder_of_the_artifacts(tmp_path):
    assert folder_of(str(tmp_path), "artifacts").name.startswith("artifacts-")
    assert folder_of(str(tmp_path), "Artifacts").name.startswith("Artifacts-")
    assert folder_of(str(tmp_path), "my-artifacts").name == "my-artifacts"
