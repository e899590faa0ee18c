"""docs/tutorial.md from its first command to its last, on small made-up data."""

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from helpers.places import ROOT

import search

BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", (ROOT / "docs/tutorial.md").read_text(encoding="utf-8"), re.DOTALL)
SMALL = {"--model": "tiny", "--folds": "2", "--trials": "2", "--max-train-rows": "24", "--size": "2"}
WORDS = "card cash late fee top up refund".split()
TEXTS = [f"{WORDS[n % 7]} and {WORDS[n * n % 5]} number {n}" for n in range(48)]
TARGETS = ("valence", "arousal", "dominance")


def tabled(path, header, rows):
    path.parent.mkdir(exist_ok=True)
    mark = "\t" if path.suffix == ".tsv" else ","
    path.write_text("\n".join([mark.join(header), *(mark.join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")


def made(name, labels, value, blank):
    """A folder as the tutorial has it, a sample in another order than the test file, and the answers."""
    rows = [(text, *value(n)) for n, text in enumerate(TEXTS)]
    tabled(Path(name, "train.tsv"), ("text", *labels), rows[:30])
    tabled(Path(name, "dev.tsv"), ("text", *labels), rows[30:40])
    tabled(Path(name, "test.tsv"), ("id", "text"), [(f"t{n}", row[0]) for n, row in enumerate(rows[40:])])
    tabled(Path(f"{name}-sample.csv"), ("id", *labels), [(f"t{n}", *blank) for n in (3, 1, 7, 0, 2, 6, 5, 4)])
    tabled(Path(f"{name}-solution.csv"), ("id", *labels), [(f"t{n}", *row[1:]) for n, row in enumerate(rows[40:])])


def small(line):
    """The arguments of a command, with a model and numbers that take seconds."""
    words = shlex.split(line)[2:]
    for option, value in SMALL.items():
        if option in words:
            words[words.index(option) + 1] = value
    return [*words, "--epochs", "1"] if "--folds" in words and "--epochs" not in words else words


@pytest.mark.parametrize("name", ["banking10", "emobank"])
def test_the_tutorial_goes_from_data_to_scores(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if name == "banking10":
        made(name, ("label",), lambda n: (WORDS[n % 2],), ("card",))
    else:
        made(name, TARGETS, lambda n: (n % 4 + 1.5, n % 3 + 1, n % 5 / 2), (0, 0, 0))
    mine = [(kind, text) for kind, text in BLOCKS if name in text or "clean --yes" in text]
    assert [kind for kind, _ in mine].count("python") == 1
    for kind, text in mine:
        if kind == "python":
            capsys.readouterr()
            exec(compile(text, "tutorial", "exec"), {})
            scores = [line.split() for line in capsys.readouterr().out.splitlines()]
        else:
            for line in text.splitlines():
                assert line.startswith("python search.py ")
                assert search.run(small(line)) == 0, (line, capsys.readouterr())
    assert [who for who, _ in scores] == ["clean", "fgm", "blend"]
    sample = pd.read_csv(f"{name}-sample.csv")
    for who, score in scores:
        filled = pd.read_csv(f"{name}-{who}.csv")
        assert list(filled) == list(sample)
        assert filled["id"].tolist() == sample["id"].tolist()
        answers = pd.read_csv(f"{name}-solution.csv").set_index("id").loc[filled["id"]].reset_index()
        if name == "banking10":
            expected = (filled.label == answers.label).mean()
        else:
            expected = sum(((filled[c] - answers[c]) ** 2).mean() ** 0.5 for c in TARGETS) / 3
        assert float(score) == pytest.approx(expected, abs=1e-9)
