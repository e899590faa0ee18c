"""A verdict as plain values, for best.yaml."""

import math
from typing import Any

from studies.results.confirmed import Compared, Confirmed


def record_of(found: Confirmed) -> dict[str, Any]:
    """The verdict with its numbers; what is not known is left out."""
    record: dict[str, Any] = {
        "winner": found.winner.who,
        "settings": found.winner.settings | found.winner.recipe,
        "verdict": found.word if found.judgement.decided else "none yet",
        "why": found.judgement.why,
        "seeds": found.seeds,
        "first_seed": found.first,
        "means": {who: rounded(value) for who, value in found.values.items() if math.isfinite(value)},
        "against_clean": compared_record(found.clean),
    }
    if found.control is not None:
        record["against_control"] = {"verdict": found.control.word} | compared_record(found.control)
    if found.optimism is not None:
        record["optimism_of_search"] = rounded(found.optimism)
    if found.test is not None:
        test = found.test
        record["test"] = {
            "read": test.time,
            "rows": test.rows,
            "seeds": test.seeds,
            "mean": rounded(test.winner),
            "clean": rounded(test.clean),
            "against_clean": compared_record(test.clean_difference),
        }
    return record


def compared_record(against: Compared) -> dict[str, Any]:
    """A comparison; its interval is over seeds and rows if that is known, else over seeds."""
    ends = {"over_seeds": (against.low, against.high), "over_seeds_and_rows": (against.rows_low, against.rows_high)}
    both = {name: pair for name, pair in ends.items() if None not in pair}
    known = {name: [rounded(end) for end in pair if end is not None] for name, pair in both.items()}
    spread = {} if math.isnan(against.sd) else {"sd": rounded(against.sd)}
    return {"difference": rounded(against.mean), **known, **spread, "p_better": rounded(against.p_better)}


def rounded(value: float) -> float:
    """Six significant digits: more would pretend."""
    return float(f"{value:.6g}")
