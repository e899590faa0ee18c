"""Text files that are either complete or as they were before."""

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> Path:
    """Write a file that is either complete or as it was before; a link or a device such as /dev/stdout is written directly.

    Raises:
        OSError: The file cannot be written.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        path.write_text(text, encoding="utf-8", newline="")
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    writing = path.with_name(f".writing-{os.getpid()}-{path.name}")
    try:
        writing.write_text(text, encoding="utf-8", newline="")
        return writing.replace(path)
    finally:
        writing.unlink(missing_ok=True)
