"""Text files that are either whole or as they were before."""

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> Path:
    """Write a file that is either whole or as it was before.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writing = path.with_name(f".writing-{os.getpid()}-{path.name}")
    try:
        writing.write_text(text, encoding="utf-8", newline="")
        return writing.replace(path)
    finally:
        writing.unlink(missing_ok=True)
