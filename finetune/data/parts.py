"""Parts of the rows: those put aside for a split that the data does not have, and those that are trained on."""

import numpy as np

from finetune.arguments import arg
from finetune.config import KindName
from finetune.tasks import KINDS
from finetune.tasks.task import Rows
from finetune.words import listed

# The split belongs to the data, not to a run: it is the same for every seed.
SPLIT_SEED = 0
# The share put aside for a split that the data does not have.
ASIDE = 0.15


def put_aside(parts: dict[str, Rows], kind: KindName, told: list[str]) -> None:
    """Cut the splits that the data does not have from the train rows, and say so: changes ``parts``."""
    rows = parts["train"]
    aside, cut = max(2, round(len(rows) * ASIDE)), []
    for name in ("test", "validation"):
        if name not in parts:
            parts["train"], parts[name] = split(parts["train"], kind, aside)
            cut.append(name)
    if cut:
        takes = "takes" if len(cut) == 1 else "take"
        what = f"{aside} of the {len(rows)} train rows are put aside for {' and as many for '.join(reversed(cut))}"
        told.append(f"{what}; {listed([arg(f'{name}_file') for name in reversed(cut)])} {takes} your own")


def split(rows: Rows, kind: KindName, aside: int) -> tuple[Rows, Rows]:
    """Put ``aside`` rows aside, evenly by stratum if every stratum has two rows; returns (rest, aside)."""
    from sklearn.model_selection import train_test_split  # takes a second to import; a refusal need not wait

    chosen = KINDS[kind].aside(rows.labels, aside, SPLIT_SEED)
    if chosen is not None:
        return rows.take(np.setdiff1d(np.arange(len(rows)), chosen)), rows.take(chosen)
    strata = KINDS[kind].strata(rows.labels)
    if strata is not None:
        counts = np.unique(strata, return_counts=True)[1]
        if counts.min() < 2 or min(aside, len(rows) - aside) < len(counts):
            strata = None
    rest, out = train_test_split(np.arange(len(rows)), test_size=aside, random_state=SPLIT_SEED, stratify=strata)
    return rows.take(np.sort(rest)), rows.take(np.sort(out))


def subset(rows: Rows, kind: KindName, count: int | None) -> Rows:
    """``count`` of the rows, stratified if possible, the same rows every time; all rows if there is no count."""
    return rows if count is None or count >= len(rows) else split(rows, kind, count)[1]
