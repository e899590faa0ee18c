"""Predict a file with saved models: everything is checked first, then it is predicted block by block."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.arguments import Line, arg
from finetune.config import checked
from finetune.data.ask import columns_in, told_of_empty
from finetune.data.stream import Source, source_of
from finetune.data.stream_word_rows import gathered_source
from finetune.data.stream_words import Sentences, sentences_of
from finetune.errors import UserError, near, writing
from finetune.tasks.means import refuse_mean
from finetune.training.members import together
from finetune.training.saved import chosen_of, kind_of
from finetune.words import counted
from studies.planning.predict_request import OUT, SUBMISSION, PredictRequest, data_of, refuse_idle, refuse_swapped
from studies.report.bar import moving
from studies.report.screen import Screen
from studies.results.asked_models import AskedModels, found
from studies.results.outputs import Output, SubmissionOutput, TableOutput, WordsOutput
from studies.results.predicted import kept_columns, separator_for
from studies.results.sinks import DELIMITERS, STDOUT, format_for, on_stdout, packed, replacing
from studies.results.submission import Submission
from studies.results.survey import labels_in, scores_of, surveyed
from studies.results.template import Matching, Template, read_template

# Seconds between two lines of progress where no bar can move.
EVERY = 10.0
# Arguments that take one name or several.
SEVERAL = ("id_column", "label_column")


@dataclass(frozen=True)
class Predicted:
    """What was predicted.

    Args:
        rows: How many rows.
        path: The file that was written; None if there is none.
        frame: The predictions as a data frame; None if they were written.
        scores: Every metric, if the file has labels.
    """

    rows: int
    path: Path | None
    frame: Any
    scores: dict[str, float]


def predict(
    models: str | Path | Sequence[str | Path],
    file: str | Path,
    *,
    out: str | Path | None = None,
    progress: bool = True,
    **arguments: Any,
) -> Any:
    """Predict a file with saved models: the columns of the file without its texts, and the predictions.

    Args:
        models: A folder of a saved model, of folds, or of an ensemble; or several, whose mean predicts.
        file: The rows: CSV, TSV, JSON lines, Parquet, or words one a line; with labels or without.
        out: A file to write; by default the predictions are returned.
        progress: Whether to print what is done.
        **arguments: The command's options, with underscores in their names: ``mean``, ``format``, ``template``,
            ``id_column``, ``values``, ``text_column``, ``pair_column``, ``label_column``, ``delimiter``, ``quoting``,
            ``encoding``.

    Returns:
        A data frame; with ``out`` or ``template`` the path of the file that was written.

    Raises:
        UserError: Something does not fit; the message says what, and what would be right.
    """
    several = [models] if isinstance(models, str | Path) else models
    given = arguments | {"models": tuple(map(str, several)), "file": str(file)}
    given |= {} if out is None else {"out": str(out)}
    found = predicted(given, Screen.of(progress), frame=out is None and "template" not in arguments)
    return found.path if found.frame is None else found.frame


def predicted(arguments: dict[str, Any], screen: Screen, frame: bool = False) -> Predicted:
    """The work that ``predict`` and the command share."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in arguments.items()}
    values |= {name: (value,) for name, value in values.items() if name in SEVERAL and isinstance(value, str)}
    return Prediction(checked(PredictRequest, values), screen, frame).run()


