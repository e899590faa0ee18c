import pytest

from finetune.errors import UserError
from studies.planning.part import Part
from studies.planning.request import request_of
from studies.planning.resolve import resolve


@pytest.mark.parametrize("text", ["", "3", "0/8", "9/8", "3/0", "-1/8", "3-8", "3/8/1", "1.5/8", "a/b", "3\\8", "1/9999999"])
def test_what_is_no_part(text):
    with pytest.raises(UserError, match="part"):
        request_of({"part": text})


@pytest.mark.parametrize(("text", "kept"), [("3/8", "3/8"), (" 03 / 8 ", "3/8"), ("1/1", None), (None, None)])
def test_parts_as_they_are_typed(text, kept):
    assert request_of({"part": text}).running.part == kept


def jobs(part, **more):
    return resolve(request_of({"method": "fgm", "part": part} | more))


def test_the_parts_of_a_search_have_its_trials_once_each():
    parts = [Part(number, 3) for number in (1, 2, 3)]
    assert [[part.place(n) for n in range(part.below(8))] for part in parts] == [[0, 3, 6], [1, 4, 7], [2, 5]]
    assert [job.trials for n in (1, 2, 3) for job in jobs(f"{n}/3", trials=8)] == [3, 3, 2]


def test_each_part_is_a_study_of_its_own_name_with_the_whole_first_phase():
    [job] = jobs("2/3", trials=30)
    assert (job.name, job.explore, job.trials, job.whole) == ("reviews-fgm-part-2-of-3", 15, 10, 30)
    for study in ("s", "s-part-2-of-3"):
        names = [job.name for job in jobs("2/3", method=("fgm", "awp"), study=study)]
        assert names == ["s.fgm-part-2-of-3", "s.awp-part-2-of-3"]
    assert [job.name for job in jobs("2/3", study="s-part-2-of-3")] == ["s-part-2-of-3"]
    assert Part(2, 3).name_of_whole("s.awp-part-2-of-3") == "s.awp"
    assert Part(2, 3).name_of_whole("renamed") == "renamed"


def test_a_line_says_which_trials_a_part_has():
    [job] = jobs("2/3", trials=30)
    assert job.notes([{}]) == ["part 2/3: 10 trials, in the whole search 1, 4, 7, ..."]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"trials": 1}, "fgm has 1 trial, and this part has none of them"),
        ({"method": "none"}, "none has 1 trial, and this part has none of them"),
        ({"confirm": True}, "merge the parts first"),
        ({"from_study": "other"}, "only a whole search takes trials"),
        ({"study": "s-part-1-of-3"}, "'s-part-1-of-3' is the name of part 1/3; leave out its ending"),
    ],
)
def test_what_only_the_whole_search_can_do(more, words):
    with pytest.raises(UserError, match=words):
        jobs("2/3", **more)
