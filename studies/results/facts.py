"""A study in single numbers and short texts, which a table can show and sort."""

from typing import Any

from studies.results.summary import Summary

DIRECTIONS = {True: "higher is better", False: "lower is better"}


def facts_of(summary: Summary) -> dict[str, Any]:
    """What a study is about and has found so far."""
    about, recipe, best = summary.about, summary.about["recipe"], summary.best
    rows: dict[str, Any] = {
        "method": about["method"],
        "data": task_of(about["data"]),
        "model": recipe.get("model"),
        "metric": metrics_of(summary),
        "seed": recipe["seed"],
        "clean": round(summary.clean, summary.places),
        "finished": len(summary.trials),
    }
    if best is not None and best.value is not None:
        rows |= {"best": round(best.value, summary.places), "best trial": best.number, "gain": summary.gain}
    rows |= {"front": ", ".join(str(trial.number) for trial in summary.front)} if summary.front else {}
    return {name: value for name, value in rows.items() if value is not None}


def metrics_of(summary: Summary) -> str:
    """What is searched, and in which direction."""
    both = {summary.metric: summary.maximize} | ({summary.second.metric: summary.second.maximize} if summary.second else {})
    return "; ".join(f"{metric}, {DIRECTIONS[maximize]}" for metric, maximize in both.items())


def task_of(data: dict[str, Any]) -> str:
    """Where the rows come from."""
    if "loop" in data:
        return " on ".join(["your own loop " + str(data["loop"]), *([str(data["data"])] if data.get("data") else [])])
    return str(data.get("task") or data.get("data") or data.get("train_file"))
