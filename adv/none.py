"""Clean training: the baseline that every method is measured against, and what a method is before its start."""

from adv.core.clean import Clean

__all__ = ["Clean"]
