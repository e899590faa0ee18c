"""What a confirmation is asked for. Imports nothing slow."""

from typing import Any, Literal, TypeAlias, get_args

from pydantic import Field, field_validator

from studies.planning.sharing import Sharing

Against: TypeAlias = Literal["clean", "tuned", "compute"]
AGAINST = (
    "also clean training that is tuned with as many trials (tuned), or trained longer with the same compute (compute); "
    "clean training itself always is a rival (clean)"
)


class ConfirmRequest(Sharing):
    """How to confirm."""

    seeds: int = Field(30, ge=1, le=1000, description="the verdict takes at most this many seeds (30)")
    race: int = Field(12, ge=0, le=1000, description="configurations that race to be the winner; 0: the best trial (12)")
    smallest: float | None = Field(None, gt=0, description="the smallest difference that matters to you")
    parts: int = Field(8, ge=0, le=1000, description="seeds of the runs that take the winner apart; 0: none (8)")
    against: tuple[Against, ...] = Field(("clean",), description=AGAINST)

    @field_validator("against", mode="before")
    @classmethod
    def _some(cls, value: Any) -> Any:
        """One name is as good as a list of one."""
        names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple | set) else value
        if not isinstance(names, tuple) or not names:
            raise ValueError(f"name one or several of {', '.join(get_args(Against))}")
        return names
