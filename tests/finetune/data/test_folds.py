"""Rows in folds: by the splitters of scikit-learn and iterative stratification, by groups, by a column of the user's."""

import warnings

import numpy as np
import pytest
from helpers.small_tasks import write_lines
from hypothesis import given
from hypothesis import strategies as st
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from finetune.config import Data
from finetune.data.folding import fold_numbers
from finetune.data.grouped import whole_groups
from finetune.data.load import load_task
from finetune.data.marks import Marks
from finetune.folds import Folds
from finetune.tasks.task import Rows, Task

TEST = [{"text": f"test {n}", "pair": "x"} for n in range(4)]
RARELY = ["a"] * 11 + ["b"] * 8 + ["c"] * 5


def read(tmp_path, rows, folds, test=True, **data):
    files = {"train_file": write_lines(tmp_path / "train.jsonl", rows)}
    files |= {"test_file": write_lines(tmp_path / "test.jsonl", TEST)} if test else {}
    return load_task(Data(**files | data), None, folds)


def rows_of(labels, **columns):
    return [{"text": f"text {n}", "label": label} | {k: v[n] for k, v in columns.items()} for n, label in enumerate(labels)]


def validated(splitter, *arguments):
    """The rows that each split of a library's splitter validates."""
    with warnings.catch_warnings(action="ignore"):
        return [part.tolist() for _, part in splitter.split(*arguments)]


def made(task):
    """The rows that each of our folds validates."""
    return [np.flatnonzero(task.fold_of == fold).tolist() for fold in range(task.folds)]


@pytest.mark.parametrize("folds", [2, 3, 5])
@pytest.mark.parametrize("data", [{}, {"pair_column": "pair"}, {"kind": "ordinal"}], ids=["texts", "pairs", "ordinal"])
def test_classes_are_folded_as_scikit_learn_does(tmp_path, folds, data):
    labels = [str("abc".index(label)) for label in RARELY]
    task = read(tmp_path, rows_of(labels, pair=[f"pair {n}" for n in range(24)]), Folds(folds=folds), **data)
    expected = validated(StratifiedKFold(folds, shuffle=True, random_state=0), np.zeros(24), labels)
    assert made(task) == expected
    assert task.train.texts == [f"text {n}" for n in range(24)]
    assert task.train is task.validation


def test_a_class_with_fewer_rows_than_folds_is_folded_as_scikit_learn_does_and_told(tmp_path):
    labels = ["a"] * 12 + ["b"] * 8 + ["rare"] * 2 + ["one"]
    task = read(tmp_path, rows_of(labels), Folds(folds=4))
    assert made(task) == validated(StratifiedKFold(4, shuffle=True, random_state=0), np.zeros(23), labels)
    alone = int(task.fold_of[22])
    assert f"warning: fold {alone} trains without 'one': its only row is validated there" in task.notes
    assert (
        "classes with fewer rows than folds, which some folds do not validate: 'one' (1 row), 'rare' (2 rows)" in task.notes
    )


def test_a_class_whose_rows_fill_one_fold_is_told(tmp_path):
    rows = rows_of(["a", "b"] * 8 + ["c"] * 4, part=[0, 1, 1, 0] * 4 + [1] * 4)
    task = read(tmp_path, rows, Folds(fold_column="part"))
    assert "warning: fold 1 trains without 'c': all its 4 rows are validated there" in task.notes
    assert not any("not validated in every fold" in note for note in task.notes)


def test_where_every_class_is_too_rare_rows_are_folded_at_random(tmp_path):
    labels = [f"class {n // 2}" for n in range(12)] + ["class 0"] * 2
    task = read(tmp_path, rows_of(labels), Folds(folds=5))
    assert made(task) == validated(KFold(5, shuffle=True, random_state=0), np.zeros(14))
    assert any(note.startswith("5 folds, at random (no label has as many rows as there are folds):") for note in task.notes)


@pytest.mark.parametrize("folds", [2, 4])
def test_several_labels_are_folded_by_iterative_stratification(tmp_path, folds):
    rng = np.random.default_rng(1)
    flags = rng.random((30, 3)) < [0.5, 0.2, 0.1]
    flags[0] = [True, False, True]
    rows = rows_of([[name for name, there in zip("abc", row, strict=True) if there] for row in flags])
    task = read(tmp_path, rows, Folds(folds=folds), kind="multilabel")
    splitter = MultilabelStratifiedKFold(folds, shuffle=True, random_state=0)
    assert made(task) == validated(splitter, np.zeros((30, 1)), flags.astype(int))
    assert any("stratified by labels" in note for note in task.notes)


