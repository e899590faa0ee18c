"""The card of a saved model (README.md): what it does, its data, method, scores, verdict, versions, and how to load it.

The front matter is that of the Hugging Face hub: ``model-index`` holds the scores. Nothing in a card names a place of the
author's machine.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from adv import METHODS
from finetune.arguments import arg
from finetune.config import TINY, Data, Recipe
from finetune.errors import UserError
from finetune.folds import Folds
from finetune.tasks.metrics import direction_of, viewed
from finetune.tasks.task import Task
from finetune.words import counted, short
from studies.results.best import Best
from studies.results.handed.how_to_load import Loading
from studies.results.handed.verdict import verdict_of
from studies.results.scripts.templates import templates_in

UNKNOWN = "unknown"
# The tag by which a card is recognised as one of ours.
TAG = "advsearch"
# The hub's names of metrics, where they differ.
HUB = {
    "macro_f1": "f1",
    "micro_f1": "f1",
    "weighted_f1": "f1",
    "samples_f1": "f1",
    "entity_f1": "f1",
    "entity_f1_strict": "f1",
    "entity_precision": "precision",
    "entity_recall": "recall",
    "token_accuracy": "accuracy",
    "subset_accuracy": "accuracy",
    "mcc": "matthews_correlation",
    "pearson": "pearsonr",
    "spearman": "spearmanr",
}
WHAT = {
    "classification": "It says to which of {} a text belongs: {}.",
    "ordinal": "It places a text in one of {} with an order: {}.",
    "multilabel": "It says which of {} a text has: {}.",
    "regression": "It predicts {} of a text: {}.",
    "tokens": "It gives each word of a text one of {}: {}.",
}
UNITS = {
    "classification": ("class", "classes"),
    "ordinal": ("class", "classes"),
    "multilabel": ("label", None),
    "regression": ("number", None),
    "tokens": ("tag", None),
}
# A card lists so many names.
NAMED = 30
# What a paper says of any fine-tuning; of the rest of the recipe only what is not the default.
ALWAYS = ("epochs", "batch_size", "learning_rate", "weight_decay", "warmup", "schedule", "max_length", "seed")
PIPELINES = {"tokens": "token-classification"}
# Parts of the recipe that say where something lies.
PLACES = ("model",)
LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,40}")
MARKS = re.compile(r"([\\`*_\[\]|~#])")
OURS = ("# Predictions are ", "# An encoder and a head that pools", "# Thresholds", "# Classes with an order")


@dataclass(frozen=True)
class Score:
    """A row of the table of scores.

    Args:
        where: What was scored, such as "validation".
        metric: The metric.
        value: Its value.
        rows: How many rows were scored.
        error: The standard error of the value over draws of the rows; nan if it is not known.
        clean: The value of clean training there, if it is known.
        note: More about it.
    """

    where: str
    metric: str
    value: float
    rows: int
    error: float = math.nan
    clean: float | None = None
    note: str = ""

    @property
    def between(self) -> str:
        """The 95 % interval in words; empty if it is not known."""
        if not math.isfinite(self.error):
            return ""
        low, high = self.value - 1.96 * self.error, self.value + 1.96 * self.error
        low, high = (max(0.0, low), high) if direction_of(self.metric) == "minimize" else (low, min(1.0, high))
        return f"{short(low)} to {short(high)}"


@dataclass(frozen=True)
class Facts:
    """What a card says beside the configuration.

    Args:
        best: The configuration.
        recipe: The recipe of this model.
        task: The data of this model.
        scores: What was measured.
        loading: How the model is loaded.
        versions: Of packages.
        licence: An identifier of the hub.
        notes: Sentences about this model, such as which fold it is.
        sections: Further Markdown, which is ours.
    """

    best: Best
    recipe: Recipe
    task: Task
    scores: Sequence[Score]
    loading: Loading
    versions: dict[str, str]
    licence: str = UNKNOWN
    notes: Sequence[str] = ()
    sections: str = ""


def card(facts: Facts) -> str:
    """The text of a card."""
    best, task = facts.best, facts.task
    one, many = UNITS[task.kind]
    named = [*task.names[:NAMED], *(["..."] if len(task.names) > NAMED else [])]
    between = "; " if any("," in name for name in named) else ", "
    what = WHAT[task.kind].format(counted(len(task.names), one, many), between.join(map(plain, named)))
    what = what if task.train.pairs is None else what.replace(" a text", " a pair of texts", 1)
    changed = {
        name: value
        for name, value in facts.recipe.model_dump().items()
        if name not in PLACES and (value != Recipe.model_fields[name].default or name in ALWAYS)
    }
    found: str = page().render(
        front=yaml.safe_dump(front(facts), sort_keys=False, allow_unicode=True),
        title=plain(f"{task.name}: {base_name(facts.recipe)} with {best.method}"),
        what=what,
        base=base_name(facts.recipe),
        facts=facts,
        settings=best.settings,
        changed=changed,
        rows=rows_of(best.data, task, best.folds),
        paper=METHODS[best.method].paper if best.method in METHODS else "",
        verdict=verdict_of(best.confirmed),
        clean=any(score.clean is not None for score in facts.scores),
        drawn="rows" if task.groups is None else "whole groups of rows",
    )
    return found


def front(facts: Facts) -> dict[str, Any]:
    """The front matter."""
    best, task = facts.best, facts.task
    pipeline = PIPELINES.get(task.kind, "text-classification")
    found: dict[str, Any] = {"license": facts.licence, "library_name": "transformers", "pipeline_tag": pipeline}
    if hub_id(facts.recipe):
        found["base_model"] = facts.recipe.model
    found["tags"] = [TAG, "adversarial-training", best.method] if best.method != "none" else [TAG]
    found["metrics"] = list(dict.fromkeys(hub_name(score.metric) for score in facts.scores))
    dataset = {"name": task.name, "type": best.data.data if from_hub(best.data) else slug(task.name)}
    results = [
        {
            "type": hub_name(score.metric),
            "value": float(f"{score.value:.6g}"),
            "name": f"{score.metric} ({score.where}{', 95 % interval ' + score.between if score.between else ''})",
        }
        for score in facts.scores
    ]
    entry = {"task": {"type": pipeline}, "dataset": dataset, "metrics": results}
    found["model-index"] = [{"name": f"{slug(task.name)}-{best.method}", "results": [entry]}]
    return found


def rows_of(data: Data, task: Task, folds: Folds | None = None) -> list[str]:
    """Lines about the data, without the folders of the author's machine."""
    files = [Path(name).name for name in (data.train_file, data.validation_file, data.test_file) if name]
    source = "the built-in task " + str(data.task) if data.task else ", ".join(files)
    if data.data is not None:
        source = data.data if from_hub(data) else ", ".join([Path(data.data).name, *files])
    kept = f"{counted(len(task.test), 'test row')} {'that took no part' if task.test.labelled else 'without labels'}"
    split = f"{len(task.train)} rows to train on, {len(task.validation)} to choose by, {kept}"
    if task.fold_of is not None:
        asked = folds or Folds()
        how = f" (those of column `{code(asked.fold_column)}`)" if asked.fold_column else ""
        how = f" (whole groups of column `{code(asked.group_column)}`)" if asked.group_column else how
        split = f"{len(task.train)} rows in {task.folds} folds{how}, {kept}"
    columns = [("text", data.text_column), ("second text", data.pair_column), ("label", ", ".join(data.label_column))]
    told = ", ".join(f"{what} `{code(name)}`" for what, name in columns if name)
    lines = [f"Source: {plain(source)}.", f"{split[0].upper()}{split[1:]}."]
    return lines if data.task else [*lines, f"Columns: {told}."]


