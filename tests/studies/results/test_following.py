"""The line after a search: how to confirm it, or what the confirmation found."""

from types import SimpleNamespace

import pytest
from helpers.made_up_studies import CLEAN, stored
from helpers.plain_studies import plain_study, plain_summary

from spaces import space_of
from studies.results.following import following
from studies.results.summary import summarise
from studies.running.stages import VERDICT, Arm, begin_stage
from studies.running.storage import open_storage

SPACE = {"epsilon": space_of("fgm", 4)["epsilon"]}
STORAGE, OUT = "sqlite:///studies.db", "runs"
WHY = " (is the gain real? Fresh seeds tell)"


def found(best=0.85, name="plain", **options):
    return plain_summary([(0.75, {"epsilon": 0.2}), (best, {"epsilon": 0.5})], SPACE, name=name, **options)


@pytest.mark.parametrize(
    ("name", "storage", "out", "command", "call"),
    [
        ("s", STORAGE, OUT, "--study s", "study='s'"),
        ("my study's", STORAGE, OUT, """--study 'my study'"'"'s'""", """study="my study's\""""),
        ("s", "sqlite:///a b.db", OUT, "--study s --storage 'sqlite:///a b.db'", "study='s', storage='sqlite:///a b.db'"),
        ("s", STORAGE, "/x/y", "--study s --out /x/y", "study='s', out='/x/y'"),
        (
            "s",
            "postgresql://me:secret@host/db",
            "o",
            "--study s --storage 'postgresql://me:***@host/db' --out o",
            "study='s', storage='postgresql://me:***@host/db', out='o'",
        ),
    ],
)
def test_it_names_the_command_or_the_call(name, storage, out, command, call):
    summary = found(name=name)
    assert following(summary, storage, out) == f"next: python search.py confirm {command}{WHY}"
    assert following(summary, storage, out, python=True) == f"next: confirm({call}){WHY}"


@pytest.mark.parametrize(("loop", "named"), [("my.module.train", "train"), ("__main__.<lambda>", "...")])
def test_a_loop_of_ones_own_is_confirmed_in_python(loop, named):
    about = {"data": {"loop": loop}, "recipe": {"epochs": 2, "seed": 0}}
    said = f"next: confirm(study='plain', train={named}, out='o'){WHY}"
    assert following(found(about=about), STORAGE, "o") == said
    assert following(found(about=about), STORAGE, "o", python=True) == said


@pytest.mark.parametrize("best", [0.85, 0.1])
def test_a_part_of_a_search_is_merged_first(best):
    about = {"search": {"explore": 8, "sampler": "tpe", "pruner": "none", "part": "2/3"}}
    summary = found(best, name="s-part-2-of-3", about=about)
    when = "(when all 3 parts have ended, with the databases of all)"
    command = f"next: python search.py merge part-2.db ... --into all.db {when}"
    assert following(summary, "sqlite:///part-2.db", OUT) == command
    assert (
        following(summary, "sqlite:///part-2.db", OUT, python=True) == f"next: merge('part-2.db', ..., into='all.db') {when}"
    )


@pytest.mark.parametrize(
    "options",
    [{"best": 0.8}, {"best": 0.79}, {"best": 0.1}, {"best": 0.85, "maximize": False, "clean": (0.7, 0.6)}],
)
def test_without_a_gain_there_is_nothing_to_confirm(options):
    assert following(found(**options), STORAGE, OUT) is None


def test_a_smaller_error_is_a_gain():
    assert following(found(0.5, maximize=False, clean=(0.7, 0.6)), STORAGE, OUT) is not None
    assert following(plain_summary([], SPACE), STORAGE, OUT) is None
    assert following(plain_summary([(None, {"epsilon": 0.2})], SPACE), STORAGE, OUT) is None


def test_a_verdict_that_has_begun_is_not_asked_for_again(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path / 's.db'}")
    study = stored(plain_study([(CLEAN + 0.1, {"epsilon": 0.2})], SPACE), storage)
    assert following(summarise(study), STORAGE, OUT) is not None
    begin_stage(study, storage, VERDICT, [Arm("clean training", "none", {})], 1)
    assert following(summarise(study), STORAGE, OUT) is None


def test_what_was_confirmed_is_said_instead():
    summary = found()
    judgement = SimpleNamespace(decided=True)
    summary.__dict__["confirmed"] = SimpleNamespace(
        word="better",
        judgement=judgement,
        winner=SimpleNamespace(who="trial 1", method="fgm"),
        seeds=8,
        clean=SimpleNamespace(mean=0.01),
        further=[],
        shown=lambda value: f"{value:.3f}",
    )
    said = following(summary, STORAGE, OUT)
    assert said == "verdict: better. trial 1 (fgm) is better than clean training on 8 fresh seeds: +0.010"
