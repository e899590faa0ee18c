"""What a run has read, in a few lines, with a warning about whatever will distort the result."""

from collections import Counter, defaultdict
from itertools import islice
from typing import Any

import numpy as np

from finetune.arguments import Line, arg
from finetune.data.doubles import KNOWN, keys_of
from finetune.data.windows import told_of_words
from finetune.tasks import KINDS, kind_for
from finetune.tasks.task import Rows, Task
from finetune.tasks.tokens import BETWEEN
from finetune.words import counted, listed, share

# This many evenly spaced texts of a split are tokenised for these lines: shares are then right to a point or two.
SAMPLE = 2000
# Above this share of cut texts, the model misses what many labels depend on.
CUT = 0.2
# A pretrained tokeniser leaves well under 1 % unknown; if a fifth is unknown, the words that matter are among them.
UNKNOWN = 0.2
# Rows whose text also has another label limit the accuracy: at 5 %, it is 2 to 3 points lower.
CONTRADICTED = 0.05
# A text with at most this many letters or digits says nothing, except in scripts where a character is a word.
LETTERS = 1
EMPTY = 0.1


def reading(task: Task, tokenizer: Any, max_length: int) -> list[str]:
    """Lines about rows, classes or targets, lengths and doubles; lines about distortions begin with "warning: ".

    Args:
        task: What was read.
        tokenizer: The model's tokeniser.
        max_length: Longest text in tokens; longer texts are cut.
    """
    kind = kind_for(task)
    labels = [*kind.describe(task.train, task.names), *kind.scored(task.validation, task.names, "validation")]
    lines = [_rows(task), *labels, *_tokens(task, tokenizer, max_length), *_doubles(task), *_near_empty(task)]
    return [Line(line) for line in lines]


def _rows(task: Task) -> str:
    inside = "" if task.fold_of is None else f" in {task.folds} folds"
    ends = {name: inside * (name == "train") + " (no labels)" * (not rows.labelled) for name, rows in task.parts.items()}
    counts = [f"{len(rows)} {name}{ends[name]}" for name, rows in task.parts.items()]
    return f"rows: {', '.join(counts)}"


def _tokens(task: Task, tokenizer: Any, max_length: int) -> list[str]:
    by_word = KINDS[task.kind].by_word
    lengths, unknown = _measured(task.train, tokenizer, by_word)
    _, strange = _measured(task.validation, tokenizer, by_word)
    cut = float(np.mean(lengths > max_length))
    parts = (
        f"tokens of a train {'sentence' if by_word else 'text'}: median {int(np.median(lengths))}, longest {lengths.max()}"
    )
    off = "longer than" if by_word else "cut off by"
    seen = f"{share(unknown, 1)} in train, {share(strange, 1)} in validation" if task.fold_of is None else share(unknown, 1)
    lines = [f"{parts}; {share(cut, 1)} {off} {arg('max_length', max_length)}; unknown tokens: {seen}"]
    if by_word:
        lines += told_of_words(task, tokenizer, max_length)
    elif cut > CUT:
        most = int(np.quantile(lengths, 0.95, method="higher"))
        what = f"{share(cut, 1)} of the train texts are cut off"
        way = f"{arg('max_length', most)} keeps 95 % of them uncut; or put what matters first"
        lines.append(f"warning: {what}; {way}")
    if max(unknown, strange) > UNKNOWN:
        what = f"{share(max(unknown, strange), 1)} of the tokens are unknown to the model, which cannot tell them apart"
        lines.append(f"warning: {what}; choose a {arg('model')} for the language of these texts")
    return lines


def _measured(rows: Rows, tokenizer: Any, by_word: bool) -> tuple[np.ndarray[Any, Any], float]:
    """Lengths in tokens (uncut) of evenly spaced rows, and the share of unknown tokens, special tokens not counted."""
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(int))
    texts = [rows.texts[i] for i in chosen]
    pairs = None if rows.pairs is None else [rows.pairs[i] for i in chosen]
    if by_word:
        ids = tokenizer([text.split(BETWEEN) for text in texts], is_split_into_words=True, verbose=False)["input_ids"]
    else:
        ids = tokenizer(texts, pairs, truncation=False, verbose=False)["input_ids"]
    lengths = np.array([len(one) for one in ids])
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    tally = Counter(token for one in ids for token in one if token not in special)
    return lengths, tally[tokenizer.unk_token_id] / max(1, tally.total())


def _doubles(task: Task) -> list[str]:
    seen: dict[tuple[str, str], set[Any]] = defaultdict(set)
    for key, label in zip(keys_of(task.train), task.train.labels.tolist(), strict=True):
        seen[key].add(tuple(label) if isinstance(label, list) else label)
    lines, few, count = [], [], 0
    for name, rows in [(name, rows) for name, rows in task.parts.items() if name != "train" and rows.labelled]:
        known = sum(key in seen for key in keys_of(rows))
        what = f"{known} of {counted(len(rows), f'{name} text')} ({share(known, len(rows))})"
        if known > KNOWN * len(rows):
            way = f"the score on {name} will be too good; remove {'it' if known == 1 else 'them'} from one of the two"
            lines.append(f"warning: {what} {_also(known)}: {way}")
        elif known:
            few.append(what)
            count += known
    if few:
        lines.insert(0, f"{listed(few)} {_also(count)}")
    torn = sum(len(seen[key]) > 1 for key in keys_of(task.train))
    if torn and KINDS[task.kind].named:
        share_of = share(torn, len(task.train))
        what = f"{torn} train rows ({share_of}) have a text that has another label elsewhere in train"
        lines.append(f"warning: {what}; no model can learn them" if torn > CONTRADICTED * len(task.train) else what)
    return lines


def _also(count: int) -> str:
    return "is also a train text" if count == 1 else "are also train texts"


def _near_empty(task: Task) -> list[str]:
    lines = []
    for name, rows in task.parts.items():
        bare = sum(len(list(islice(filter(str.isalnum, text), LETTERS + 1))) <= LETTERS for text in rows.texts)
        if bare:
            some = f"{counted(bare, f'{name} text')} ({share(bare, len(rows))})"
            what = f"{some} {'is' if bare == 1 else 'are'} empty or one character long"
            rest = f"nothing can be learned from {'it' if bare == 1 else 'them'}"
            lines.append(f"warning: {what}; {rest}" if bare > EMPTY * len(rows) else what)
    return lines