class Prediction:
    """One call of ``predict``, checked before a model is loaded.

    Args:
        request: What is asked for.
        screen: Where lines are printed.
        frame: Whether a data frame is wanted, not a file.

    Raises:
        UserError: Models, file, columns or output do not fit.
    """

    def __init__(self, request: PredictRequest, screen: Screen, frame: bool = False) -> None:
        refuse_idle(request)
        refuse_swapped(request)
        self.request, self.screen, self.to_frame = request, screen, frame
        self.members = together([Path(name).expanduser() for name in request.models])
        self.known = self.members.first
        self.kind, self.names = kind_of(self.known), self.known.names
        refuse_mean(self.kind, request.mean)
        self.chosen, line = chosen_of(self.members)
        self.notes = [line] if line else []
        self.data = data_of(request, self.known.data, self.known.pairs)
        self.source = self._source(Path(request.file).expanduser())
        self.notes += self.source.notes
        self.columns, self.data = columns_in(self.source, self.data, self.kind, self.notes)
        self._refuse_id_columns()
        self.between = " " if self.kind.by_word else separator_for(self.names, self.data.label_separator)
        out = request.out or (SUBMISSION if request.template else OUT)
        self.out = STDOUT if on_stdout(out) else out
        form = "submission" if request.template else request.format
        self.form = "frame" if frame else format_for(self.out, form)
        self._refuse_output()
        template = self._template()
        ids = [] if template is None else [self.source.names.index(name) for name in template.id_names]
        self.survey = surveyed(self.source, self.columns, self.kind, self.names, ids)
        self.notes += told_of_empty(self.survey.rows, self.survey.empty, self.source.path.name)
        self.submission: Submission | None = None
        if template is not None:
            keys, name = self.survey.keys, self.source.path.name
            self.submission = Submission(template, self.names, keys, self.survey.rows, name, self.between)
            self.notes += [*template.notes, *self.submission.notes]
        self.labels, reason = labels_in(self.survey, self.source, self.data, self.kind, self.names)
        if reason:
            self.notes.append(Line(f"{self.source.path.name} is not scored: {getattr(reason, 'text', reason)}"))

    def _source(self, path: Path) -> Source:
        if path.is_dir():
            raise UserError(f"{path} is a folder; name the file to predict")
        sentences = sentences_of(path, self.data) if self.kind.by_word else None
        if sentences is None:
            source = source_of(path, self.data)
            return gathered_source(source, self.data) if self.kind.by_word else source
        words, *tags = sentences.names
        self.data = self.data.model_copy(update={"text_column": words, "label_column": tuple(tags) or ("label",)})
        return sentences

    def _refuse_id_columns(self) -> None:
        for name in self.request.id_column or ():
            where, times = arg("id_column", name), self.source.names.count(name)
            if times > 1:
                raise UserError(f"{where}: {self.source.path} has {times} columns of that name; rename all but one")
            if not times:
                way = near(name, filter(None, self.source.names))
                raise UserError(f"{where}: {self.source.path} has no such column{way}")

    def _refuse_output(self) -> None:
        if self.to_frame:
            return
        where, out = arg("out", self.out), Path(self.out).expanduser()
        inputs = {"the file to predict": self.request.file, "the template": self.request.template}
        for what, name in inputs.items():
            if name is not None and self.out != STDOUT and out.resolve() == Path(name).expanduser().resolve():
                raise UserError(f"{where} is {what}; name another")
        if self.form == "conll" and not isinstance(self.source, Sentences):
            what = "lines with tags are written for a file that has a word in each line"
            raise UserError(f"{arg('format', 'conll')}: {what}; {arg('format', 'jsonl')} has lists of tags")
        if self.form == "submission" and format_for(self.out, None) not in DELIMITERS:
            raise UserError(f"{where}: a filled template is a table of cells, as the template is; name it .csv")
        if out.is_file() and self.out != STDOUT:
            self.notes.append(f"{out} is replaced")

    def _template(self) -> Template | None:
        if self.request.template is None:
            return None
        source, rows = read_template(Path(self.request.template).expanduser())
        ranks = self.request.mean == "ranks"
        matching = Matching(source, rows, self.known, self.kind, self.request.values, ranks)
        return matching.template(self.source.names, self.request.id_column)

    def run(self) -> Predicted:
        """Load the models, predict, write.

        Raises:
            UserError: A model cannot be loaded, or the output cannot be written.
        """
        for note in [*self.notes, self._what()]:
            self.screen.say(note)
        models, outputs, rows = AskedModels(self.members, self.screen.say), list[Any](), self.survey.rows
        with ExitStack() as stack:
            output = self._opened(stack)
            update = stack.enter_context(progress(self.screen, rows))
            for block, answer, values in found(models, self.source, self.columns, self.request.mean, self.chosen):
                output.add(block, answer)
                outputs += [] if self.labels is None or values is None else [values]
                update(block.first + len(block.cells))
            output.finish()
        scores = {}
        if self.labels is not None and outputs:
            scores = scores_of(self.known, self.kind, self.labels, outputs, self.survey.empty)
        path = None if self.to_frame or self.out == STDOUT else Path(self.out).expanduser()
        frame = output.frame if isinstance(output, TableOutput) else None
        return Predicted(rows, path, frame, scores)

    def _opened(self, stack: ExitStack) -> Output:
        file: Any = None
        if not self.to_frame:
            stack.enter_context(writing(arg("out", self.out)))
            file = stack.enter_context(packed(stack.enter_context(replacing(self.out)), self.out))
        if self.submission is not None:
            return SubmissionOutput(self.submission, file)
        if self.form == "conll" and isinstance(self.source, Sentences):
            return WordsOutput(self.source, file)
        alone = isinstance(self.source, Sentences) or self.source.rowwise
        kept = kept_columns(self.source, self.columns, self.request.id_column, alone)
        return TableOutput(self.source, kept, self.form, self.between, file, self.screen.say)

    def _what(self) -> str:
        many, what = (
            len(self.members.models),
            f"{counted(self.survey.rows, 'sentence' if self.kind.by_word else 'row')} of {self.source.path.name}",
        )
        if many == 1:
            return f"{what}: predicted by {self.members.models[0].folder}"
        scale = "numbers" if self.kind.raw_as == "values" and self.request.mean != "ranks" else self.request.mean
        return f"{what}: predicted by the mean of {many} models ({scale})"


@contextmanager
def progress(screen: Screen, rows: int) -> Iterator[Callable[[int], None]]:
    """A bar that moves, or a line every few seconds; the function that is given is told how many rows are done."""
    last = time.monotonic()
    with moving(screen, "rows", rows, 0) as bar:

        def update(done: int) -> None:
            nonlocal last
            if bar is not None:
                bar.update("rows", done)
            elif time.monotonic() - last > EVERY and done < rows:
                last = time.monotonic()
                screen.say(f"{done} of {rows} rows")

        yield update
