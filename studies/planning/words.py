"""Ranges and sizes in words: each is written here, once. Counts, shares and numbers are in ``finetune.words``."""

from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

LONGEST = 40


def wide(distribution: BaseDistribution) -> str:
    """A range as LOW:HIGH[:log], which arguments take, or the choices.

    Example:
        >>> wide(FloatDistribution(1e-4, 0.1, log=True)), wide(IntDistribution(1, 3))
        ('0.0001:0.1:log', '1:3')
        >>> wide(CategoricalDistribution(("mean", "sum")))
        'mean, sum'
    """
    if isinstance(distribution, CategoricalDistribution):
        return ", ".join(map(str, distribution.choices))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return f"{distribution.low:g}:{distribution.high:g}{':log' if distribution.log else ''}"


def from_to(distribution: BaseDistribution) -> str:
    """A range, or the choices, for use in a sentence.

    Example:
        >>> from_to(FloatDistribution(1e-4, 0.1, log=True))
        '0.0001 to 0.1, log'
    """
    if isinstance(distribution, CategoricalDistribution):
        return wide(distribution)
    return wide(distribution).replace(":log", ", log").replace(":", " to ")


def quoted(value: Any) -> str:
    """A value from any source: quoted if it is text, and never long.

    Example:
        >>> quoted(0.30000000000000004), quoted("mean"), quoted("x" * 60)
        ('0.3', "'mean'", "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...")
    """
    text = f"{value:.6g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def size(count: int) -> str:
    """Bytes in a suitable unit.

    Example:
        >>> size(0), size(940), size(12_345), size(260_000_000), size(5_100_000_000)
        ('0 B', '940 B', '12 kB', '260 MB', '5.1 GB')
    """
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        del units[0]
    return f"{value:.0f} {units[0]}" if value >= 10 or units[0] == "B" else f"{value:.1f} {units[0]}"
