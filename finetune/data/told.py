"""What a run has read, in a few lines, with a warning where it will spoil the result."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from finetune.data.labels import alike
from finetune.tasks.task import Rows, Task

# So many classes are listed; of more, the largest and the smallest.
SHOWN = 8
# So many texts of a split are tokenised for these lines, evenly chosen: shares are then right to a point or two.
SAMPLE = 2000
# Above this share of cut texts the model does not see what many labels depend on.
CUT = 0.2
# A pretrained tokeniser leaves well under 1 % unknown; where a fifth is, the words that matter are among them.
UNKNOWN = 0.2
# So much of a split known from training moves its score by up to as much: more than methods differ by.
KNOWN = 0.02
# Rows whose text also has another label bound the accuracy: at 5 % by 2 to 3 points.
CONTRADICTED = 0.05
# A text with at most one letter or digit says nothing, except where a character is a word.
LETTERS = 1
EMPTY = 0.1
# Predicting one class is then right in 9 of 10 rows, and accuracy hardly moves.
MAJORITY = 0.9


def reading(task: Task, tokenizer: Any, max_length: int) -> list[str]:
    """Lines about rows, classes or targets, lengths and doubles; what spoils a result begins with "warning: ".

    Args:
        task: What was read.
        tokenizer: The model's.
        max_length: Tokens of a text that the model sees.
    """
    return [_rows(task), *_labels(task), *_tokens(task, tokenizer, max_length), *_doubles(task), *_near_empty(task)]


def splits(task: Task) -> dict[str, Rows]:
    """The splits by name."""
    return {"train": task.train, "validation": task.validation, "test": task.test}


def share(part: float, whole: float) -> str:
    """A share in per cent, never rounded to nothing or all."""
    value = 100 * part / max(whole, 1)
    if 0 < value < 0.1:
        return "under 0.1 %"
    return f"{min(value, 99.9) if part < whole else value:.3g} %"


def _rows(task: Task) -> str:
    counts = [f"{len(rows)} {name}{'' if rows.labelled else ' (no labels)'}" for name, rows in splits(task).items()]
    return f"rows: {', '.join(counts)}"


def _labels(task: Task) -> list[str]:
    if task.kind == "regression":
        parts = [
            f"{name} {column.mean():.4g} +- {column.std():.3g} ({column.min():.4g} to {column.max():.4g})"
            for name, column in zip(task.names, np.asarray(task.train.labels, np.float64).T, strict=True)
        ]
        return [f"targets, mean +- sd (range): {', '.join(parts)}"]
    tally = np.bincount(task.train.labels.astype(np.int64), minlength=len(task.names))
    counts = dict(zip(task.names, tally.tolist(), strict=True))
    lines = [f"{len(counts)} classes in train: {_listed(counts)}"]
    if same := alike(task.names, counts):
        lines.append(f"warning: classes differ by case or blanks alone: {same}")
    if without := [name for name, count in counts.items() if not count]:
        lines.append(f"warning: no train row has the class {', '.join(map(repr, without[:SHOWN]))}")
    most = max(counts, key=lambda name: counts[name])
    if counts[most] > MAJORITY * len(task.train):
        what = f"{share(counts[most], len(task.train))} of the train rows are {most!r}"
        lines.append(f"warning: {what}: always saying so is as accurate; consider --metric macro_f1 or mcc")
    return lines


def _listed(counts: dict[str, int]) -> str:
    ordered = sorted(counts, key=lambda name: -counts[name]) if len(counts) > SHOWN else list(counts)
    named = [f"{name!r} {counts[name]}" if name != name.strip() else f"{name} {counts[name]}" for name in ordered]
    return ", ".join([*named[: SHOWN - 2], "...", *named[-2:]] if len(named) > SHOWN else named)


def _tokens(task: Task, tokenizer: Any, max_length: int) -> list[str]:
    lengths, unknown = _measured(task.train, tokenizer)
    _, strange = _measured(task.validation, tokenizer)
    cut = float(np.mean(lengths > max_length))
    parts = f"tokens of a train text: median {int(np.median(lengths))}, longest {lengths.max()}"
    lines = [
        f"{parts}; {share(cut, 1)} cut off by --max-length {max_length};"
        f" unknown tokens: {share(unknown, 1)} in train, {share(strange, 1)} in validation"
    ]
    if cut > CUT:
        most = int(np.quantile(lengths, 0.95, method="higher"))
        what = f"{share(cut, 1)} of the train texts lose their ends"
        lines.append(f"warning: {what}; --max-length {most} keeps 95 % whole, or put what matters first")
    if max(unknown, strange) > UNKNOWN:
        what = f"{share(max(unknown, strange), 1)} of the tokens are unknown to the model, and all alike to it"
        lines.append(f"warning: {what}; choose a --model for the language of these texts")
    return lines


def _measured(rows: Rows, tokenizer: Any) -> tuple[np.ndarray[Any, Any], float]:
    """Lengths in tokens, uncut, of evenly chosen rows, and the share of unknown tokens among those that are text."""
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(int))
    texts = [rows.texts[i] for i in chosen]
    pairs = None if rows.pairs is None else [rows.pairs[i] for i in chosen]
    ids = tokenizer(texts, pairs, truncation=False, verbose=False)["input_ids"]
    lengths = np.array([len(one) for one in ids])
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    tally = Counter(token for one in ids for token in one if token not in special)
    return lengths, tally[tokenizer.unk_token_id] / max(1, tally.total())


def _doubles(task: Task) -> list[str]:
    seen: dict[tuple[str, str], set[Any]] = defaultdict(set)
    for key, label in zip(_keys(task.train), task.train.labels.tolist(), strict=True):
        seen[key].add(tuple(label) if isinstance(label, list) else label)
    lines, found = [], {}
    for name, rows in [(name, rows) for name, rows in splits(task).items() if name != "train" and rows.labelled]:
        known = sum(key in seen for key in _keys(rows))
        if known:
            found[name] = f"{known} of {len(rows)} {name} texts ({share(known, len(rows))})"
        if known > KNOWN * len(rows):
            what = f"{found.pop(name)} are train texts as well"
            lines.append(f"warning: {what}: the score on {name} is too good; take them out of one of the two")
    if found:
        lines.insert(0, f"{' and '.join(found.values())} are train texts as well")
    torn = sum(len(seen[key]) > 1 for key in _keys(task.train))
    if torn and task.kind == "classification":
        what = f"{torn} train rows ({share(torn, len(task.train))}) have a text that has another label elsewhere in train"
        lines.append(f"warning: {what}; no model can learn them" if torn > CONTRADICTED * len(task.train) else what)
    return lines


def _keys(rows: Rows) -> Iterable[tuple[str, str]]:
    """Texts without what changes nothing: case and blanks."""
    pairs: Sequence[str] = rows.pairs or [""] * len(rows)
    return [(" ".join(a.casefold().split()), " ".join(b.casefold().split())) for a, b in zip(rows.texts, pairs, strict=True)]


def _near_empty(task: Task) -> list[str]:
    lines = []
    for name, rows in splits(task).items():
        bare = sum(sum(letter.isalnum() for letter in text) <= LETTERS for text in rows.texts)
        if bare:
            what = f"{bare} {name} texts ({share(bare, len(rows))}) are empty or one character long"
            lines.append(f"warning: {what}; nothing can be learned from them" if bare > EMPTY * len(rows) else what)
    return lines
