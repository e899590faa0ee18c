"""The folder of a study."""

from pathlib import Path

from finetune.arguments import arg
from finetune.errors import writing


def folder_of(out: str, name: str) -> Path:
    """The folder for the files of a study; its name is made safe for a path."""
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in name).strip(".") or "study"
    return Path(out).expanduser() / safe


def study_folder(out: str, name: str) -> Path:
    """Create the folder of a study.

    Raises:
        UserError: It cannot be created or written to.
    """
    folder = folder_of(out, name)
    probe = folder / ".writable"
    with writing(arg("out", out)):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_text("1")
        finally:
            probe.unlink(missing_ok=True)
    return folder
