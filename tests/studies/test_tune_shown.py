import optuna
from optuna_dashboard import get_note

from studies import tune


def loop(run):
    run.report(0.5, 0)
    return 0.25 + 0.01 * run.settings.get("rho", 0.0)


def test_a_study_of_the_own_loop_is_shown_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = tune(loop, "sam", epochs=2, trials=3, direction="minimize", metric="error|rate", progress=False)
    study = optuna.load_study(study_name=result.name, storage="sqlite:///studies.db")
    assert study.metric_names == ["error|rate"]
    body = get_note(study)
    assert r"|  | `error\|rate` | settings |" in body
    assert "3 trials finished: 3 complete" in body
    called = body.split("```\n")[1].strip()
    given = eval(called, {"tune": lambda _, **given: given, "loop": None})
    assert given == {"method": "sam", "trials": 3, "epochs": 2, "direction": "minimize", "metric": "error|rate"}
    assert study.user_attrs["data"].startswith("your own loop ")
    assert {path.suffix for path in (tmp_path / "runs" / "artifacts").iterdir()} == {""}
    assert study.trials[0].user_attrs["metrics.error|rate"] == study.trials[0].value
