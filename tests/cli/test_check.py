"""The check command: a healthy step exits 0; each of the silent failures is named and exits 1; bad input exits 2."""

import re
import shlex

import pytest
import torch
from helpers.refusals import assert_said, files, refused, rows

import search
from adv import METHODS

SMALL = ["--train-file", "rows.csv", "--no-calibrate"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("studies.checking.meter.ROUNDS", 1)
    (tmp_path / "rows.csv").write_text(rows())


def checked(capsys, *arguments):
    """Exit code and what was printed; nothing is left on the disk."""
    code = search.run(["check", *SMALL, *arguments])
    said = capsys.readouterr()
    assert said.err == ""
    assert list(files()) == ["rows.csv"]
    return code, said.out


def values(out, row):
    """The cells of a row of the second table."""
    line = next(line for line in out.splitlines() if line.startswith(row))
    return re.split(r"\s{2,}", line.strip())[1:]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_with_its_defaults(method, capsys):
    code, out = checked(capsys, "--method", method)
    assert METHODS[method].paper in out
    for row in ("model", "batch", "matched", "relative size", "share clipped", "loss", "gradient norm", "passes", "time"):
        assert re.search(rf"^{row} ", out, re.MULTILINE), row
    assert "failure" not in out
    assert code == ("\nidle: " in out)
    assert ("\nok: " in out) == (code == 0)
    assert values(out, "passes")[-1] == f"{METHODS[method]().cost().relative:.2f}x"


def test_an_attack_on_the_embeddings_names_the_module_and_raises_the_loss(capsys):
    code, out = checked(capsys, "--method", "fgm", "--calibrate")
    assert code == 0
    assert "output of model.embeddings.tok_embeddings (Embedding, " in out
    clean, attacked, difference = values(out, "loss")
    assert float(difference) == pytest.approx(float(attacked) - float(clean), rel=0.01)
    assert float(difference) > 0
    assert values(out, "passes")[:2] == ["1 forward, 1 backward", "2 forward, 2 backward"]
    assert float(values(out, "memory")[0].split()[0]) > 0


def test_an_attack_on_weights_counts_and_names_them(capsys):
    code, out = checked(capsys, "--method", "awp", "--set", "adv_param=Wqkv", "--calibrate")
    assert code == 0
    found = re.search(r"(\d+) weight tensors? \(([\d,]+) parameters, ([\d,]+) moved\):\s+(\S+)", out)
    tensors, held, moved = (int(text.replace(",", "")) for text in found.groups()[:3])
    assert tensors >= 1
    assert 0 < moved <= held
    assert "Wqkv" in found[4]


@pytest.mark.parametrize("busy", [True, False])
def test_times_of_a_busy_machine_are_no_cost(busy, capsys, monkeypatch):
    monkeypatch.setattr("studies.checking.meter.ROUNDS", 7)
    monkeypatch.setattr("studies.checking.meter.SPREAD", float("inf"))
    monkeypatch.setattr("os.getloadavg", lambda: (50.0 if busy else 0.0, 0.0, 0.0))
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    _, out = checked(capsys, "--method", "fgm")
    assert (values(out, "time  ")[-1] == "not measured") == busy
    if busy:
        why = "the machine has more work than cores (load 50.0 before, 1 thread of ours, 2 cores)"
        assert f"time: not measured: {why}; by passes 2.00x" in out
    else:
        assert re.fullmatch(r"\d+\.\d\dx", values(out, "time  ")[-1])
        assert "load of the machine 0.0 before, 2 cores" in out


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_healthy(precision, capsys):
    code, out = checked(capsys, "--method", "fgm", "--precision", precision, "--gradient-accumulation", "2")
    assert code == 0
    assert ("\nloss scale" in out) == (precision == "fp16")


def test_batch_length_and_the_built_in_task(capsys):
    assert "5 texts, up to 4 tokens" in checked(capsys, "--method", "fgm", "--batch-size", "5", "--max-length", "4")[1]
    assert search.run(["check", "--method", "fgm", "--max-train-rows", "40", "--no-calibrate"]) == 0
    assert "ok: the attack acts" in capsys.readouterr().out


FAILURES = [
    ("fgm", ["emb_name=nothing"], "matches no module"),
    ("awp", ["adv_param=nothing"], "adv_param='nothing' matches no parameter"),
    ("fgm", ["start_epoch=6"], "never starts: start_epoch is 6, but the last epoch is 5, counted from 0 (--epochs 6)"),
    ("pgd", [], "K * alpha = 0.9 never reaches epsilon = 1"),
    ("fgm", ["epsilon=0"], "the perturbation moves nothing; raise the radius (epsilon=0)"),
    ("fgm", ["epsilon=1e-9"], "fp32 rounds it away"),
    ("fgm", ["epsilon=1000"], "times as large as what it perturbs, so the text is lost"),
    ("awp", ["adv_lr=1e-4", "adv_eps=0.3"], "idle: adv_eps: under 1 % of the weights reached the box ("),
    ("awp", ["adv_eps=1e-4", "adv_param=Wqkv"], "idle: adv_lr: over 95 % of the weights were stopped by the box ("),
]


@pytest.mark.parametrize(("method", "sets", "words"), FAILURES, ids=[words for *_, words in FAILURES])
def test_a_silent_failure_is_named_and_exits_1(method, sets, words, capsys):
    code, out = checked(capsys, "--method", method, *(part for text in sets for part in ("--set", text)))
    assert code == 1
    assert words in out
    assert "\nok: " not in out


def test_a_ball_that_is_reached_is_healthy(capsys):
    code, out = checked(capsys, "--method", "pgd", "--set", "alpha=0.6")
    assert code == 0
    assert "100.0% stopped" in out


def test_the_last_epoch_is_a_start(capsys):
    assert checked(capsys, "--method", "fgm", "--epochs", "3", "--set", "start_epoch=2")[0] == 0
    assert checked(capsys, "--method", "fgm", "--epochs", "2", "--set", "start_epoch=2")[0] == 1


BAD = [
    ("--method fgmm", "unknown method 'fgmm'", "did you mean 'fgm'?"),
    ("--method fgm,pgd", "--method fgm,pgd", "check takes one method"),
    ("--method fgm --set epsilonn=1", "fgm has no setting 'epsilonn'", "did you mean 'epsilon'?"),
    ("--method fgm --set epsilon=-1", "a finite number >= 0"),
    ("--precision fp8", "--precision is 'fp8'"),
    ("--metric acuracy", "unknown metric 'acuracy'"),
    ("--metric rmse", "--metric rmse is not for classification"),
    ("--task reviews --data x", "--task and --data exclude each other"),
    ("--train-file none.csv", "none.csv"),
    ("--model ''", "--model is empty"),
    ("--model ./none", "--model ./none: there is no such folder"),
    ("--trials 3", "--trials"),
]


@pytest.mark.parametrize(("line", "words"), [(line, words) for line, *words in BAD], ids=[line for line, *_ in BAD])
def test_bad_input_exits_2(line, words, capsys):
    assert_said(refused(capsys, "check", *shlex.split(line)), *words)


def test_the_figures_are_of_the_first_batch_of_training(capsys):
    _, one = checked(capsys, "--method", "fgm", "--seed", "1")
    _, again = checked(capsys, "--method", "fgm", "--seed", "1")
    _, other = checked(capsys, "--method", "fgm", "--seed", "2")
    assert values(one, "loss") == values(again, "loss") != values(other, "loss")
    assert torch.get_num_threads() == 1
