"""What further rivals of a winner say about its gain, in sentences."""

from collections.abc import Sequence

from finetune.words import listed
from studies.results.further import Further

# The other reason that a gain may have, by the rival that shows it.
OTHERWISE = {"compute": "training longer", "tuned": "tuning the recipe"}


def named(further: Further) -> str:
    """The rival in a sentence: a tuned recipe is too long for one."""
    return "tuned clean training" if further.name == "tuned" else further.arm.who


def finding(word: str, further: Further) -> str | None:
    """What a rival says about the winner; None if there is nothing to say, or on so few seeds that nothing can be said.

    Args:
        word: The verdict against clean training.
        further: The comparison with the rival.
    """
    who, why = named(further), OTHERWISE[further.name]
    if further.place == "too few seeds":
        return None
    if further.place == "behind":
        return f"{who[0].upper()}{who[1:]} does better than the winner: {why} gains more than the attack."
    if word != "better":
        return None
    if further.place == "ahead":
        return f"It also beats {who}: the gain is more than {why} gives."
    if further.place == "level":
        return f"{who[0].upper()}{who[1:]} does as well: the gain only matches {why}."
    if further.place == "not shown":
        return f"It was not shown to beat {who}: the gain may come from {why} alone."
    return f"It is ahead of {who}, on too little evidence to say that the gain is more than {why} gives."


def but(found: Sequence[Further]) -> str:
    """What the first sentence about a gain must not leave out; empty if every rival is behind the winner."""
    reached = [named(each) for each in found if each.place in ("level", "behind")]
    unshown = [named(each) for each in found if each.place == "not shown"]
    parts = [f"{listed(reached)} {'does' if len(reached) == 1 else 'do'} as well or better"] if reached else []
    parts += [f"it was not shown to beat {listed(unshown, 'or')}"] if unshown else []
    return f", but {' and '.join(parts)}" if parts else ""


def aside(further: Further, seeds: int) -> str:
    """How a comparison stands to the verdict.

    Args:
        further: The comparison.
        seeds: Seeds of the verdict.
    """
    kind = "beside the verdict" if further.declared else "beside the verdict, asked for when it had begun"
    return kind if further.seeds == seeds else f"{kind}, {further.seeds} of {seeds} seeds so far"