def refuse_licence(text: str) -> str:
    """The identifier of a licence, in lower case, as the hub has them.

    Raises:
        UserError: It is none.
    """
    found = text.strip().lower()
    if not LICENCE.fullmatch(found):
        raise UserError(f"{arg('license', text)}: give an identifier of the hub, such as mit, apache-2.0 or cc-by-4.0")
    return found


def hub_name(metric: str) -> str:
    """The hub's name of a metric."""
    return HUB.get(viewed(metric)[1], viewed(metric)[1])


def hub_id(recipe: Recipe) -> bool:
    """Whether the model came from the hub."""
    return recipe.model != TINY and not Path(recipe.model).expanduser().exists() and recipe.model.count("/") < 2


def from_hub(data: Data) -> bool:
    """Whether the data came from the hub."""
    return data.data is not None and not Path(data.data).expanduser().exists() and not data.data.startswith((".", "/", "~"))


def base_name(recipe: Recipe) -> str:
    """The name of the model that was trained on."""
    if recipe.model == TINY:
        return f"the built-in encoder ({TINY})"
    return recipe.model if hub_id(recipe) else Path(recipe.model).expanduser().name


def slug(text: str) -> str:
    """A name as the hub takes it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-") or "data"


def plain(text: Any) -> str:
    """Text that Markdown and HTML leave as it is, on one line."""
    one = " ".join(str(text).split())
    return MARKS.sub(r"\\\1", one.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def code(text: Any) -> str:
    """Text for a span of code, on one line."""
    return " ".join(str(text).split()).replace("`", "'").replace("|", "/")


def is_ours(text: str) -> bool:
    """Whether a README.md was written by this program."""
    return text.startswith(OURS) or (text.startswith("---\n") and f"\n- {TAG}\n" in text.split("\n---\n")[0] + "\n")


@cache
def page() -> Any:
    """The template."""
    made = templates_in(Path(__file__).parent)
    made.filters |= {"plain": plain, "code": code, "short": short}
    return made.get_template("card.md.jinja")
