"""What of a recipe a script does not train with, as lines for its head; and its arguments for transformers' Trainer."""

from finetune.config import Recipe

AVERAGES = {"ema": "the exponential mean of the weights", "swa": "the mean of the weights from {} of the steps on"}


def left_out(recipe: Recipe, trainer: bool) -> list[str]:
    """Lines about options that the script leaves out.

    Args:
        recipe: The recipe.
        trainer: Whether the script is for the Trainer.
    """
    found = []
    if recipe.average == "swa" or (recipe.average == "ema" and trainer):
        what = AVERAGES[recipe.average].format(recipe.swa_start)
        found.append(f"average {recipe.average}: the last weights are scored and kept, and not {what}")
    if recipe.score == "soup":
        found.append("score soup: the best evaluation is kept, and not the mean weights of the best three")
    if recipe.multi_sample > 1 and recipe.pooling == "stock":
        found.append(f"multi_sample {recipe.multi_sample}")
    if recipe.compile and not trainer:
        found.append("compile: put model = torch.compile(model) behind the optimiser if you want it")
    if trainer and recipe.gradient_accumulation > 1:
        found.append(
            "the last, smaller step of an epoch: the Trainer gives each micro-batch the same say, the search each row"
        )
    found.append("the order of the rows and the dropout masks: a value of this script is that of another seed")
    return found


def arguments_of(recipe: Recipe, metric: str, maximize: bool) -> dict[str, object]:
    """The arguments of ``TrainingArguments``, without the precision, which depends on the machine."""
    best = recipe.score != "last"
    when = "epoch" if recipe.evals_per_epoch == 1 else "steps"
    found: dict[str, object] = {
        "num_train_epochs": recipe.epochs,
        "per_device_train_batch_size": recipe.batch_size,
        "per_device_eval_batch_size": max(64, recipe.batch_size),
        "gradient_accumulation_steps": recipe.gradient_accumulation,
        "learning_rate": recipe.learning_rate,
        "weight_decay": recipe.weight_decay,
        "warmup_steps": recipe.warmup,
        "lr_scheduler_type": "constant_with_warmup" if recipe.schedule == "constant" else recipe.schedule,
        "max_grad_norm": recipe.max_grad_norm,
        "eval_strategy": when,
        "save_strategy": when if best else "no",
        "logging_strategy": "epoch",
        "seed": recipe.seed,
        "report_to": "none",
    }
    if when == "steps":
        share = 1 / (recipe.epochs * recipe.evals_per_epoch)
        found |= {"eval_steps": share} | ({"save_steps": share} if best else {})
    if best:
        chosen = {"load_best_model_at_end": True, "metric_for_best_model": metric, "greater_is_better": maximize}
        found |= chosen | {"save_total_limit": 1}
    found |= {"activation_checkpointing": True} if recipe.gradient_checkpointing else {}
    return found | ({"torch_compile": True} if recipe.compile else {})
