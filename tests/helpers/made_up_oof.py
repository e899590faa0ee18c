"""Studies with folds and out-of-fold predictions, made up on a few rows of a file: nothing is trained."""

from pathlib import Path

import numpy as np

from finetune.config import Data
from finetune.data.load import load_task
from finetune.folds import Folds
from finetune.training.oof import Oof
from helpers.made_up_studies import made, stored
from helpers.refusals import rows
from studies.planning.identity import KEY
from studies.running.folder import folder_of

DATA = {"train_file": "rows.csv"}


def folded_study(
    storage, name, right, *, states="CCPC", metric="accuracy", data=None, folds=None, out="runs", seed=0, seeds=1, **about
):
    """A study of 40 rows of ``rows.csv``, whose complete trials are right for these shares of the rows.

    Args:
        storage: The database.
        name: Its name.
        right: For each complete trial, the share of rows that it is right about; None for one without predictions.
        states: As for ``made``.
        metric: As for ``made``.
        data: Arguments of ``Data``.
        folds: Arguments of ``Folds``; none of them for a study without folds.
        out: The folder for results.
        seed: Of the rows that a trial is right about.
        seeds: Seeds of each trial.
        about: More of its identity.
    """
    if not Path("rows.csv").exists():
        Path("rows.csv").write_text(rows())
    data, folds = Data(**(data or DATA)), Folds(**({"folds": 3} if folds is None else folds))
    task = load_task(data, None, folds)
    study = made(states, name=name, metric=metric)
    known = {"data": data.model_dump(mode="json"), "data fingerprint": task.fingerprint, "device": "cpu"}
    known |= {"folds": folds.model_dump(mode="json")} if folds.used else {}
    study.set_user_attr(KEY, study.user_attrs[KEY] | known | about)
    found = stored(study, storage)
    if task.fold_of is None:
        return found
    labels, rng = task.validation.labels, np.random.default_rng(seed)
    for number, share in zip([n for n, state in enumerate(states) if state == "C"], right, strict=True):
        if share is None:
            continue
        hit = rng.random((seeds, len(labels))) < share
        high = np.where(hit, labels, 1 - labels) * rng.uniform(0.5, 2, hit.shape)
        raw = np.stack([-high, high], -1) + np.where(hit, labels, 1 - labels)[..., None] * [-0.1, 0.1]
        Oof(raw.astype("float32"), task.fold_of, share, metric, task.fingerprint).save(
            folder_of(out, name) / f"oof-{number}.safetensors"
        )
    return found
