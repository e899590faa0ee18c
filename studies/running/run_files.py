"""Files of runs that are judged together: what has ended, where the others stand, and which process trains them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout


@dataclass(frozen=True)
class RunFiles:
    """The files of the runs of one trial, or of clean training.

    Args:
        folder: Where they are.
        name: How their names begin: "trial-7".
    """

    folder: Path
    name: str

    def ended(self, number: int) -> Path:
        """The file of a run that has ended: its evaluations and predictions."""
        return self.folder / f"{self.name}-run-{number}.safetensors"

    def state(self, number: int) -> Path:
        """The snapshot of a run that has not."""
        return self.folder / f"{self.name}-run-{number}-state.safetensors"

    @contextmanager
    def claimed(self, number: int) -> Iterator[bool]:
        """Claim a run for this process, if no other has it; the system drops the claim of a process that is killed.

        Yields:
            Whether this process has it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._lock(number))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def clear(self, runs: int, ended: bool = True) -> None:
        """Delete the files of so many runs.

        Args:
            runs: How many.
            ended: Whether also those of runs that have ended.
        """
        for number in range(runs):
            for path in (self.state(number), self._lock(number), *([self.ended(number)] if ended else [])):
                path.unlink(missing_ok=True)

    def _lock(self, number: int) -> Path:
        return self.folder / f"{self.name}-run-{number}.lock"
