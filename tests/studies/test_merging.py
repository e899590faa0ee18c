"""Parts of a search, each in a database of its own, become the study that one search makes."""

import copy
import re
import shutil
import warnings
from pathlib import Path

import optuna
import pytest
from helpers.made_up_studies import made
from helpers.refusals import SMALL, rows
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial
from rich.console import Console

import search
from finetune.errors import UserError
from studies import load, merge
from studies.commands.merge import print_merging
from studies.merging import merged as work
from studies.planning.calibrated import CALIBRATED
from studies.planning.identity import BASELINE, KEY
from studies.report.screen import Screen
from studies.running.joined import MERGED

STATES = "CPFCCC"
SEARCH = {"explore": 8, "sampler": "tpe", "pruner": "median"}
# The content of databases with parts of that study.
MADE = {}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def trials(study):
    """What a trial is, whatever its study."""
    return [
        (t.number, t.state.name, t.params, t.values, t.intermediate_values, t.datetime_start, t.datetime_complete)
        for t in study.get_trials()
    ]


WHOLE = trials(made(STATES))


def part(path, number, of, *, study=None, about=None, attrs=None, leave=()):
    """A database with part ``number`` of ``of`` of a study, as a search with that part leaves it."""
    key = None if study or about or attrs else (number, of, leave)
    if key not in MADE:
        MADE[key] = written(path, number, of, study or made(STATES), about or {}, attrs or {}, leave)
    Path(path).write_bytes(MADE.pop(None, None) or MADE[key])
    return path


def written(path, number, of, whole, about, attrs, leave):
    name = f"{whole.study_name}-part-{number}-of-{of}" if of > 1 else whole.study_name
    mine = optuna.create_study(study_name=name, storage=f"sqlite:///{path}", direction=whole.direction)
    identity = whole.user_attrs[KEY]
    identity["search"] |= {"part": f"{number}/{of}"} if of > 1 else {}
    for key, value in {**whole.user_attrs, **attrs, KEY: identity | about}.items():
        mine.set_user_attr(key, value)
    for trial in whole.get_trials()[number - 1 :: of]:
        left = create_trial(state=TrialState.WAITING)
        mine._storage.create_new_trial(mine._study_id, template_trial=left if trial.number in leave else trial)
    mine._storage._backend.engine.dispose()
    return Path(path).read_bytes()


def parts(of, **options):
    return [part(f"{number}.db", number, of, **options) for number in range(1, of + 1)]


def merged(*sources, into="all.db", study=None):
    """The merged study, and the lines that were printed."""
    screen = Screen(None)
    return work(sources, into, study, "runs", False, screen).study, screen.said


def refused(words, *sources, **options):
    """Merging is refused with these words, and makes no database."""
    with pytest.raises(UserError, match=re.escape(words)):
        merge(*sources, **{"into": "all.db", "progress": False} | options)
    assert not Path("all.db").exists()


