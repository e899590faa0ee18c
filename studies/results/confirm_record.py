"""A verdict as plain values, for best.yaml."""

import math
from typing import Any

from studies.results.confirmed import Confirmed
from studies.results.further import Further
from studies.results.further_words import finding
from studies.results.parts import Gain, Parts, Step
from studies.results.side import Compared


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
    for further in found.further:
        record[f"against_{further.name}"] = further_record(found.word, further)
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
            **{f"against_{name}": compared_record(side) for name, side in test.further.items()},
        }
    if found.parts is not None:
        record["parts"] = parts_record(found.parts)
    return record


def parts_record(parts: Parts) -> dict[str, Any]:
    """The steps from the defaults to the winner, and the corners of a pair; differences are better if they are positive."""
    steps = [
        {"value_of_winner": list(step.added), "mean": None if step.value is None else rounded(step.value)}
        | {name: gain_record(gain) for name, gain in gains_of(step).items() if gain is not None}
        for step in parts.steps
    ]
    record: dict[str, Any] = {"seeds": parts.seeds, "steps": steps}
    if parts.pair is not None:
        one, other = parts.pair.settings
        gains = {one: parts.pair.first, other: parts.pair.second, "both": parts.pair.both, "beyond_sum": parts.pair.beyond}
        record["pair"] = {name: gain_record(gain) for name, gain in gains.items()}
    return record


def gains_of(step: Step) -> dict[str, Gain | None]:
    """What a configuration is better by, and than which."""
    return {"against_step_before": step.gain, "against_defaults": step.from_defaults, "against_clean": step.from_clean}


def gain_record(gain: Gain) -> dict[str, Any]:
    """A difference with its interval."""
    return {"difference": rounded(gain.mean), "over_seeds": [rounded(gain.low), rounded(gain.high)]}


def further_record(word: str, further: Further) -> dict[str, Any]:
    """A comparison beside the verdict, which has a finding instead of a word."""
    facts = {"rival": further.arm.who, "recipe": further.arm.recipe, "declared": further.declared, "seeds": further.seeds}
    found = compared_record(further.compared) | {"e_value": rounded(further.e)}
    says = finding(word, further)
    return facts | found | ({} if says is None else {"finding": says})


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
