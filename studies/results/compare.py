"""Studies side by side: which can be compared, and what each found at what cost."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from finetune.tasks.own_metric import SOURCE
from studies.planning.identity import completed, folds_of
from studies.planning.versions import changes
from studies.results.folded import seeds_told
from studies.results.several import Row, row_of
from studies.results.summary import Summary

# Fields of an identity that decide what a value means, besides the data and the recipe.
DECIDE = ("metric", "direction", SOURCE, "model fingerprint")
WORDS = ("better", "worse", "not separable")


@dataclass(frozen=True)
class Proven:
    """What a confirmation found: the best settings against clean training on seeds of its own.

    Args:
        word: "better", "worse" or "not separable".
        mean: The mean difference; positive is better.
        low: The lower end of its interval over seeds; None if it has none.
        high: The upper end.
        seeds: How many seeds.
        decided: Whether the confirmation has ended.
    """

    word: str
    mean: float
    low: float | None
    high: float | None
    seeds: int
    decided: bool


@dataclass(frozen=True)
class Entry:
    """One study.

    Args:
        label: Its method; its name if two of the studies have that method.
        row: Its best trial and what it cost.
        proven: What its confirmation found; None if it was not confirmed.
    """

    label: str
    row: Row
    proven: Proven | None

    @property
    def summary(self) -> Summary:
        """The study's summary."""
        return self.row.summary

    @property
    def name(self) -> str:
        """The study's name."""
        return self.summary.study.study_name


@dataclass(frozen=True)
class SideBySide:
    """Studies that can be compared, the best trial first.

    Args:
        entries: The studies.
        left_out: A sentence for each study that was left out.
    """

    entries: list[Entry]
    left_out: list[str]

    @property
    def first(self) -> Summary:
        """A summary, for what all share."""
        return self.entries[0].summary

    @property
    def remarks(self) -> list[str]:
        """How far the table can be trusted."""
        lines = [self.answer] if self.answer else []
        if unproven := [entry.label for entry in self.entries if entry.proven is None]:
            every = len(unproven) == len(self.entries)
            who = "No study was confirmed" if every else f"Not confirmed: {', '.join(unproven)}"
            luck = f"on {seeds_told(self.first)}: a part of each is luck, small differences are noise"
            lines.append(f"{who}. Gains are the best trial {luck}.")
        if len(self.entries) > len(unproven):
            lines.append(
                "Confirmed differences are of the best settings against clean training, means over fresh seeds with 95 %"
                " intervals. They are about these settings on this split, not about the method."
            )
        told_by = {entry.summary.shown(entry.summary.clean) for entry in self.entries}
        if len(told_by) > 1:
            each = ", ".join(f"{entry.summary.shown(entry.summary.clean)} in {entry.name}" for entry in self.entries)
            lines.append(f"Clean training differs between the studies ({each}); each gain is against the study's own.")
        return [*lines, *self.odd, *self.left_out]

    @property
    def answer(self) -> str:
        """What the confirmations found, in one sentence; empty without any."""
        ended = [entry for entry in self.entries if entry.proven and entry.proven.decided]
        words = {word: [e.label for e in ended if e.proven and e.proven.word == word] for word in WORDS}
        parts = [f"{', '.join(labels)} {word}" for word, labels in words.items() if labels]
        return f"Confirmed against clean training: {'; '.join(parts)}." if parts else ""

    @property
    def odd(self) -> list[str]:
        """Differences that forbid no comparison but may explain one."""
        lines, mine = [], self.first.about
        for entry in self.entries[1:]:
            if changed := changes(entry.summary.about["versions"], mine["versions"]):
                named = ", ".join(f"{package} {one} and {other}" for package, (one, other) in changed.items())
                lines.append(f"{entry.name} and {self.entries[0].name} were made under different versions: {named}.")
            device, other = mine.get("device"), entry.summary.about.get("device")
            if device and other and device != other:
                lines.append(f"{entry.name} ran on {other}, {self.entries[0].name} on {device}: seconds do not compare.")
        return lines


def side_by_side(summaries: Sequence[Summary], left_out: Sequence[str] = ()) -> SideBySide:
    """Put studies side by side.

    Args:
        summaries: Summaries of studies that can be compared, at least one.
        left_out: A sentence for each study that cannot be.
    """
    tally = Counter(summary.about["method"] for summary in summaries)
    entries = []
    for summary in summaries:
        method = str(summary.about["method"])
        label = method if tally[method] == 1 else summary.study.study_name
        entries.append(Entry(label, row_of(method, summary, {}), proven(summary)))
    sign = -1 if summaries[0].maximize else 1
    ranked = sorted(entries, key=lambda e: (e.row.value is None, 0.0 if e.row.value is None else sign * e.row.value))
    return SideBySide(ranked, list(left_out))


def proven(summary: Summary) -> Proven | None:
    """What the study's confirmation found; None if there is none, or none of its seeds is complete."""
    found = summary.confirmed
    if found is None:
        return None
    against = found.clean
    return Proven(found.word, against.mean, against.low, against.high, found.seeds, found.judgement.decided)


def apart(first: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Why values of two studies cannot be compared, a phrase for each difference; empty if they can.

    Methods, ranges, fixed settings and numbers of trials may differ. A field that an older study does not have is no
    difference.

    Args:
        first: The identity of one study.
        other: The identity of the other.
    """
    mine, theirs = meaning(first), meaning(other)
    phrases = []
    for name in dict.fromkeys([*mine, *theirs]):
        here, there = mine.get(name), theirs.get(name)
        both = name in mine and name in theirs and (here is not None or there is not None)
        if both and here != there:
            phrases.append(f"{name} is {there!r}, not {here!r}")
    return phrases


def meaning(about: dict[str, Any]) -> dict[str, Any]:
    """Everything that decides what a value means, by name."""
    whole = completed(about)
    found = {name: whole[name] for name in DECIDE if whole.get(name) is not None}
    data = {f"data.{name}": value for name, value in whole["data"].items()}
    if whole.get("data fingerprint") is not None:  # the same rows may lie in another file
        data = {"data fingerprint": whole["data fingerprint"]}
    runs = {f"folds.{name}": value for name, value in folds_of(about).model_dump(mode="json").items()}
    return found | data | runs | {f"recipe.{name}": value for name, value in whole["recipe"].items()}
