"""How many processes train, and where. Imports nothing slow."""

from typing import Literal

from pydantic import Field

from finetune.config import Strict


class Sharing(Strict):
    """Which processes train."""

    workers: int = Field(1, ge=1, le=256, description="processes that share the trials, and the cores or GPUs (1)")
    launcher: Literal["local", "ray"] = Field(
        "local", description="where workers run: local, or ray, on the machines of a Ray cluster (local)"
    )
