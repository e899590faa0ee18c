"""Clean training: the baseline of every method, and what runs before a method's ``start_epoch``."""

from adv.core.clean import Clean

__all__ = ["Clean"]