@pytest.mark.parametrize("of", [1, 2, 5, 6])
def test_parts_become_the_study_of_one_search(of):
    study, lines = merged(*reversed(parts(of)))
    assert trials(study) == WHOLE
    assert study.user_attrs == made(STATES).user_attrs
    assert lines == [f"study made in sqlite:///all.db: 6 finished trials of {of} {'study' if of == 1 else 'studies'}"]
    name = f"made-part-{4 % of + 1}-of-{of}" if of > 1 else "made"
    assert study.trials[4].user_attrs[MERGED] == {"study": name, "trial": 4 // of}


def test_trials_that_are_not_finished_wait_at_their_numbers():
    study, lines = merged(*parts(3, leave=(1, 2, 5)))
    assert [t.number for t in study.trials if t.state is TrialState.WAITING] == [1, 2]  # 5 is simply the next
    assert [row for row in trials(study) if row[1] != "WAITING"] == [WHOLE[0], WHOLE[3], WHOLE[4]]
    assert lines[1:] == ["2 trials not finished yet (1, 2): a search of the merged study, without part, trains them"]


def test_a_missing_part_is_named_and_its_trials_wait():
    one, _, three = parts(3)
    study, lines = merged(three, one)
    assert [t.number for t in study.trials if t.state is TrialState.WAITING] == [1, 4]
    assert lines[1:] == [
        "missing parts: 2/3",
        "2 trials not finished yet (1, 4): a search of the merged study, without part, trains them",
    ]


def test_what_is_there_twice_counts_once():
    one, two = parts(2)
    shutil.copy(one, "copy.db")
    Path("link.db").symlink_to("1.db")
    study, lines = merged(one, two, "copy.db", "sqlite:///1.db", "./2.db", str(Path("1.db").resolve()), "link.db")
    assert trials(study) == WHOLE
    assert lines[0] == "4 databases named again: each is read once"
    assert lines[2:] == ["left out: 3 trials with the number and settings of another"]


def test_a_whole_search_beside_a_part_has_all_parts():
    study, lines = merged(part("1.db", 1, 3), part("2.db", 1, 1))
    assert trials(study) == WHOLE
    assert lines[1:] == ["left out: 2 trials with the number and settings of another"]


def test_whole_searches_with_one_seed_are_the_same_and_a_line_says_how_to_share():
    study, lines = merged(part("1.db", 1, 1), part("2.db", 1, 1, study=made(STATES[:4])))
    assert trials(study) == WHOLE
    [line] = lines[1:]
    assert line.startswith("left out: 4 trials with the number and settings of another; with part='K/N' every task")


def test_another_trial_of_the_same_number_comes_last():
    known, study = made(STATES).trials[2], made(STATES[:2])
    params = known.params | {"adv_lr": 0.5}
    study.add_trial(create_trial(value=0.1, params=params, distributions=known.distributions))
    found, lines = merged(part("1.db", 1, 1), part("2.db", 1, 1, study=study))
    assert trials(found)[:6] == WHOLE
    assert [(t.number, t.params, t.value) for t in found.trials[6:]] == [(6, params, 0.1)]
    assert lines[-1] == "1 trial with the number of another, and other settings, got new numbers"


def test_enqueued_trials_take_no_number_of_the_search():
    whole, study = made(STATES), made("")
    far = whole.trials[0].params | {"adv_eps": 99.0}  # outside the range
    study.add_trial(whole.trials[0])
    study.enqueue_trial(far)
    trial = study.ask()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for name, dist in whole.trials[0].distributions.items():
            trial._suggest(name, dist)
    study.tell(trial, 0.25)
    for trial in whole.trials[1:]:
        study.add_trial(trial)
    found, _ = merged(part("1.db", 1, 1, study=study))
    assert trials(found)[:6] == WHOLE
    [last] = found.trials[6:]
    assert (last.params, last.value, last.system_attrs["fixed_params"]) == (far, 0.25, far)


def test_several_parts_in_one_database_and_several_searches():
    parts(2)
    for number in (1, 2):
        name = f"made-part-{number}-of-2"
        optuna.copy_study(from_study_name=name, from_storage=f"sqlite:///{number}.db", to_storage="sqlite:///both.db")
    other = made(STATES, name="other")
    optuna.copy_study(from_study_name="other", from_storage=other._storage, to_storage="sqlite:///both.db")
    refused("study is needed: both.db have made, other", "both.db")
    refused("there is no study 'mde' in both.db; did you mean 'made'?", "both.db", study="mde")
    study, (line, _) = merged("both.db", into="both.db", study="made")
    assert trials(study) == WHOLE
    assert line.startswith("both.db is one of the databases that are merged: their studies stay as they are, beside")
    part("3.db", 2, 2, about={"search": SEARCH | {"explore": 9, "part": "2/2"}})
    optuna.copy_study(from_study_name="made-part-1-of-2", from_storage="sqlite:///1.db", to_storage="sqlite:///3.db")
    refused("made-part-1-of-2 (there) and made-part-2-of-2 (here) are not one search: search.explore: there 8", "3.db")


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"method": "pgd"}, "1.db (there) and 2.db (here) are not one search: method: there 'awp', here 'pgd'"),
        ({"data fingerprint": "f"}, "data fingerprint: there '0123456789abcdef', here 'f'"),
        ({"model fingerprint": "f"}, "model fingerprint: there 'fedcba9876543210', here 'f'"),
        ({"fixed": {"adv_step": 2}}, "fixed.adv_step: there None, here 2"),
        ({"search": SEARCH | {"explore": 9, "part": "2/2"}}, "search.explore: there 8, here 9"),
        ({"search": SEARCH | {"starts": [{"K": 3}], "part": "2/2"}}, "search.starts"),
        ({"formula": 2}, "formula: there 1, here 2"),
        ({"versions": {"torch": "3.0"}}, "2.db was made under other versions than 1.db"),
    ],
)
def test_other_searches_are_not_merged(about, words):
    refused(words, part("1.db", 1, 2), part("2.db", 2, 2, about=about))


def test_another_seed_or_number_of_parts_is_another_search():
    recipe = made(STATES).user_attrs[KEY]["recipe"] | {"seed": 8}
    refused("recipe.seed: there 7, here 8", part("1.db", 1, 1), part("2.db", 1, 1, about={"recipe": recipe}))
    refused("1.db has part 1/2, 4.db part 2/4", part("1.db", 1, 2), part("4.db", 2, 4))


