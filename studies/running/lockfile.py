"""Trials of old versions, which held a lock file in the study's folder while they ran."""

import json
import socket
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

OWNER = "owner"


def left_by_old_version(trial: Any) -> bool | None:
    """Whether the process of an old version that began a trial has ended; None if that is not known.

    Args:
        trial: A row of Optuna's trials.
    """
    owners = [json.loads(attr.value_json) for attr in trial.user_attributes if attr.key == OWNER]
    if not owners or owners[0][0] != socket.gethostname():
        return None
    lock = Path(owners[0][1])
    if not lock.exists():
        # A relative path means nothing in another folder.
        return True if lock.is_absolute() else None
    try:
        with FileLock(lock, timeout=0):
            pass
    except Timeout:
        return False
    except OSError:
        return None
    lock.unlink(missing_ok=True)
    return True
