"""Packed files are read as what they hold."""

import bz2
import gzip
import io
import lzma
import zipfile

import pandas as pd
import pytest

from finetune.data.files import read_file, read_folder
from finetune.errors import UserError

TEXT = "text,label\n" + "".join(f"film {n},{('bad', 'good')[n % 2]}\n" for n in range(12))
WANTED = {"text": [f"film {n}" for n in range(12)], "label": ["bad", "good"] * 6}


def zipped(content, *names):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return held.getvalue()


PACKERS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zip": lambda content: zipped(content, "inner.csv", "__MACOSX/._inner.csv"),
}


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".csv", TEXT.encode()),
        (".tsv", TEXT.replace(",", "\t").encode("utf-16")),
        (".json", pd.DataFrame(WANTED).to_json(orient="records").encode()),
        (".jsonl", pd.DataFrame(WANTED).to_json(orient="records", lines=True).encode()),
        (".CSV", TEXT.encode()),
    ],
)
def test_every_format_in_every_packing(tmp_path, suffix, content, packed):
    path = tmp_path / f"t{suffix}{packed}"
    path.write_bytes(PACKERS[packed](content))
    assert read_file(path) == WANTED


def test_a_packed_parquet_and_files_of_a_folder(tmp_path):
    held = io.BytesIO()
    pd.DataFrame(WANTED).to_parquet(held)
    (tmp_path / "train.parquet.gz").write_bytes(gzip.compress(held.getvalue()))
    (tmp_path / "dev.csv.xz").write_bytes(lzma.compress(TEXT.encode()))
    assert read_folder(tmp_path) == {"train": WANTED, "validation": WANTED}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv.gz", TEXT.encode(), "t.csv.gz cannot be unpacked"),
        ("t.csv.gz", gzip.compress(TEXT.encode())[:40], "t.csv.gz cannot be unpacked"),
        ("t.csv.zip", b"no archive", "t.csv.zip cannot be unpacked"),
        ("t.csv.zip", zipped(TEXT, "a.csv", "b.csv"), "t.csv.zip holds 2 files; unpack it and name one"),
        ("t.csv.zip", zipped(TEXT), "t.csv.zip holds 0 files"),
        ("t.txt.gz", gzip.compress(TEXT.encode()), "cannot read .txt"),
        ("t.csv.gz", b"", "is empty"),
    ],
    ids=["not packed", "cut", "no archive", "two files", "no file", "another format", "empty"],
)
def test_what_cannot_be_unpacked_is_refused(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as refused:
        read_file(tmp_path / name)
    assert words in str(refused.value)
