"""Character noise: texts as hurried people type them, from a seed, in any script."""

from dataclasses import replace

import numpy as np
import regex

from finetune.tasks.task import Rows

# Each character is changed with this probability.
SHARE = 0.05
SEED = 0


def noisy(rows: Rows) -> Rows:
    """The rows with noise in all texts; the same rows always get the same noise."""
    pairs = None if rows.pairs is None else [misspelt(text, (SEED, row, 1)) for row, text in enumerate(rows.pairs)]
    return replace(rows, texts=[misspelt(text, (SEED, row, 0)) for row, text in enumerate(rows.texts)], pairs=pairs)


def misspelt(text: str, seed: tuple[int, ...], share: float = SHARE) -> str:
    """The text with about this share of its characters swapped with the next one, left out, or typed twice.

    A character is what a person sees as one: an emoji with its joiners, or a letter with its marks, stays whole. Blanks and
    words stay too: the last character of a word is not swapped with what follows, and the only one is not left out; they
    are typed twice instead.

    Args:
        text: Any text.
        seed: Of the noise.
        share: Probability of a change, for each character that is not a blank.

    Example:
        >>> misspelt("a truly wonderful film, as far as it goes", (0, 3), share=0.1)
        'a truly onderful film, as far as t gose'
    """
    characters = regex.findall(r"\X", text)
    rng = np.random.default_rng(seed)
    chosen = np.flatnonzero(rng.random(len(characters)) < share)
    ways = rng.integers(3, size=len(chosen))
    # A blank with a mark is a blank, and so is a mark that joins the blank behind it.
    word = [not any(map(str.isspace, one)) for one in [*characters, " "]]
    beyond = 0  # what lies before is done: a character that was swapped is not changed again
    for place, way in zip(chosen.tolist(), ways.tolist(), strict=True):
        here = characters[place]
        if place < beyond or not word[place]:
            continue
        # What was left out before is no neighbour.
        before, after = place > 0 and word[place - 1] and characters[place - 1] != "", word[place + 1]
        if way == 0 and after:
            characters[place : place + 2] = characters[place + 1], here
            beyond = place + 2
        elif way == 1 and (before or after):
            characters[place] = ""
        else:
            characters[place] = here + here
    return "".join(characters)
