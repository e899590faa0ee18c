"""Whether the searched heads and layers exist in the model: looked at before anything is written."""

from optuna.distributions import CategoricalDistribution, IntDistribution

from finetune.arguments import arg
from finetune.errors import UserError
from finetune.models.layers import layers_of
from finetune.training.bench import Bench
from finetune.words import counted
from studies.planning.plan import Plan

COUNTS = ("freeze_layers", "reinit_layers")


def refuse_beyond(plan: Plan, bench: Bench) -> None:
    """Refuse ranges that reach beyond the layers of the model, and heads that it cannot have.

    Raises:
        UserError: Some trial could not be built.
    """
    space = plan.space
    if not {"pooling", "head_dropout", *COUNTS} & set(space):
        return
    most = {name: dist.high if isinstance(dist := space.get(name), IntDistribution) else 0 for name in COUNTS}
    most = {name: most[name] or getattr(plan.recipe, name) for name in COUNTS}
    if any(name in space for name in COUNTS):
        layers = len(layers_of(bench.models.look_at(plan.seed)))
        for name in COUNTS:
            if name in space and most[name] > layers:
                what = f"the range of {name} ends at {most[name]}, and the model has {counted(layers, 'layer')}"
                raise UserError(f"{what}: give {arg('space', {name: f'0:{layers}'})}")
        if sum(most.values()) > layers:
            both = " and ".join(f"{name} up to {most[name]}" for name in COUNTS)
            ranges = {name: f"0:{max(1, layers // 2)}" for name in COUNTS if name in space}
            what = f"{both} overlap in a model of {counted(layers, 'layer')}, and what starts anew must train"
            way = f"narrow a range, such as {arg('space', ranges)}" if layers > 1 else f"leave one out of {arg('tune')}"
            raise UserError(f"{what}: {way}")
    said = [*bench.models.notes]
    update = most | ({"head_dropout": 0.1} if "head_dropout" in space else {})
    bench.models.look_at(plan.seed, plan.recipe.model_copy(update=update))
    heads = space.get("pooling")
    if isinstance(heads, CategoricalDistribution) and "cls" in heads.choices:  # of all heads the one that asks most
        bench.models.look_at(plan.seed, plan.recipe.model_copy(update=update | {"pooling": "cls"}))
    bench.models.notes = said  # what was built here is not what the search trains
