"""Cards and predictions in the folders of a training."""

import json
import math
from pathlib import Path
from typing import Any

from finetune.arguments import Line
from finetune.tasks import kind_for
from finetune.tasks.metrics import viewed
from finetune.tasks.task import Task
from finetune.training.members import MEAN
from finetune.words import short
from studies.planning.versions import versions
from studies.results.best import Best
from studies.results.handed.card import Facts, Score, card, is_ours, plain
from studies.results.handed.how_to_load import Loading, loading_of
from studies.running.split_error import bootstrapped
from studies.running.whole import write_whole

README, ASIDE = "README.md", "MODEL_CARD.md"
# Keys of a config.json whose model does not predict in the units of the data.
STANDARDISED = ("target_mean", "output")


def write_card(
    folder: Path, out: Path, task: Task, model: object, best: Best, licence: str, scores: list[Score], notes: list[str]
) -> list[Line]:
    """Write the card of a model into the folder where ``keep`` has saved it.

    Args:
        folder: Where ``keep`` has saved the model; what it says in its README.md becomes a part of the card.
        out: Where the folder's files go: a README.md there that is not ours stays.
        task: What the model was trained on.
        model: The model.
        best: The configuration, with the recipe of this model.
        licence: An identifier of the hub.
        scores: What was measured.
        notes: Sentences about this model.

    Returns:
        A line if the card has another name than README.md.

    Raises:
        OSError: It cannot be written.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    said = (folder / README).read_text(encoding="utf-8") if (folder / README).is_file() else ""
    loading = loading_of(task, model, not any(key in config for key in STANDARDISED))
    facts = Facts(best, best.recipe, task, scores, loading, versions(), licence, notes, sections(said))
    own = out / README
    if own.is_file() and not is_ours(own.read_text(encoding="utf-8", errors="replace")):
        (folder / README).unlink(missing_ok=True)
        write_whole(folder / ASIDE, card(facts))
        return [Line(f"{own} was not written by this program and stays; the model card is {ASIDE}")]
    write_whole(folder / README, card(facts))
    return []


def sections(said: str) -> str:
    """What ``keep`` says, as sections of a card; code that the card has already is left out."""
    before, block, after = said.partition("```python\n")
    if block:
        before = before.rsplit("\nThis needs ", 1)[0] + "\n"
        after = after.split("```", 1)[1].lstrip()
        said = f"{before}\n{after}"
    lines = said.strip().split("\n")
    return "\n".join(f"#{line}" if line.startswith("# ") else line for line in lines)


def score_of(task: Task, metric: str, value: float, output: Any, where: str, clean: float | None = None) -> Score:
    """A score on the validation rows of a task, with its interval over draws of rows.

    Args:
        task: The task.
        metric: The metric's name, also in another view.
        value: Its value.
        output: The predictions, as ``Bench.predict`` returns them.
        where: What the rows are called.
        clean: The value of clean training on them.
    """
    view, name = viewed(metric)
    error = float("nan") if view else bootstrapped(task, name, output)
    return Score(where, metric, value, len(task.validation), error, clean)


def tested(best: Best) -> list[Score]:
    """The score on the test rows, if a confirmation has read them."""
    found = (best.confirmed or {}).get("test")
    known = isinstance(found, dict) and isinstance(found.get("mean"), int | float) and isinstance(found.get("rows"), int)
    if not isinstance(found, dict) or not known:
        return []
    clean = found.get("clean")
    clean = float(clean) if isinstance(clean, int | float) else None
    where = f"test, mean over {found.get('seeds', '?')} seeds of the confirmation"
    return [Score(where, best.measured, float(found["mean"]), found["rows"], clean=clean)]


def write_group_card(out: Path, facts: Facts) -> list[Line]:
    """Write the card of a folder of models; a README.md there that is not ours stays.

    Raises:
        OSError: It cannot be written.
    """
    own = out / README
    mine = not own.is_file() or is_ours(own.read_text(encoding="utf-8", errors="replace"))
    write_whole(own if mine else out / ASIDE, card(facts))
    return [] if mine else [Line(f"{own} was not written by this program and stays; the card of the models is {ASIDE}")]


def sigmoid(logit: float) -> float:
    """The probability of a logit."""
    return 1 / (1 + math.exp(-logit))


def loading_of_several(task: Task, folder: Path, names: list[str]) -> Loading:
    """How several models are loaded, from the card of one of them.

    Args:
        task: Their data.
        folder: A folder of one of them, with its card.
        names: The names of the folders.
    """
    what = "probabilities" if kind_for(task).raw_as != "values" else "predictions"
    meaning = (
        f"One of `logits` for each model: average their {what}, in the order of `id2label` in each config.json. "
        "`search.py predict` takes this folder as one model."
    )
    if chosen := json.loads((folder.parent / MEAN).read_text(encoding="utf-8"))["chosen"]:
        above = ", ".join(f"{plain(name)} {short(sigmoid(one))}" for name, one in zip(task.names, chosen, strict=True))
        meaning += f" A label is predicted where their mean is above its threshold: {above}."
    texts = [path.read_text(encoding="utf-8") for path in (folder / ASIDE, folder / README) if path.is_file()]
    code = next(
        (text.split("```python\n")[1].split("```")[0] for text in texts if is_ours(text) and "```python" in text), ""
    )
    if not code:  # somebody has written another card
        return Loading(f"folders = {names!r}  # each is loaded as its card says\n", meaning)
    if "def logits_of(" in code:
        head, _, asked = code.rpartition("logits = ")
        call = asked.replace('logits_of(".", ', "logits_of(name, ").split("  #")[0].rstrip()
        return Loading(f"{head}names = {names!r}\nlogits = [{call} for name in names]\n", meaning)
    lines = code.strip().split("\n")
    begin, call = lines[0], lines[-1].removeprefix("logits = ")
    family = begin.removeprefix("from transformers import ").split(",")[0]
    loop = [
        f"names, logits = {names!r}, []",
        "for name in names:",
        f"    tokenizer, model = AutoTokenizer.from_pretrained(name), {family}.from_pretrained(name)",
        f"    logits.append({call})",
    ]
    return Loading("\n".join([begin, "", *loop]) + "\n", meaning)
