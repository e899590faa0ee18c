"""The files that optuna-dashboard shows with a study and its trials: in one folder beside the studies' folders.

Optuna keeps an artifact under an id of its own, and what it is called in the study's attributes.
"""

import io
import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import optuna
import sqlalchemy as sql
from optuna.artifacts import ArtifactMeta, FileSystemArtifactStore
from optuna.artifacts._upload import ARTIFACTS_ATTR_PREFIX
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import TrialModel, TrialSystemAttributeModel
from sqlalchemy.orm import Session

from studies.running.batch import Batch

# The dashboard opens them in its own origin, so no kind that a browser would run.
KINDS = {".csv": "text/csv", ".json": "application/json", ".png": "image/png", ".txt": "text/plain", ".yaml": "text/plain"}
OF_TRIAL = "dashboard:artifacts:"
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Artifact(NamedTuple):
    """One file to show.

    Args:
        name: Its name, with an ending of ``KINDS``.
        content: What is in it.
        trial_id: The database's key of the trial that it belongs to; None for the study.
    """

    name: str
    content: bytes
    trial_id: int | None = None

    @property
    def owner(self) -> str:
        """Which file of which trial it is, or of the study."""
        return self.name if self.trial_id is None else f"{self.trial_id}/{self.name}"

    def key(self, artifact_id: str) -> str:
        """The attribute of the study that names it. Attributes of finished trials cannot be set any more."""
        return (ARTIFACTS_ATTR_PREFIX if self.trial_id is None else f"{OF_TRIAL}{self.trial_id}:") + artifact_id


def artifact_folder(out: str | Path) -> Path:
    """The folder for the artifacts of all studies whose results go to a folder."""
    return Path(out).expanduser() / "artifacts"


def attach(writes: Batch, folder: Path, known: dict[str, list[str]], artifacts: Iterable[Artifact]) -> dict[str, list[str]]:
    """Write artifacts in place of those that were attached before.

    Args:
        writes: The study's attributes.
        folder: The folder for artifacts; created if it does not exist.
        known: What the last call returned.
        artifacts: All artifacts of the study that this program makes.

    Returns:
        Attribute and id of each artifact, by its owner.

    Raises:
        OSError: A file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    store, made = FileSystemArtifactStore(str(folder)), dict[str, list[str]]()
    for artifact in artifacts:
        artifact_id = known[artifact.owner][1] if artifact.owner in known else str(uuid.uuid4())
        store.write(artifact_id, io.BytesIO(artifact.content))
        meta = ArtifactMeta(artifact_id, artifact.name, KINDS[Path(artifact.name).suffix], None)
        key = artifact.key(artifact_id)
        writes.set_study_system_attr(writes.id, key, json.dumps(asdict(meta)))
        made[artifact.owner] = [key, artifact_id]
    for owner in known.keys() - made.keys():
        key, artifact_id = known[owner]
        writes.set_study_system_attr(writes.id, key, json.dumps(None))  # as the dashboard marks a deleted one
        (folder / artifact_id).unlink(missing_ok=True)
    return made


def artifact_files(study: optuna.Study, storage: RDBStorage, folder: Path) -> list[Path]:
    """The files of a study's artifacts and its trials', also those that a user added in the dashboard."""
    attrs: dict[str, Any] = dict(storage.get_study_system_attrs(study._study_id))
    with Session(storage.engine) as session:
        named = sql.select(TrialSystemAttributeModel.key, TrialSystemAttributeModel.value_json).join(TrialModel)
        mine = (TrialModel.study_id == study._study_id) & TrialSystemAttributeModel.key.startswith(ARTIFACTS_ATTR_PREFIX)
        attrs |= {key: json.loads(value) for key, value in session.execute(named.where(mine))}
    keys = [key for key in attrs if key.startswith((ARTIFACTS_ATTR_PREFIX, OF_TRIAL))]
    ids = {key.rpartition(":")[2] for key in keys}
    paths = [folder / artifact_id for artifact_id in sorted(ids) if ID.fullmatch(artifact_id)]
    return [path for path in paths if path.is_file() and not path.is_symlink()] if not folder.is_symlink() else []