def test_one_target_is_folded_by_bins_with_as_many_rows_each(tmp_path):
    targets = np.random.default_rng(2).normal(size=40).astype(np.float32)
    task = read(tmp_path, rows_of(targets.tolist()), Folds(folds=4), kind="regression")
    # Ten bins of four rows, in the order of the targets.
    bins = np.argsort(np.argsort(targets)) // 4
    assert made(task) == validated(StratifiedKFold(4, shuffle=True, random_state=0), np.zeros(40), bins)
    assert any("stratified by 10 bins of the target" in note for note in task.notes)


def test_ratings_are_bins_of_their_own(tmp_path):
    ratings = np.array([1] * 9 + [2] * 12 + [3] * 10 + [4] * 5)
    task = read(tmp_path, rows_of(ratings.tolist()), Folds(folds=4), kind="regression")
    assert made(task) == validated(StratifiedKFold(4, shuffle=True, random_state=0), np.zeros(36), ratings)


def test_a_target_that_is_nearly_always_the_same_is_folded_at_random(tmp_path):
    targets = [1.0] * 22 + [2.0, 3.5]
    task = read(tmp_path, rows_of(targets), Folds(folds=4), kind="regression")
    assert made(task) == validated(KFold(4, shuffle=True, random_state=0), np.zeros(24))
    assert any("at random (the target cannot be divided into bins)" in note for note in task.notes)


def test_several_targets_are_folded_by_their_bins_with_iterative_stratification(tmp_path):
    rng = np.random.default_rng(3)
    targets = rng.normal(size=(40, 2)).astype(np.float32)
    rows = [{"text": f"text {n}", "y": float(y), "z": float(z)} for n, (y, z) in enumerate(targets)]
    task = read(tmp_path, rows, Folds(folds=4), label_column=("y", "z"), kind="regression")
    ranks = np.argsort(np.argsort(targets, 0), 0) // 4
    flags = np.concatenate([ranks[:, [column]] == np.arange(10) for column in range(2)], 1)
    splitter = MultilabelStratifiedKFold(4, shuffle=True, random_state=0)
    assert made(task) == validated(splitter, np.zeros((40, 1)), flags.astype(int))
    assert any("stratified by bins of each target" in note for note in task.notes)


def test_sentences_are_folded_by_their_rarest_tag(tmp_path):
    tags = [["O", "B-x"]] * 9 + [["O", "B-y"]] * 6 + [["O", "O"]] * 9
    rows = [{"tokens": ["word", f"number{n}"], "ner_tags": row} for n, row in enumerate(tags)]
    task = read(tmp_path, rows, Folds(folds=3), test=False)
    held = [int(n.removeprefix("number")) for n in (text.split()[1] for text in task.train.texts)]
    strata = ["x" if n < 9 else "y" if n < 15 else "" for n in held]
    codes = [{"": 2, "x": 0, "y": 1}[one] for one in strata]  # tags are in the order B-x, B-y, O
    assert made(task) == validated(StratifiedKFold(3, shuffle=True, random_state=0), np.zeros(len(codes)), codes)
    for fold in range(3):  # every fold trains and validates both types of entity
        for part in (task.fold(fold).train, task.fold(fold).validation):
            assert set(np.unique(part.labels)) >= {0, 1, 2}


NAMES = {"numbers": lambda n: 10 * n + 3, "fractions": lambda n: 10.0 * n, "texts": lambda n: f"ünit {n}"}


@pytest.mark.parametrize("folds", [2, 4])
@pytest.mark.parametrize("named", NAMES.values(), ids=NAMES)
def test_groups_of_classes_are_folded_as_scikit_learn_does(tmp_path, folds, named):
    rng = np.random.default_rng(4)
    labels, groups = rng.choice(["a", "b"], 40).tolist(), [named(n) for n in rng.integers(0, 12, 40).tolist()]
    task = read(tmp_path, rows_of(labels, who=groups), Folds(folds=folds, group_column="who"))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
    assert made(task) == validated(splitter, np.zeros(40), labels, groups)
    assert any("in whole groups, stratified by label" in note for note in task.notes)
    assert any(note.startswith(f"column who: {len(set(groups))} groups, the biggest has ") for note in task.notes)


def test_groups_with_several_targets_are_folded_as_scikit_learn_does_without_strata(tmp_path):
    rng = np.random.default_rng(5)
    groups = [f"g{n}" for n in rng.integers(0, 7, 40)]
    rows = [{"text": f"text {n}", "y": rng.normal(), "z": rng.normal(), "who": groups[n]} for n in range(40)]
    folds = Folds(folds=3, group_column="who")
    task = read(tmp_path, rows, folds, label_column=("y", "z"), kind="regression")
    assert made(task) == validated(GroupKFold(3), np.zeros(40), None, groups)
    assert any("in whole groups, not stratified" in note for note in task.notes)


