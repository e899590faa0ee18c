"""A trial as settings for competition code: a class CFG under the names that such code has, and the lines that use them.

The usual classes are those that notebooks copy: FGM (``attack(epsilon, emb_name)``, ``restore``), PGD (``attack(epsilon,
alpha, emb_name, is_first_attack)``, ``backup_grad``, ``restore_grad``), AWP (``attack_backward``).
"""

import dataclasses
from typing import Any

from adv import METHODS
from adv.core.method import Method
from finetune.config import Recipe
from studies.results.best import Best, LoopBest

# The names of the recipe in competition code.
NAMES = {
    "model": "model",
    "epochs": "epochs",
    "batch_size": "batch_size",
    "learning_rate": "encoder_lr",
    "head_learning_rate": "decoder_lr",
    "layer_decay": "layer_decay",
    "weight_decay": "weight_decay",
    "schedule": "scheduler",
    "max_length": "max_len",
    "gradient_accumulation": "gradient_accumulation_steps",
    "max_grad_norm": "max_grad_norm",
    "seed": "seed",
}
# The names of a method's settings in its usual class, and what stands where a search has no value.
USUAL: dict[str, dict[str, str]] = {
    "fgm": {"epsilon": "epsilon", "emb_name": "emb_name", "start_epoch": "start_epoch"},
    "pgd": {"epsilon": "epsilon", "alpha": "alpha", "K": "K", "emb_name": "emb_name", "start_epoch": "start_epoch"},
    "awp": {
        "adv_lr": "awp_lr",
        "adv_eps": "awp_eps",
        "start_epoch": "nth_awp_start_epoch",
        "adv_step": "adv_step",
        "adv_param": "adv_param",
    },
}
# What the usual class computes, whatever it is asked for: another value in a search is said.
FIXED: dict[str, dict[str, Any]] = {
    "fgm": {"norm": "matrix", "combine": "sum"},
    "pgd": {"norm": "matrix", "combine": "sum"},
    "awp": {"combine": "replace"},
}
EMBEDDING = "word_embeddings"
USES = {
    "fgm": """\
fgm = FGM(model)
# in the loop, after loss.backward():
if epoch >= CFG.start_epoch:
    fgm.attack(epsilon=CFG.epsilon, emb_name=CFG.emb_name)
    model(**batch).loss.backward()  # with the scaler: scaler.scale(loss).backward(), as the clean loss
    fgm.restore(emb_name=CFG.emb_name)
""",
    "pgd": """\
pgd = PGD(model)
# in the loop, after loss.backward():
if epoch >= CFG.start_epoch:
    pgd.backup_grad()
    for t in range(CFG.K):
        pgd.attack(CFG.epsilon, CFG.alpha, CFG.emb_name, is_first_attack=t == 0)
        if t != CFG.K - 1:
            model.zero_grad()
        else:
            pgd.restore_grad()
        model(**batch).loss.backward()  # with the scaler: scaler.scale(loss).backward(), as the clean loss
    pgd.restore(CFG.emb_name)
""",
    "awp": """\
awp = AWP(
    model,
    optimizer,
    adv_param=CFG.adv_param,
    adv_lr=CFG.awp_lr,
    adv_eps=CFG.awp_eps,
    start_epoch=CFG.nth_awp_start_epoch,
    adv_step=CFG.adv_step,
    scaler=scaler,
)
# in the loop, after loss.backward(): the gradient of the perturbed weights takes the place of the clean one
awp.attack_backward(inputs, labels, epoch)
# Other copies of the class call the settings adv_lr, adv_eps and start_epoch: the same numbers.
""",
}
WITHIN = "the usual class asks `epoch < start`: give it `epoch + step / len(train_loader)`, for it begins within an epoch"


