"""What a search has imported when it begins to train: all else would make the user wait."""

import json

from helpers.fresh_process import run_fresh
from helpers.places import ROOT

# At its first step, which is clean training's, the process prints what it knows and ends.
SEARCH = """
import gc, json, os, sys

def looks():
    return sum(generation["collections"] for generation in gc.get_stats())

usual = gc.get_threshold()
sys.path.insert(0, {root!r})
from finetune.training.loop import Training
import search
before = looks()

def step(*args):
    print(json.dumps([gc.get_threshold() == usual, looks() - before, *sys.modules]), flush=True)
    os._exit(0)

Training._step = step
search.run(["--method", "awp", "--trials", "2"])
"""
# What reads results, draws reports, splits files or reads large ones.
LATER = {
    *("pandas", "sklearn", "scipy.stats", "plotly", "pyarrow", "datasets", "optuna_dashboard"),
    *("studies.result", "studies.keeping", "studies.confirming", "studies.results.confirmed", "studies.report.outputs"),
}


def test_a_search_on_the_built_in_task_trains_before_it_imports_what_only_results_need(tmp_path):
    *_, line = run_fresh(SEARCH.format(root=str(ROOT)), tmp_path).splitlines()
    as_usual, looks, *modules = json.loads(line)
    assert {"torch", "optuna", "finetune.models.tiny", "studies.life"} <= set(modules)
    assert LATER & set(modules) == set()
    # Python hardly looked for garbage among what these imports make, which stays, and looks as usual from now on.
    assert as_usual
    assert looks < 300
