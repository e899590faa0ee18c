"""The folder of a study: its name made safe for a path, and tried before anything is trained."""

import html
import re

import pytest

from finetune.errors import UserError
from studies.planning.request import request_of
from studies.running.folder import folder_of, study_folder, unrecognised
from studies.searching import together


def report_of(folder, name):
    """The report of a study, as far as it says whose it is."""
    folder.mkdir(parents=True)
    (folder / "report.html").write_text(
        f"<!doctype html>\n<head><title>{html.escape(name)}</title></head>", encoding="utf-8"
    )
    return folder


PLAIN = [
    "reviews-awp",
    "mine.fgm",
    "größe_2",
    "v1.0",
    "-x",
    "数据",
    "a" * 200,
    "constant",
    "model.fgm",
    "Reviews",
    "prefixes",
]
CHANGED = [
    ("a/b", "a-b"), ("a b", "a-b"), ("a:b", "a-b"), ("a\\b", "a-b"), ("a\nb", "a-b"), ("a\tb", "a-b"), ("a\0b", "a-b"),
    ("a🙂b", "a-b"), ("a🙃b", "a-b"), ("../up", "-up"), ("/etc/passwd", "-etc-passwd"), ("~", "-"), ("~/x", "--x"),
    ("..", "study"), (".", "study"), ("...", "study"), ("", "study"), (".hidden", "hidden"), ("ends.", "ends"), (" ", "-"),
    ("con", "con"), ("NUL", "NUL"), ("aux.txt", "aux-txt"), ("COM1", "COM1"), ("lpt9.a.b", "lpt9-a-b"),
    ("prefix", "prefix"), ("model", "model"), ("e\u0301", "e-"), ("x" * 201, "x" * 100), ("数" * 80, "数" * 33),
]  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_a_name_that_is_safe_is_the_folder_s(tmp_path, name):
    assert folder_of(str(tmp_path), name) == tmp_path / name
    assert study_folder(str(tmp_path), name) == tmp_path / name


@pytest.mark.parametrize(("name", "begins"), CHANGED)
def test_a_name_that_is_changed_gets_a_tag_and_stays_in_the_folder_of_all_studies(tmp_path, name, begins):
    made = study_folder(str(tmp_path), name)
    assert made.parent == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == [made.name]
    assert re.fullmatch(re.escape(begins) + "-[0-9a-f]{6}", made.name)
    assert folder_of(str(tmp_path), name) == made


def test_no_two_studies_share_a_folder(tmp_path):
    names = [*PLAIN, *[name for name, _ in CHANGED], "a-b", "a_b", "study", "hidden", "x" * 100, "reviews-AWP", "GRÖSSE_2"]
    made = [study_folder(str(tmp_path), name).name for name in names]
    assert len({name.casefold() for name in made}) == len(names)
    assert [study_folder(str(tmp_path), name).name for name in names] == made


@pytest.mark.parametrize(
    ("name", "old"),
    [("a b", "a-b"), ("..", "study"), ("prefix", "prefix"), ("x & <y>", "x----y-"), ("nul", "nul"), ("é 'q' 🙂", "é--q---")],
)
def test_a_study_made_before_keeps_its_folder(tmp_path, name, old):
    there = report_of(tmp_path / old, name)
    assert folder_of(str(tmp_path), name) == study_folder(str(tmp_path), name) == there
    if old != name:  # the study that is called so goes elsewhere
        assert re.fullmatch(re.escape(old) + "-[0-9a-f]{6}", folder_of(str(tmp_path), old).name)


@pytest.mark.parametrize(
    "text", ["", "no title", "<title>a-b</title>", "<title>another</title>", None, b"\xff\xfe<title>a b"]
)
def test_a_folder_of_another_study_is_left_to_it(tmp_path, text):
    (tmp_path / "a-b").mkdir()
    if text is not None:
        (tmp_path / "a-b" / "report.html").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert folder_of(str(tmp_path), "a b").name != "a-b"


@pytest.mark.parametrize("file", ["trial-3.safetensors", "trial-12", "clean"])
def test_unfinished_trials_in_a_folder_that_says_not_whose_it_is_are_said(tmp_path, file):
    (tmp_path / "a-b").mkdir()
    (tmp_path / "a-b" / file).write_text("state")
    line = unrecognised(str(tmp_path), "a b")
    assert str(folder_of(str(tmp_path), "a b")) in line
    assert f"{tmp_path / 'a-b'} has unfinished trials too" in line
    assert unrecognised(str(tmp_path), "a-b") is None  # they are its own


def test_other_folders_are_not_said(tmp_path):
    assert unrecognised(str(tmp_path), "a b") is None
    (tmp_path / "a-b").mkdir()
    (tmp_path / "a-b" / "notes.txt").write_text("mine")
    assert unrecognised(str(tmp_path), "a b") is None
    whose = report_of(tmp_path / "c-d", "c-d")
    (whose / "trial-3.safetensors").write_text("state")
    assert unrecognised(str(tmp_path), "c d") is None


@pytest.mark.parametrize(("there", "name"), [("Mine", "mine"), ("mine", "MINE"), ("straße", "STRASSE"), ("größe", "Größe")])
def test_names_that_differ_in_case_alone_have_two_folders_on_any_file_system(tmp_path, there, name):
    first = study_folder(str(tmp_path), there)
    second = study_folder(str(tmp_path), name)
    assert first == tmp_path / there
    assert second.name.startswith(f"{name}-")
    assert folder_of(str(tmp_path), there) == first
    first.rmdir()
    assert folder_of(str(tmp_path), name) == second


def test_it_is_made_with_its_parents_and_nothing_is_left_in_it(tmp_path):
    made = study_folder(str(tmp_path / "a" / "b"), "s")
    assert made == tmp_path / "a" / "b" / "s"
    assert list(made.iterdir()) == []
    assert study_folder(str(tmp_path / "a" / "b"), "s") == made


def test_a_file_in_its_place_is_refused_by_the_name_of_the_argument(tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(UserError) as refused:
        study_folder(str(tmp_path / "taken"), "s")
    assert f"out='{tmp_path / 'taken'}'" in str(refused.value)
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize(
    ("study", "page"), [("mine", r"mine\.html"), ("my study", r"my-study-[0-9a-f]{6}\.html"), ("v1.0", r"v1\.0\.html")]
)
def test_the_page_of_several_methods_ends_as_a_page(tmp_path, study, page):
    request = request_of({"method": ["fgm", "awp"], "study": study, "out": str(tmp_path)})
    found = together(request, {}).path
    assert found.parent == tmp_path
    assert re.fullmatch(page, found.name.replace("-methods", ""))
