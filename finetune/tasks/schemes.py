"""Tags of words: how they are written, and which scheme marks the entities.

A tag is O, or a prefix that says where in an entity the word is and, after a hyphen, the entity's type: B-person. The same
letters stand for the same places in all schemes; L and M are written E and I, and U and W are written S, for seqeval.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

OUTSIDE = "O"
PREFIXES = "BIESLUMW"
TAG = re.compile(rf"([{PREFIXES}])(?:-(.+))?", re.DOTALL)
# What other files write for B-person: b-person, B_person, person-B.
FIRST = re.compile(rf"([{PREFIXES}])(?:[-_](.+))?", re.DOTALL | re.IGNORECASE)
LAST = re.compile(rf"(.+)[-_]([{PREFIXES}])", re.DOTALL)
# The letters that seqeval knows.
SEQEVAL = str.maketrans("LUMW", "ESIS")
# Letters that occur together.
SETS = (set("BI"), set("IE"), set("BIES"), set("BILU"), set("BMES"), set("BMEW"))
# The order of the classes of one type.
ORDER = "BIMELSUW"


@dataclass(frozen=True)
class Written:
    """How the tags of a data set are written.

    Args:
        plain: Whether they are whole: no prefixes, so no entities.
        renamed: Tags that are written in another way, and the usual way to write them.
        mixed: Tags without a prefix, though others have one; then nothing else is known.
    """

    plain: bool
    renamed: dict[str, str]
    mixed: tuple[str, ...] = ()


def written(tags: Iterable[str]) -> Written:
    """How the tags of a data set are written.

    Example:
        >>> written(["O", "B-person", "I-person"]).plain, written(["NOUN", "VERB"]).plain
        (False, True)
        >>> written(["o", "b_person", "I_person"]).renamed
        {'I_person': 'I-person', 'b_person': 'B-person', 'o': 'O'}
        >>> written(["O", "B-person", "I-person", "person"]).mixed
        ('person',)
    """
    known = sorted(set(tags))
    rest = [tag for tag in known if tag not in (OUTSIDE, OUTSIDE.lower())]
    ways: list[tuple[re.Pattern[str], Callable[[re.Match[str]], tuple[str, str | None]]]] = [
        (FIRST, lambda found: (found[1].upper(), found[2])),
        (LAST, lambda found: (found[2], found[1])),
    ]
    for pattern, parts in ways:
        matches = {tag: found for tag in rest if (found := pattern.fullmatch(tag))}
        letters = {parts(found)[0] for found in matches.values()}
        if len(matches) < len(rest) or not _marks(letters, len(rest) < len(known)):
            continue
        usual = {tag: "-".join(part for part in parts(found) if part) for tag, found in matches.items()}
        usual |= {tag: OUTSIDE for tag in known if tag not in rest}
        return Written(False, {tag: name for tag, name in sorted(usual.items()) if tag != name})
    typed = {tag for tag in rest if (found := TAG.fullmatch(tag)) and found[2]}
    if any(tag[0] == "B" for tag in typed) and OUTSIDE in known:
        return Written(True, {}, tuple(tag for tag in rest if tag not in typed))
    return Written(True, {})


def _marks(letters: set[str], outside: bool) -> bool:
    """Whether prefixes with these letters mark entities, and are no chance of names such as those of word classes."""
    if not any(letters <= one for one in SETS):
        return False
    return bool(letters & {"B", "I"}) if outside else "B" in letters and len(letters) > 1


@cache
def parted(names: tuple[str, ...]) -> tuple[tuple[str, str], ...] | None:
    """The prefix, as seqeval writes it, and the type of each tag; None if the tags are plain.

    Example:
        >>> parted(("O", "B-person", "L-person"))
        (('O', ''), ('B', 'person'), ('E', 'person'))
    """
    if written(names) != Written(False, {}):
        return None
    found = [TAG.fullmatch(name) for name in names]
    return tuple((one[1].translate(SEQEVAL), one[2] or "") if one else (OUTSIDE, "") for one in found)


def scheme_of(names: tuple[str, ...]) -> str:
    """The name of seqeval's scheme for tags with prefixes. IOB1 and IOE1 are rewritten when they are read.

    Example:
        >>> scheme_of(("O", "B-person", "I-person")), scheme_of(("O", "S-person", "B-person", "E-person"))
        ('IOB2', 'IOBES')
    """
    letters = {prefix for prefix, _ in parted(names) or ()} - {OUTSIDE}
    if letters == {"I"}:
        return "IOB1"  # without B, neighbours of one type are one entity
    if letters <= {"B", "I"}:
        return "IOB2"
    return "IOE2" if letters <= {"I", "E"} else "IOBES"


def told_of(names: tuple[str, ...]) -> str:
    """The name of the scheme as the file writes it.

    Example:
        >>> told_of(("O", "U-person", "B-person", "L-person")), told_of(("O", "B-x", "M-x", "E-x", "S-x"))
        ('BILOU', 'BMES')
    """
    letters = {found[1] for name in names if (found := TAG.fullmatch(name))}
    if letters & {"L", "U"}:
        return "BILOU"
    return ("BMEW" if "W" in letters else "BMES") if letters & {"M", "W"} else scheme_of(names)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Tags in order: O first, then type by type; plain tags in alphabetical order."""

    def place(tag: str) -> tuple[int, str, int]:
        found = TAG.fullmatch(tag)
        return (1, found[2] or "", ORDER.index(found[1])) if found else (0, tag, 0)

    known = set(names)
    return tuple(sorted(known, key=None if written(known).plain else place))


def without_begin(tags: Sequence[str]) -> tuple[int, int]:
    """Of one sentence: I- tags that begin an entity, and B- tags that do not stand right behind an entity of their type."""
    alone, free, before = 0, 0, OUTSIDE
    for tag in tags:
        same = before[1:] == tag[1:] and before != OUTSIDE
        alone += tag[0] == "I" and not same
        free += tag[0] == "B" and not same
        before = tag
    return alone, free


def begun(tags: Sequence[str]) -> list[str]:
    """IOB1 as IOB2: every entity begins with B.

    Example:
        >>> begun(["I-place", "I-place", "B-place", "O", "I-person"])
        ['B-place', 'I-place', 'B-place', 'O', 'B-person']
    """
    found, before = [], OUTSIDE
    for tag in tags:
        begins = tag[0] == "I" and (before == OUTSIDE or before[1:] != tag[1:])
        found.append("B" + tag[1:] if begins else tag)
        before = tag
    return found
