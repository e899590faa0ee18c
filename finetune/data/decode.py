"""From a file's bytes to its text: packed files, and encodings other than UTF-8."""

import codecs
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import fsspec
from charset_normalizer import from_bytes

from finetune.arguments import arg
from finetune.errors import UserError, first_line
from finetune.words import counted

PACKED = (".gz", ".bz2", ".xz", ".zip")
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Common encodings other than UTF-8. Each is rated separately: if the detector chooses among all encodings that it knows,
# it takes "it's" from Windows for Korean, and French for Central European. For Korean only euc_kr is tried: the syllables
# that cp949 adds are what Japanese bytes turn into.
ENCODINGS = ("gb18030", "big5", "cp932", "euc_jp", "iso2022_jp", "euc_kr", "cp1252", "cp1250", "cp1251", "koi8_r")
# An encoding is rated on this many bytes; all bytes are decoded.
SAMPLE = 2**20
# The detector's "mess" is below this if a few dozen rows are read rightly, and above 0.1 if the script is wrong.
MESS = 0.05
# A reading wins if its letters fit a language better than those of every other reading by this much.
LEAD = 0.1
# Fewer bytes above ASCII than this are not enough evidence.
EVIDENCE = 10
# UTF-16 of mostly Latin text has a zero in every second byte; nothing else has so many.
ZEROS = 0.2


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, unpacked.

    Raises:
        UserError: The file cannot be unpacked, or is an archive of several files.
    """
    packed = path.suffix.lower()
    if packed not in PACKED:
        return path.read_bytes()
    try:
        if packed == ".zip":
            with zipfile.ZipFile(path) as archive:
                return archive.read(_only(archive, path))
        with fsspec.open(str(path), "rb", compression="infer") as file:
            content: bytes = file.read()
            return content
    except UserError:
        raise
    except Exception as error:  # many unrelated types, which all mean: not readable
        raise UserError(f"{path} cannot be unpacked: {first_line(error)[:160]}") from None


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file as a stream, unpacked on the way.

    Raises:
        UserError: The file cannot be unpacked, or is an archive of several files.
    """
    packed = path.suffix.lower()
    try:
        if packed == ".zip":
            with zipfile.ZipFile(path) as archive, archive.open(_only(archive, path)) as file:
                yield file
        else:
            with fsspec.open(str(path), "rb", compression="infer" if packed in PACKED else None) as file:
                yield file
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, lzma.LZMAError, zlib.error) as error:
        raise UserError(
            f"{path} cannot be {'unpacked' if packed in PACKED else 'read'}: {first_line(error)[:160]}"
        ) from None


def _only(archive: zipfile.ZipFile, path: Path) -> str:
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
    if len(names) != 1:
        raise UserError(f"{path} holds {counted(len(names), 'file')}; unpack it and name one")
    return names[0]


def encoding_of(raw: bytes, name: str, known: Sequence[str] = ()) -> str:
    """The encoding of a text.

    Args:
        raw: The bytes of the whole text.
        name: The file's name, for messages.
        known: Encodings of the files next to it; they are tried first if the text is not UTF-8.

    Raises:
        UserError: No encoding clearly fits; the message names those that may.
    """
    for mark, encoding in MARKS:
        if raw.startswith(mark):
            return encoding
    zeros = [raw[start:SAMPLE:2].count(0) for start in (0, 1)]
    if max(zeros) > ZEROS * min(len(raw), SAMPLE) / 2 and min(zeros) < max(zeros) / 10:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    for encoding in ("utf-8", *known):
        if _decodes(raw, encoding):
            # ISO-2022 is ASCII with escapes, so UTF-8 accepts it too.
            return "iso2022_jp" if b"\x1b$B" in raw and _decodes(raw, "iso2022_jp") else encoding
    loose = raw.decode("utf-8", "replace")
    if loose.count("\ufffd") < sum(not letter.isascii() for letter in loose) / 2:
        line = loose[: loose.index("\ufffd")].count("\n") + 1
        raise UserError(f"{name}: line {line} is not utf-8, the rest is; correct that line, or give {arg('encoding')}")
    return _rated(raw, name)


def _rated(raw: bytes, name: str) -> str:
    sample = raw if len(raw) <= SAMPLE else raw[: raw.rfind(b"\n", 0, SAMPLE) + 1]
    rated = []
    for encoding in ENCODINGS:
        match = from_bytes(sample, cp_isolation=[encoding], enable_fallback=False).best()
        if match is not None and match.chaos <= MESS and _decodes(raw, encoding):
            rated.append((match.coherence, encoding, sample.decode(encoding)))
    if not rated:
        guess = from_bytes(sample).best()
        way = f"{arg('encoding', guess.encoding)} or another" if guess else arg("encoding")
        raise UserError(f"{name}: it is not utf-8, and no other encoding clearly fits; give {way}, or convert it to utf-8")
    best, first, text = max(rated, key=lambda one: one[0])
    if sum(byte > 127 for byte in raw[:SAMPLE]) < EVIDENCE and b"\x1b$" not in raw:
        what = "it is not utf-8, and too few of its bytes show which encoding it is"
        raise UserError(f"{name}: {what}; give {arg('encoding', first)} or another")
    others = [(encoding, other) for lead, encoding, other in rated if other != text and lead > best - LEAD]
    if not others:
        return first
    encoding, other = others[0]
    at = next(place for place, (one, two) in enumerate(zip(text, other, strict=False)) if one != two)
    here = [" ".join(whole[max(0, at - 8) : at + 8].split()) for whole in (text, other)]
    what = f"it may be {first} ({here[0]!r}) or {encoding} ({here[1]!r})"
    raise UserError(f"{name}: it is not utf-8; {what}; give {arg('encoding', first)} or another")


def _decodes(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return False
    return True
