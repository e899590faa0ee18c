"""A part of a search: what one task of a job array searches in a database of its own. ``merge`` puts the parts together.

Part K of N has the trials K - 1, K - 1 + N, K - 1 + 2 N, ... of the whole search: the same seed gives the parts together the
starting points and the design that one search has.
"""

import re
from dataclasses import dataclass
from typing import Any

KEY = "part"
ENDING = re.compile(r"-part-(\d+)-of-(\d+)$")
FORM = "write K/N with K from 1 to N, for example 3/8 for the third of eight"


@dataclass(frozen=True)
class Part:
    """One of several parts.

    Args:
        number: Which, from 1.
        of: How many there are; one is the whole search.
    """

    number: int = 1
    of: int = 1

    @classmethod
    def read(cls, text: str | None) -> "Part":
        """Read K/N; the whole search without a text.

        Raises:
            ValueError: It is not one of several parts.
        """
        if text is None:
            return cls()
        found = re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", text)
        part = cls(*map(int, found.groups())) if found else cls(0, 0)
        if not 1 <= part.number <= part.of:
            raise ValueError(FORM)
        return part

    @classmethod
    def in_name(cls, name: str | None) -> "Part | None":
        """The part that the name of a study ends with; None if it names none."""
        found = ENDING.search(name or "")
        return None if found is None else cls(*map(int, found.groups()))

    @classmethod
    def of_study(cls, about: dict[str, Any]) -> "Part":
        """The part that a study is, by its identity."""
        return cls.read(about["search"].get(KEY))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def whole(self) -> bool:
        """Whether it is all of the search."""
        return self.of == 1

    @property
    def ending(self) -> str:
        """How the names of the part's studies end."""
        return "" if self.whole else f"-part-{self.number}-of-{self.of}"

    def named(self, name: str) -> str:
        """The name of the part's study; a name that says the part already stays."""
        return name if self.whole else f"{self.name_of_whole(name)}{self.ending}"

    def name_of_whole(self, name: str) -> str:
        """The name of the whole study, from that of the part's."""
        return name.removesuffix(self.ending)

    def place(self, number: int) -> int:
        """The number that a trial of this part has in the whole search."""
        return number * self.of + self.number - 1

    def below(self, total: int) -> int:
        """How many of the first ``total`` trials of the whole search belong to this part."""
        return len(range(self.number - 1, total, self.of))


WHOLE = Part()
