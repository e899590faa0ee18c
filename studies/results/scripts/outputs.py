"""What a script makes of labels and logits: the targets of the loss, the units of the data, the metric, and the loss."""

from dataclasses import dataclass

import numpy as np
import torch

from finetune.config import Recipe
from finetune.own_name import is_own
from finetune.tasks import kind_for
from finetune.tasks.entities import NO_WORD
from finetune.tasks.metrics import direction_of, viewed
from finetune.tasks.task import Task
from finetune.training.losses import balanced, loss_of, of_shares

SKLEARN = "from sklearn import metrics"
SCIPY = "from scipy import special, stats"
SEQEVAL = "from seqeval import metrics as entities"
CLASSES: dict[str, tuple[str, ...]] = {
    "accuracy": ("metrics.accuracy_score(labels, output.argmax(1))", SKLEARN),
    "macro_f1": ('metrics.f1_score(labels, output.argmax(1), average="macro")', SKLEARN),
    "micro_f1": ("metrics.accuracy_score(labels, output.argmax(1))", SKLEARN),
    "weighted_f1": ('metrics.f1_score(labels, output.argmax(1), average="weighted")', SKLEARN),
    "mcc": ("metrics.matthews_corrcoef(labels, output.argmax(1))", SKLEARN),
    "qwk": ('metrics.cohen_kappa_score(labels, output.argmax(1), weights="quadratic", labels=range(len(NAMES)))', SKLEARN),
    "log_loss": (
        "metrics.log_loss(labels, special.softmax(output.astype(float), 1), labels=range(len(NAMES)))", SKLEARN, SCIPY,
    ),
    "roc_auc": ("metrics.roc_auc_score({truth}, special.softmax(output.astype(float), 1){second})", SKLEARN, SCIPY),
    "average_precision": (
        "metrics.average_precision_score({truth}, special.softmax(output.astype(float), 1){second})", SKLEARN, SCIPY,
    ),
}  # fmt: skip
RANKS = {
    "accuracy": ("metrics.accuracy_score(labels, output)", SKLEARN),
    "macro_f1": ('metrics.f1_score(labels, output, average="macro")', SKLEARN),
    "mae": ("np.abs(labels - output).mean()",),
    "qwk": ('metrics.cohen_kappa_score(labels, output, weights="quadratic", labels=range(len(NAMES)))', SKLEARN),
}
NUMBERS = {
    "rmse": ("np.sqrt(np.mean((labels - output) ** 2))",),
    "mcrmse": ("np.sqrt(np.mean((labels - output) ** 2, axis=0)).mean()",),
    "mae": ("np.abs(labels - output).mean()",),
    "pearson": ("np.mean([stats.pearsonr(t, p).statistic for t, p in zip(labels.T, output.T)])", SCIPY),
    "spearman": ("np.mean([stats.spearmanr(t, p).statistic for t, p in zip(labels.T, output.T)])", SCIPY),
    "qwk": (
        'np.mean([metrics.cohen_kappa_score(np.rint(t), np.clip(np.rint(p), np.rint(t).min(), np.rint(t).max()), '
        'weights="quadratic", labels=np.arange(np.rint(t).min(), np.rint(t).max() + 1)) '
        "for t, p in zip(labels.T.astype(float), output.T.astype(float))])",
        SKLEARN,
    ),
}  # fmt: skip
LABELS = {
    **{f"{how}_f1": (f'metrics.f1_score(labels, output > 0, average="{how}", zero_division={none})', SKLEARN)
       for how, none in (("macro", 0), ("micro", 0), ("weighted", 0), ("samples", 1))},
    "subset_accuracy": ("metrics.accuracy_score(labels, output > 0)", SKLEARN),
    "hamming_loss": ("metrics.hamming_loss(labels, output > 0)", SKLEARN),
    "roc_auc": ("metrics.roc_auc_score(labels, output)", SKLEARN),
    "average_precision": ("metrics.average_precision_score(labels, output)", SKLEARN),
    "lrap": ("metrics.label_ranking_average_precision_score(labels, output)", SKLEARN),
    "log_loss": ("np.mean(np.logaddexp(0, output.astype(float)) - labels * output.astype(float))",),
}  # fmt: skip
WORDS = {
    "entity_f1": ("entities.f1_score(labels, output)", SEQEVAL),
    "entity_precision": ("entities.precision_score(labels, output, zero_division=0)", SEQEVAL),
    "entity_recall": ("entities.recall_score(labels, output, zero_division=0)", SEQEVAL),
    "token_accuracy": ("np.mean([t == p for tags, found in zip(labels, output) for t, p in zip(tags, found)])",),
}
OF_KIND = {"classification": CLASSES, "ordinal": RANKS, "regression": NUMBERS, "multilabel": LABELS, "tokens": WORDS}


@dataclass(frozen=True)
class Outputs:
    """Code for labels and logits.

    Args:
        outputs: How many outputs the head has.
        problem: transformers' ``problem_type``.
        architecture: The end of the model class's name, after AutoModelFor.
        names: The names of the outputs.
        before: Lines before the functions: means, weights.
        targets: An expression of ``labels`` for the loss.
        units: An expression of ``logits`` in the units of the data.
        metric: The metric's name.
        formula: An expression of ``labels`` and ``output``.
        maximize: Whether a higher value is better.
        imports: Imports that all of it needs.
        loss: Lines of the loss's function; none if it is the model's own.
    """

    outputs: int
    problem: str
    architecture: str
    names: tuple[str, ...]
    before: tuple[str, ...]
    targets: str
    units: str
    metric: str
    formula: str
    maximize: bool
    imports: tuple[str, ...]
    loss: tuple[str, ...]


