"""Encodings: told by marks or by what the bytes are, refused where they do not tell, settled by the option."""

import pytest
from helpers.languages import CHINESE, EURO, GERMAN, JAPANESE, KOREAN, TAIWAN

from finetune.arguments import as_arguments
from finetune.config import Data
from finetune.data.files import read_file, read_tables
from finetune.errors import UserError


def saved(folder, texts, encoding, name="t.csv"):
    lines = [f"{texts[n % len(texts)]}\t{('bad', 'good')[n % 2]}" for n in range(24)]
    path = folder / name.replace(".csv", ".tsv")
    path.write_bytes(("\n".join(["text\tlabel", *lines]) + "\n").encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("texts", [EURO, GERMAN, CHINESE], ids=["English", "German", "Chinese"])
def test_unicode_needs_no_word(tmp_path, texts, encoding):
    told = []
    found = read_file(saved(tmp_path, texts, encoding), told=told)
    assert found["text"] == [texts[n % len(texts)] for n in range(24)]
    assert told == []


@pytest.mark.parametrize(
    ("encoding", "texts"),
    [
        ("gb18030", CHINESE),
        ("gbk", CHINESE),
        ("big5", TAIWAN),
        ("shift_jis", JAPANESE),
        ("euc_jp", JAPANESE),
        ("iso2022_jp", JAPANESE),
        ("cp949", KOREAN),
        ("cp1252", GERMAN),
    ],
)
def test_others_are_found_out_and_said(tmp_path, encoding, texts):
    told = []
    found = read_file(saved(tmp_path, texts, encoding), told=told)
    assert found["text"] == [texts[n % len(texts)] for n in range(24)]
    assert len(told) == 1
    assert told[0].startswith("t.tsv is read as ")
    assert as_arguments(told[0]).endswith(", by its bytes; encoding changes that")


@pytest.mark.parametrize(
    ("encoding", "texts"),
    [
        ("cp1250", ["Świetny film, polecam", "Nudny i długi, żałuję", "Bardzo dobra gra aktorów"]),
        ("cp1251", ["Отличный фильм, всем советую", "Скучно и долго"]),
        ("iso8859_7", ["Πολύ καλή ταινία", "Βαρετή και μεγάλη"]),
        ("cp874", ["หนังดีมาก", "น่าเบื่อ"]),
        ("shift_jis", ["この映画はとても良かったです。", "つまらない映画でした。", "配送が早くて助かりました"]),
    ],
)
def test_what_the_bytes_do_not_tell_is_refused_and_settled_by_the_option(tmp_path, encoding, texts):
    path, wanted = saved(tmp_path, texts, encoding), [texts[n % len(texts)] for n in range(24)]
    with pytest.raises(UserError, match="encoding"):
        read_file(path)
    assert read_file(path, Data(train_file=str(path), encoding=encoding))["text"] == wanted


def test_one_damaged_line_in_utf_8_is_named(tmp_path):
    path = saved(tmp_path, GERMAN, "utf-8")
    lines = path.read_bytes().split(b"\n")
    lines[7] = b"caf\xe9\tbad"
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(UserError, match="line 8 is not utf-8, the rest is; correct that line, or give encoding"):
        read_file(path)


def test_a_single_letter_is_no_evidence(tmp_path):
    path = saved(tmp_path, ["a plain film", "another"], "ascii")
    path.write_bytes(path.read_bytes().replace(b"plain", b"na\xefve", 1))
    with pytest.raises(UserError, match="too few of its bytes show which encoding it is; give encoding='cp1252' or another"):
        read_file(path)
    assert read_file(path, Data(train_file=str(path), encoding="cp1252"))["text"][0] == "a naïve film"


@pytest.mark.parametrize("given", ["utf-9", "latin-99", ""])
def test_an_encoding_that_is_none_is_refused(given):
    with pytest.raises(ValueError, match="no such encoding"):
        Data(task="reviews", encoding=given)


def test_a_wrong_option_is_refused_with_the_line(tmp_path):
    path = saved(tmp_path, CHINESE, "gb18030")
    with pytest.raises(UserError, match="line 2 is not utf-8; give another encoding"):
        read_file(path, Data(train_file=str(path), encoding="utf-8"))


def test_a_file_that_says_too_little_is_read_as_the_one_beside_it(tmp_path):
    train, dev = saved(tmp_path, GERMAN, "cp1252", "train.csv"), saved(tmp_path, ["plain", "naïf"], "cp1252", "dev.csv")
    dev.write_bytes(dev.read_bytes().replace(b"\xef", b"i").replace(b"naif", b"na\xefve", 1))
    found = read_tables(Data(train_file=str(train), validation_file=str(dev)))
    assert "naïve" in found["validation"]["text"]
