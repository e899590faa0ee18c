"""Files that are whole, or as they were before."""

import pytest

from studies.running.whole import write_whole


def test_a_file_is_replaced_as_a_whole_and_its_folder_is_made(tmp_path):
    path = tmp_path / "new" / "best.yaml"
    assert write_whole(path, "one\n") == path
    write_whole(path, "zwölf\r\n")
    assert path.read_bytes() == "zwölf\r\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "best.yaml"
    write_whole(path, "before")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half \ud800")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path):
    path, link = tmp_path / "there", tmp_path / "here"
    path.write_text("long before")
    link.symlink_to(path)
    write_whole(link, "now")
    assert link.is_symlink()
    assert path.read_text() == "now"