def outputs_of(task: Task, recipe: Recipe, metric: str, left: list[str]) -> Outputs:
    """The code for a task.

    Args:
        task: The task.
        recipe: For its loss.
        metric: The metric that was searched.
        left: Lines about what is not carried over; lines are added.
    """
    kind, form = kind_for(task), task.form
    names = kind.outputs(task.names)
    before, targets, units = [], "labels", "logits"
    shares = of_shares(recipe, kind)
    if kind.problem == "regression":
        units = "1 / (1 + np.exp(-logits))" if shares else "logits * STD + MEAN"
        if not shares:
            before = ["MEAN, STD = train.labels.mean(0), np.maximum(train.labels.std(0), 1e-6)"]
            targets = "(labels - MEAN) / STD"
    if task.kind == "ordinal":
        units = {"": "(logits > 0).sum(1)", "classes": "logits.argmax(1)"}.get(form, "")
        if form == "":
            targets = "(labels[:, None] > np.arange(len(NAMES) - 1)).astype(np.float32)"
        elif form == "number":
            targets = "((labels - MEAN) / STD)[:, None].astype(np.float32)"
            units = "np.clip(np.rint(logits[:, 0] * STD + MEAN), 0, len(NAMES) - 1).astype(int)"
    if task.kind == "multilabel" and form:
        left.append("thresholds: a label is predicted above 0.5, and not above the best threshold of the validation rows")
    name, formula, imports = measured(task, metric, left)
    loss = loss_lines(task, recipe, before)
    return Outputs(
        len(names), kind.problem, kind.architecture, names, tuple(before), targets, units, name, formula,
        direction_of(name) == "maximize", imports, tuple(loss),
    )  # fmt: skip


def measured(task: Task, metric: str, left: list[str]) -> tuple[str, str, tuple[str, ...]]:
    """The metric of the script, its formula, and what it imports."""
    known, usual = OF_KIND[task.kind], kind_for(task).usual(task.names)
    plain = viewed(metric)[1]
    name = plain if plain in known else usual
    if name != metric:
        why = "your own function" if is_own(metric) else "measured in another view of the texts" if plain in known else ""
        left.append(f"the metric {metric}{why and ', ' + why}: the script prints {name}")
    formula, *imports = known[name]
    two = len(task.names) == 2
    truth = "labels" if two else "np.eye(len(NAMES))[labels]"
    return (
        name,
        formula.format(truth=truth, second="[:, 1]" if two else "") if "{truth}" in formula else formula,
        tuple(imports),
    )


def loss_lines(task: Task, recipe: Recipe, before: list[str]) -> list[str]:
    """The lines of ``loss_of(logits, labels)``; none if the model's own loss is trained. Weights go to ``before``."""
    kind = kind_for(task)
    name, weighted = loss_of(recipe, kind), recipe.class_weights == "balanced"
    smoothed = name == "cross_entropy" and recipe.label_smoothing > 0
    usual = {"single_label_classification": "cross_entropy", "multi_label_classification": "bce", "regression": "mse"}
    if name == usual[kind.problem] and not smoothed and not weighted:
        return []
    if weighted:
        labels = np.where(task.train.labels == NO_WORD, -100, task.train.labels) if kind.by_word else task.train.labels
        rows = labels if task.kind != "ordinal" else kind.targets(labels, task.names, None, None)
        weights = balanced(torch.from_numpy(np.ascontiguousarray(rows)), kind, len(kind.outputs(task.names)))
        before.append(f"WEIGHTS = torch.tensor({[float(f'{value:.6g}') for value in weights]})  # rare ones count more")
    return formula_of(name, kind.problem == "single_label_classification", weighted, recipe)


def formula_of(name: str, single: bool, weighted: bool, recipe: Recipe) -> list[str]:
    """The lines of a loss."""
    weight = "WEIGHTS.to(logits.device)"
    if name == "smooth_l1":
        return ["return F.smooth_l1_loss(logits, labels)"]
    if name == "bce":
        return [f"return F.binary_cross_entropy_with_logits(logits, labels{f', pos_weight={weight}' if weighted else ''})"]
    if name == "cross_entropy":
        more = f", {weight}" if weighted else ""
        more += f", label_smoothing={recipe.label_smoothing}" if recipe.label_smoothing else ""
        rows = f'F.cross_entropy(logits.flatten(0, -2), labels.flatten(){more}, reduction="sum")'
        return [f"return {rows} / (labels != -100).sum().clamp(min=1)"]
    if single:
        return [
            "index = labels.clamp(min=0).unsqueeze(-1)",
            "right = logits.log_softmax(-1).gather(-1, index).squeeze(-1)",
            f"losses = -((1 - right.exp()) ** {recipe.focal_gamma}) * right * (labels != -100)",
            *([f"losses = losses * {weight}[index.squeeze(-1)]"] if weighted else []),
            "return losses.sum() / (labels != -100).sum().clamp(min=1)",
        ]
    more = f", pos_weight={weight}" if weighted else ""
    return [
        f'losses = F.binary_cross_entropy_with_logits(logits, labels, reduction="none"{more})',
        "wrong = (labels - logits.sigmoid()).abs()",
        f"return (wrong ** {recipe.focal_gamma} * losses).mean()",
    ]
