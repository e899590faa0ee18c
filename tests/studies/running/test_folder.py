"""The folder of a study: its name made safe for a path, and tried before anything is trained."""

import pytest

from finetune.errors import UserError
from studies.running.folder import folder_of, study_folder


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("reviews-awp", "reviews-awp"),
        ("a/b", "a-b"),
        ("../up", "-up"),
        ("..", "study"),
        ("", "study"),
        (".hidden", "hidden"),
        ("two words", "two-words"),
        ("größe_2", "größe_2"),
        ("a\nb", "a-b"),
        ("v1.0", "v1.0"),
    ],
)
def test_no_name_leaves_the_folder_of_all_studies(tmp_path, name, folder):
    assert folder_of(str(tmp_path), name) == tmp_path / folder


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
