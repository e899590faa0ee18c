"""Models that a search keeps: of its best trial, or of its best three."""

import shlex

from finetune.arguments import arg
from finetune.errors import UserError
from finetune.training.series import Series
from finetune.words import listed
from studies.planning.request import STORAGE
from studies.report.screen import Screen
from studies.result import Result
from studies.results.best import Best
from studies.results.export import best_of
from studies.results.handed.kept import write_cards
from studies.running.footprint import MODELS
from studies.running.keeper import KEEP, keep_only, kept_in
from studies.running.storage import public


def settle_models(result: Result, keep: str, screen: Screen, series: Series | None = None) -> None:
    """When a search has ended, keep exactly the models of its best trials; say which of them are not there.

    Args:
        result: What the search found.
        keep: "none", "best" or "top3".
        screen: Where lines are printed.
        series: The runs of a trial, with which the kept models get their cards.
    """
    if not (most := KEEP[keep]):
        return
    best = result.summary.best
    missing = keep_only(result.study, result.folder, most, None if best is None else best.number)
    there = result.folder / MODELS
    if there.is_dir():
        result.files.append(there)
    for number in kept_in(result.folder) if series is not None else ():
        kept = best_of(result.summary, number)
        if isinstance(kept, Best) and series is not None:
            try:
                write_cards(kept, series, there / f"trial-{number}")
            except UserError as error:
                screen.say(f"the model of trial {number} gets no card: {error.text}")
    if missing:
        one = len(missing) == 1
        place = "" if result.storage == STORAGE else f" {arg('storage', public(result.storage))}"
        trials = (
            f"the model of trial {missing[0]} is" if one else f"the models of trials {listed(list(map(str, missing)))} are"
        )
        why = f"not there: a search without {arg('keep', keep)} trained {'it' if one else 'them'}, or it was deleted"
        export = f"`search.py export --study {shlex.quote(result.name)} --trial {missing[0]}{place} > trial.yaml`"
        train = f"`search.py train trial.yaml --out {shlex.quote(str(there / f'trial-{missing[0]}'))}`"
        screen.say(f"{trials} {why}; {export} and {train} make {'it' if one else 'one'} again")