def as_cfg(best: Best | LoopBest) -> str:
    """The settings as a class CFG, and the lines that use them."""
    kind = METHODS[best.method]
    method = kind(**best.settings)
    head = f"# {best.method} from study {best.recorded.study}: {best.measured} {best.recorded.value:.6g}".replace("\n", " ")
    over = "one seed" if isinstance(best, LoopBest) or best.folds is None else "over its folds and seeds"
    lines = [f"{head}, clean {best.recorded.clean:.6g}, {over}.", "class CFG:"]
    lines += [f"    {name} = {value!r}" for name, value in (settings_of(method, best.method) | recipe_of(best)).items()]
    lines += ["", "", *[f"# {line}" for line in differences(method, best)]]
    return "\n".join(lines) + "\n\n" * bool(differences(method, best)) + "\n" * (not differences(method, best)) + use(best)


def settings_of(method: Method, name: str) -> dict[str, Any]:
    """The method's settings under the names of its usual class; of other methods as they are."""
    values = {field.name: getattr(method, field.name) for field in dataclasses.fields(method) if field.init}
    if name not in USUAL:
        return {name: value for name, value in values.items() if value is not None}
    found = {there: values[here] for here, there in USUAL[name].items()}
    if found.get("emb_name", "") is None:
        found["emb_name"] = EMBEDDING
    if found.get("adv_param", "") is None:
        found["adv_param"] = "weight"
    return found


def recipe_of(best: Best | LoopBest) -> dict[str, Any]:
    """The recipe under the names of competition code; that of the user's own loop as it is."""
    if isinstance(best, LoopBest):
        return {name: value for name, value in best.recipe.items() if name.isidentifier()}
    recipe = best.recipe
    found = {there: getattr(recipe, here) for here, there in NAMES.items()}
    found["decoder_lr"] = recipe.learning_rate if recipe.head_learning_rate is None else recipe.head_learning_rate
    found["apex"] = recipe.precision == "fp16"
    if best.folds is not None and best.folds.folds is not None:
        found |= {"n_fold": best.folds.folds, "trn_fold": list(range(best.folds.folds))}
    return found | {"warmup_ratio": recipe.warmup}


def differences(method: Method, best: Best | LoopBest) -> list[str]:
    """What the usual class or the usual code does not do as the search did."""
    found = []
    for name, value in FIXED.get(best.method, {}).items():
        mine = getattr(method, name)
        if mine != value:
            found.append(
                f"The search had {name}={mine!r}; the usual class computes {value!r}: use adv's, or search with that."
            )
    known = {*USUAL.get(best.method, {}), *FIXED.get(best.method, {})}
    if best.method in USUAL:
        defaults = METHODS[best.method]()
        for field in dataclasses.fields(method):
            mine = getattr(method, field.name)
            if field.init and field.name not in known and mine != getattr(defaults, field.name):
                found.append(f"The search had {field.name}={mine!r}, which the usual class does not have.")
    if isinstance(getattr(method, "start_epoch", 0), float) and not float(method.start_epoch).is_integer():
        found.append(WITHIN[0].upper() + WITHIN[1:] + ".")
    if "emb_name" in USUAL.get(best.method, {}) and getattr(method, "emb_name", None) is None:
        found.append(f"emb_name: part of the name of the embedding's weight in your model; {EMBEDDING!r} fits BERT's kind.")
    found += [] if isinstance(best, LoopBest) else left_out(best.recipe)
    return found


def left_out(recipe: Recipe) -> list[str]:
    """Options of the recipe that CFG has no name for."""
    skipped = {*NAMES, "warmup", "precision", "threads"}
    if recipe.precision == "bf16":
        skipped.discard("precision")
    changed = [
        f"{name}={value!r}"
        for name, value in recipe.model_dump().items()
        if name not in skipped and value != Recipe.model_fields[name].default
    ]
    return [f"The search also had {', '.join(changed)}."] if changed else []


def use(best: Best | LoopBest) -> str:
    """The lines that use the class."""
    if best.method in USES:
        return USES[best.method]
    kind, settings = METHODS[best.method].__name__, ", ".join(f"{name}={value!r}" for name, value in best.settings.items())
    return (
        f"# There is no usual class for {best.method}; with adv, a folder of this project that imports torch alone:\n"
        f"from adv import {kind}\n\nmethod = {kind}({settings})\n"
        "# in the loop, instead of loss.backward():\n# method.at(epoch + step / len(train_loader)).backward(model, batch)\n"
    )
