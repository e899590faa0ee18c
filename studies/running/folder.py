"""The folder of a study."""

import hashlib
import html
import re
import unicodedata
from contextlib import suppress
from pathlib import Path

from optuna.storages import RDBStorage

from finetune.arguments import arg
from finetune.errors import UserError, writing
from studies.running.footprint import snapshots
from studies.running.storage import open_storage

# What else lies in the folder for results, and what Windows keeps for devices, with any ending.
TAKEN = re.compile(r"prefix|model|ensemble|artifacts|(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
# File systems take 255 bytes; a longer name is cut far below that, so that a tag has room.
LONGEST, CUT = 200, 100
TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)


def folder_of(out: str, name: str) -> Path:
    """The folder for the files of a study; its name is made safe for a path.

    A name that must be changed gets a tag, so that two studies never share a folder. So does a name that differs from an
    existing folder only in upper and lower case: some file systems do not tell them apart. A study keeps the folder that
    its report lies in.
    """
    root, safe = Path(out).expanduser(), safe_name(name)
    tagged = root / f"{shortened(safe)}-{hashlib.blake2b(name.encode('utf-8', 'replace'), digest_size=3).hexdigest()}"
    if tagged.is_dir():
        return tagged
    plain = root / safe
    owner = owner_of(plain)
    if owner is not None:
        return plain if owner == name else tagged
    changed = safe != name or TAKEN.fullmatch(safe) is not None or len(safe.encode()) > LONGEST
    return tagged if changed or alike(plain) else plain


def unrecognised(out: str, name: str) -> str | None:
    """A line if an earlier version may have left unfinished trials of a study in a folder that does not say whose it is."""
    plain, here = Path(out).expanduser() / safe_name(name), folder_of(out, name)
    if plain == here or safe_name(name) == name or owner_of(plain) is not None or not snapshots(plain):
        return None
    why = f"{plain} has unfinished trials too, but no report that says whose they are; it is left alone"
    return f"study {name}: its files are in {here} ({why})"


def safe_name(name: str) -> str:
    """The name with letters, digits and ``._-`` alone, and no dot at its ends."""
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in name).strip(".") or "study"


def shortened(safe: str) -> str:
    """The part before the tag: short enough, and no device of Windows, whose names end at the first dot."""
    cut = safe.encode()[:CUT].decode(errors="ignore") if len(safe.encode()) > LONGEST else safe
    return cut.replace(".", "-") if TAKEN.fullmatch(cut) else cut


def owner_of(folder: Path) -> str | None:
    """The study whose report lies in a folder; None where there is none that can be read."""
    try:
        with (folder / "report.html").open(encoding="utf-8") as report:
            found = TITLE.search(report.read(2000))
    except (OSError, ValueError):
        return None
    return html.unescape(found[1]) if found else None


def alike(folder: Path) -> bool:
    """Whether another folder beside it has the same name but for upper and lower case, and this one is not there."""
    try:
        names = {path.name for path in folder.parent.iterdir()}
    except OSError:
        return False
    return folder.name not in names and folded(folder.name) in map(folded, names)


def folded(name: str) -> str:
    """A name as file systems compare it that do not tell upper from lower case."""
    return unicodedata.normalize("NFC", name).casefold()


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


def open_with_folder(url: str, out: str, name: str) -> RDBStorage:
    """Open or create the database of a study, once its folder is there: neither is left without the other.

    Raises:
        UserError: The folder cannot be written, or the database cannot be used.
    """
    folder = study_folder(out, name)
    try:
        return open_storage(url)
    except UserError:
        with suppress(OSError):  # it has files
            folder.rmdir()
        raise
