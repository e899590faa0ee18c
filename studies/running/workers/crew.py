"""The workers of a search: started, given tasks, started again if they are killed, and told to end."""

import queue
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

from finetune.arguments import arg
from finetune.errors import UserError
from finetune.words import counted
from studies.running.workers.worker import GRACE, Task, reason_of

# How often a worker that finishes nothing in between is started again.
LIVES = 3
Event = tuple[Any, ...]


class Placed(Protocol):
    """A worker somewhere."""

    def send(self, *message: Any) -> None:
        """Send a message."""

    def close(self) -> None:
        """Tell it to end."""

    def join(self, seconds: float) -> bool:
        """Wait until it has ended; returns whether it has."""

    def kill(self) -> None:
        """End it at once."""


@dataclass
class Member:
    """A place in a crew.

    Args:
        number: Its number, from 1.
        placed: The worker; None if there is none any more.
        asked: Tasks that it was given and has not answered, the first one first.
        started: Whether it has answered one.
        unfit: Why it cannot work.
        lives: How often it may still be started again.
        begun: How often a worker was started here.
    """

    number: int
    placed: Placed | None = None
    asked: deque[bytes] = field(default_factory=deque)
    started: bool = False
    unfit: str = ""
    lives: int = LIVES
    begun: int = 0


class Crew:
    """The workers of a search.

    Args:
        size: How many.
        place: Starts a worker, by its number from 1; the function is called with its events, in a thread.
        say: Called with a line about a worker that ended.
        lines: Said when the first worker starts.
        ending: Called when all workers have ended.
        abreast: How many of them compute at full speed at once; by default all.
    """

    def __init__(
        self,
        size: int,
        place: Callable[[int, Callable[[Event], None]], Placed],
        say: Callable[[str], None],
        lines: Sequence[str] = (),
        ending: Callable[[], None] = lambda: None,
        abreast: int | None = None,
    ) -> None:
        self.abreast = size if abreast is None else abreast
        self.members = [Member(number) for number in range(1, size + 1)]
        self.place, self.say, self._lines, self._ending = place, say, list(lines), ending
        self._events = queue.Queue[tuple[Member, int, Event]]()
        self._ready, self._task, self._again = list[bytes](), b"", True
        self._why = ""

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
        self._ending()

    @property
    def there(self) -> list[Member]:
        """The members that have a worker."""
        return [member for member in self.members if member.placed is not None]

    def ready(self, task: Task) -> None:
        """Have every worker, also one that is started later, get something ready; does not wait.

        Raises:
            UserError: The task cannot be sent.
        """
        self._ready.append(packed(task))
        while self._lines:
            self.say(self._lines.pop(0))
        for member in self.members:
            if member.placed is None and not member.unfit:
                self._begin(member)
            else:
                self._ask(member, "ready", self._ready[-1])

    def run(self, task: Task) -> Iterator[Event]:
        """Have all workers do a task, and yield what they report until the last has done it.

        If a worker is killed, the others look again whether something is left to do, and it is started again.

        Raises:
            UserError: The task cannot be sent, or no worker is left.
        """
        self._task, self._again = packed(task), True
        for member in self.there:
            self._ask(member, "run", self._task)
        while self._busy():
            member, begun, event = self._events.get()
            if begun == member.begun:  # none of a worker that was replaced since
                yield from self._seen(member, event)
        self._task = b""
        if not self.there:
            raise UserError(f"no worker is left, so nothing can be trained: {self._why}")

    def _busy(self) -> bool:
        """Whether a worker is at work; one that has not started yet is waited for only if no other has."""
        started = [member for member in self.there if member.started]
        return any(member.asked for member in started or self.there)

    def finish(self) -> None:
        """Let the workers finish their trials and begin no other."""
        self._again = False  # nor does a worker that is started again
        for member in self.there:
            assert member.placed is not None
            member.placed.send("last", b"")

    def close(self) -> None:
        """End all workers: each puts back its trial; one that takes too long is killed."""
        workers = [member.placed for member in self.there if member.placed is not None]
        try:
            for worker in workers:
                worker.close()
            end = time.monotonic() + GRACE
            for worker in workers:
                if not worker.join(max(0.0, end - time.monotonic())):
                    worker.kill()
        except BaseException:  # Ctrl-C again
            for worker in workers:
                worker.kill()
            raise
        finally:
            for member in self.members:
                member.placed = None

    def _begin(self, member: Member) -> None:
        """Start a worker, and give it what the others have."""
        member.begun, member.asked, member.started = member.begun + 1, deque(), False
        begun = member.begun
        member.placed = self.place(member.number, lambda event: self._events.put((member, begun, event)))
        for task in self._ready:
            self._ask(member, "ready", task)
        if self._task and self._again:
            self._ask(member, "run", self._task)

    def _ask(self, member: Member, kind: str, task: bytes) -> None:
        if member.placed is not None:
            member.asked.append(task)
            member.placed.send(kind, task)

    def _seen(self, member: Member, event: Event) -> Iterator[Event]:
        """Take note of an event; yields it if it is about the task."""
        match event:
            case ("done", _):
                member.asked.popleft()
                member.started = True
            case ("unfit", str(why)):
                member.unfit = why
            case ("gone", str(why), bool(killed)):
                self._gone(member, member.unfit or why, killed)
            case ("output", str(text)):
                yield "output", f"worker {member.number}: {text}"
            case _:
                if event[0] == "finished":
                    member.lives = LIVES
                if member.asked[0] in (self._task, *self._ready):  # not a task that the others have done meanwhile
                    yield event
                if event[0] == "refused":
                    member.asked.popleft()

    def _gone(self, member: Member, why: str, killed: bool) -> None:
        """A worker has ended by itself: say it, start another in its place, and let the others look what it has left."""
        name, worked, self._why = f"worker {member.number}", member.started, why
        member.placed = None
        if member.unfit or not (member.started or killed):
            member.unfit = why
            self.say(f"{name} cannot work: {why}; {self._others()}")
        elif not member.lives:
            member.unfit = why
            self.say(f"{name} has ended {LIVES + 1} times without finishing a trial ({why}); {self._others()}")
        else:
            member.lives -= 1
            left = "what it was training goes on from its last epoch, and it" if self._task and worked else "it"
            self.say(f"{name} has ended ({why}): {left} is started again")
            self._begin(member)
        if worked and self._task and self._again:
            for other in self.there:
                if other is not member and not other.asked:
                    self._ask(other, "run", self._task)

    def _others(self) -> str:
        left = len(self.there)
        return f"{counted(left, 'worker')} left" if left else "no other is left"


def packed(task: Task) -> bytes:
    """A task as bytes, with functions of a script or notebook in them.

    Raises:
        UserError: It holds something that cannot be sent to another process.
    """
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(task))
    except Exception as error:
        why = reason_of(error)
        raise UserError(
            f"{arg('workers')}: what is to be trained cannot be sent to another process ({why}); open files and connections "
            f"inside the function, or give {arg('workers', 1)}"
        ) from None