def test_groups_of_several_labels_are_stratified_by_the_rarest_label(tmp_path):
    rng = np.random.default_rng(6)
    flags = rng.random((40, 2)) < [0.7, 0.3]
    flags[:2] = [[True, True], [False, False]]
    rows = rows_of([[name for name, there in zip("ab", row, strict=True) if there] for row in flags])
    groups = rng.integers(0, 9, 40).tolist()
    rows = [row | {"who": group} for row, group in zip(rows, groups, strict=True)]
    task = read(tmp_path, rows, Folds(folds=3, group_column="who"), kind="multilabel")
    strata = np.where(flags[:, 1], 1, np.where(flags[:, 0], 0, -1))  # b is the rarer one
    assert made(task) == validated(StratifiedGroupKFold(3, shuffle=True, random_state=0), np.zeros(40), strata, groups)


@st.composite
def grouped_rows(draw):
    count = draw(st.integers(12, 40))
    groups = draw(st.lists(st.integers(0, draw(st.integers(3, 15))), min_size=count, max_size=count))
    folds = draw(st.integers(2, 5))
    kind = draw(st.sampled_from(["classification", "multilabel", "regression", "ordinal"]))
    seed = draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    labels = {
        "classification": rng.integers(0, 3, count),
        "ordinal": rng.integers(0, 3, count),
        "multilabel": (rng.random((count, 3)) < 0.3).astype(np.float32),
        "regression": rng.normal(size=(count, 1)).astype(np.float32),
    }[kind]
    return kind, Rows([f"text {n}" for n in range(count)], None, labels), np.array(groups), folds


@given(grouped_rows(), st.booleans())
def test_every_row_is_validated_once_and_no_group_is_in_two_folds(drawn, grouped):
    kind, rows, groups, folds = drawn
    if grouped and len(np.unique(groups)) < folds:
        return
    asked, marks = Folds(folds=folds, group_column="g" if grouped else None), Marks(groups if grouped else None)
    fold_of = fold_numbers(rows, kind, ("a", "b", "c")[: 1 if kind == "regression" else 3], asked, marks, [])
    task = Task("t", kind, ("a", "b", "c"), rows, rows, rows, fold_of=fold_of)
    assert task.folds == folds
    texts = [text for fold in range(folds) for text in task.fold(fold).validation.texts]
    assert sorted(texts) == sorted(rows.texts)
    for fold in range(folds):
        part = task.fold(fold)
        assert part.validation.texts
        assert [t for t in rows.texts if t not in set(part.validation.texts)] == part.train.texts
        assert part.folds == 1
        if grouped:
            assert not set(groups[fold_of == fold]) & set(groups[fold_of != fold])


def test_the_fingerprint_covers_folds_and_is_as_before_without(tmp_path):
    rows = rows_of(RARELY, part=[n % 3 for n in range(24)])
    plain = read(tmp_path, rows, None)
    parts = [read(tmp_path, rows, folds) for folds in (Folds(folds=3), Folds(folds=4), Folds(fold_column="part"))]
    assert read(tmp_path, rows, Folds()).fingerprint == plain.fingerprint
    assert len({task.fingerprint for task in [plain, *parts]}) == 4
    assert read(tmp_path, rows, Folds(folds=3)).fingerprint == parts[0].fingerprint
    assert read(tmp_path, rows, Folds(folds=3, seeds=2, fold_score="mean")).fingerprint == parts[0].fingerprint
    first = parts[0].fold(0)
    by_hand = Task(first.name, first.kind, first.names, first.train, first.validation, first.test)
    assert first.fingerprint == by_hand.fingerprint


def test_the_built_in_task_is_folded_too():
    task = load_task(Data(task="reviews", max_train_rows=40), None, Folds(folds=4))
    assert [len(part) for part in made(task)] == [10] * 4
    assert (len(task.train), len(task.test), len(task.unlabelled)) == (40, 1000, 6000)
    assert len(task.fold(3).unlabelled) == 6000
    whole = load_task(Data(task="reviews"), None, Folds(folds=2))
    plain = load_task(Data(task="reviews"))
    assert whole.train.texts == plain.train.texts + plain.validation.texts
    assert whole.test.texts == plain.test.texts
    assert whole.notes[0] == "folds are made of the 600 train and 600 validation rows together"


def test_a_task_without_folds_is_its_only_fold():
    task = load_task(Data(task="reviews", max_train_rows=40))
    assert task.fold(0) is task
    assert (task.folds, task.fold_of) == (1, None)


def test_many_groups_are_put_aside_at_random_and_whole():
    groups = np.arange(6000) // 2 % 2500
    taken = whole_groups(np.arange(6000) % 2, groups, 900, 0)
    assert abs(len(taken) - 900) < 60
    assert not set(groups[taken]) & set(np.delete(groups, taken))
    assert np.bincount(taken // 1000, minlength=6).min() > 90  # from everywhere