def test_patches_of_versions_other_devices_and_clean_values_are_kept_and_said():
    clean = copy.deepcopy(made(STATES).user_attrs[BASELINE])
    clean[-1]["metrics"]["accuracy"] = 0.8130
    about = {"versions": {"torch": "2.0.1"}, "device": "cuda"}
    study, lines = merged(part("1.db", 1, 2), part("2.db", 2, 2, about=about, attrs={BASELINE: clean}))
    assert lines[0] == "2.db: torch 2.0 then, 2.0.1 now; its trials keep their versions"
    assert lines[1].startswith("clean training gave 0.8125 in 1.db and 0.813 in 2.db: machines differ")
    attrs = [trial.user_attrs for trial in study.trials]
    assert [a.get("versions") for a in attrs[:2]] == [None, {"torch": "2.0.1"}]
    assert [a.get("device") for a in attrs[:2]] == [None, "cuda"]
    other = part("3.db", 2, 2, about={"versions": {"torch": "3.0"}})
    assert len(merge("1.db", other, into="3.db", accept_versions=True, progress=False).study.trials) == 6


def test_ranges_that_a_part_measured_otherwise_are_said():
    attrs = {CALIBRATED: {"ranges": {"adv_eps": [0.001, 0.02]}}}
    study, lines = merged(part("1.db", 1, 2), part("2.db", 2, 2, attrs=attrs))
    assert lines[0] == "2.db measured other ranges than 1.db: the merged study keeps the first"
    assert CALIBRATED not in study.user_attrs
    assert trials(study) == WHOLE


def test_what_has_no_place_in_a_merged_study():
    refused("study 'made' has no finished trial in 1.db and 2.db", *parts(2, leave=tuple(range(6))))
    study, theirs = made(STATES), {"taken over from": {"study": "s", "trial": 1}}
    study.add_trial(create_trial(value=0.5, user_attrs=theirs))
    refused("4.db: its study took trials over from another", part("4.db", 1, 1, study=study))
    refused("into='sqlite:///none/all.db': there is no folder none", part("1.db", 1, 1), into="none/all.db")


def test_what_is_merged_already_stays_as_it_is(capsys):
    command = ["merge", *parts(2), "--into", "all.db"]
    assert search.run(command) == 0
    before = Path("all.db").read_bytes()
    assert search.run(command) == 2
    said = "error: --into sqlite:///all.db has a study 'made' already: merge --into another database, or delete it first"
    assert capsys.readouterr().err.startswith(said)
    assert Path("all.db").read_bytes() == before


def test_a_merge_that_is_stopped_leaves_no_study(monkeypatch):
    sources, whole = parts(2), RDBStorage._get_prepared_new_trial

    def stop(self, study_id, template, session):
        if template.user_attrs.get(MERGED, {}).get("trial") == 1:
            raise KeyboardInterrupt
        return whole(self, study_id, template, session)

    with monkeypatch.context() as patch:
        patch.setattr(RDBStorage, "_get_prepared_new_trial", stop)
        with pytest.raises(KeyboardInterrupt):
            merge(*sources, into="all.db", progress=False)
    assert optuna.get_all_study_names("sqlite:///all.db") == []
    assert trials(merge(*sources, into="all.db", progress=False).study) == WHOLE


def test_a_search_of_the_merged_study_ends_as_one_search(capsys):
    Path("rows.csv").write_text(rows())
    common = ["--method", "fgm", "--train-file", "rows.csv", "--study", "s", *SMALL, "--trials", "4"]
    assert search.run([*common, "--storage", "sqlite:///whole.db", "--out", "whole"]) == 0
    assert search.run([*common, "--storage", "sqlite:///1.db", "--part", "1/2"]) == 0
    assert search.run([*common, "--storage", "sqlite:///2.db", "--part", "2/2", "--timeout", "0.0001"]) == 0
    capsys.readouterr()
    print_merging(["1.db", "2.db"], "all.db", None, "runs", False, Console(width=500))
    said = capsys.readouterr().out
    assert "study s in sqlite:///all.db: 2 finished trials of 2 studies" in said
    assert "1 trial not finished yet (1): a search of the merged study, without --part, trains them" in said
    assert "written: runs/s/best.yaml" in said
    assert search.run([*common, "--storage", "sqlite:///all.db"]) == 0
    found = [load(f"sqlite:///{name}.db", "s").study.trials for name in ("whole", "all")]
    one, other = [[(t.number, t.state, t.params, t.values, t.intermediate_values) for t in study] for study in found]
    assert one == other
