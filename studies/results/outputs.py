"""Where predictions are put as they come: a table, a file of words, or a sample submission."""

from collections.abc import Callable, Sequence
from typing import IO, Any, Protocol

from finetune.data.stream import Block, Source
from finetune.data.stream_words import Sentences
from finetune.tasks.answer import Answer
from studies.results.predicted import WITH_LISTS, header, rows_with
from studies.results.sinks import Frame, Sink, sink_for
from studies.results.submission import Submission


class Output(Protocol):
    """Takes predictions, block by block."""

    def add(self, block: Block, answer: Answer) -> None:
        """Take the next rows."""

    def finish(self) -> None:
        """Write what is left."""


class TableOutput:
    """A table: columns of the file, and columns of predictions behind them.

    Args:
        source: The file that is predicted.
        kept: The places of its columns that are kept.
        form: The format; "frame" for a data frame.
        between: Between the labels or tags in one cell.
        file: Where to write; None for a data frame.
        tell: Called with lines about names that are changed.
    """

    def __init__(
        self,
        source: Source,
        kept: Sequence[int],
        form: str,
        between: str,
        file: IO[bytes] | None,
        tell: Callable[[str], None],
    ) -> None:
        self.source, self.kept, self.form, self.file, self.tell = source, kept, form, file, tell
        self.between = None if form in (*WITH_LISTS, "frame") else between
        self.sink: Sink | None = None

    def add(self, block: Block, answer: Answer) -> None:
        """Take the next rows."""
        if self.sink is None:
            notes = list[str]()
            kept = [self.source.names[place] for place in self.kept]
            names = header(kept, list(answer.columns()), self.form, notes)
            for note in notes:
                self.tell(note)
            self.sink = Frame(names) if self.file is None else sink_for(self.form, self.file, names)
        self.sink.write(rows_with(block, self.kept, answer, self.between, self.source.rowwise))

    def finish(self) -> None:
        """Write what is left."""
        if self.sink is not None:
            self.sink.close()

    @property
    def frame(self) -> Any:
        """The data frame; None if a file was written."""
        return self.sink.frame() if isinstance(self.sink, Frame) else None


class WordsOutput:
    """The lines of a file of words, with one more column.

    Args:
        source: The file that is predicted.
        file: Where to write.
    """

    def __init__(self, source: Sentences, file: IO[bytes]) -> None:
        self.source, self.file, self.tags = source, file, list[list[str]]()

    def add(self, block: Block, answer: Answer) -> None:
        """Take the next sentences."""
        self.tags += answer.predicted or []

    def finish(self) -> None:
        """Write all lines."""
        self.file.writelines(line.encode("utf-8") for line in self.source.with_tags(self.tags))


class SubmissionOutput:
    """A filled sample submission.

    Args:
        submission: The sample.
        file: Where to write.
    """

    def __init__(self, submission: Submission, file: IO[bytes]) -> None:
        self.submission, self.file = submission, file

    def add(self, block: Block, answer: Answer) -> None:
        """Take the next rows."""
        self.submission.add(answer)

    def finish(self) -> None:
        """Write the sample's rows in its order."""
        self.submission.write(self.file)
