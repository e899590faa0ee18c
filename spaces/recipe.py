"""Recipe parameters that ``--tune`` adds to a method's space; the recipe's own values are the centres.

learning_rate: a span of 10 around the recipe's value (relative to it here); below, training ends unfinished, and above, it
diverges.
layer_decay 0.7..1: published values are 0.65 to 0.99; below, the first layers of a deep encoder stand still.
head_learning_rate: 0.3 to 30 times the recipe's rate (relative to it here); published ones are 1 to 5 times the encoder's.
epochs: from half of the recipe's to twice as many (here the bounds for any recipe): an attack with two passes costs as much
as twice the epochs.
weight_decay 1e-4..0.3: around the usual 0.01. warmup 0..0.3: from none to a third. schedule: linear, cosine (above it in
the first half, below it in the second), constant (for runs that are averaged). max_grad_norm 0.1..100: from a bound that
always acts to one that never does (competition code uses 1000). batch_size 8..64 in powers of two, by memory.
loss: the one that the task usually has and the one that could replace it. label_smoothing 0..0.2: from none to twice the
usual 0.1 (Szegedy et al. 2016). class_weights: without and with. focal_gamma 0..5, the range of its paper.
average: the last weights, EMA or SWA. half_life 0.002..0.2 of the steps: one step of a 500-step run (as good as no
average) to a fifth of the run, beyond which early weights linger (beta 0.999 halves in 693 steps: 0.14 of 5,000).
swa_start 0.3..0.9: before, the model is far from where it ends; after, hardly a step is left to average. swa_lr 0.1..1
of the peak rate: below, all averaged points are almost the same; above, a fine-tuned model loses what it has found.
pooling: all heads. head_dropout 0..0.5: none (usual for numbers, whose scale dropout changes) to half; the usual 0.1 is
where the search begins. multi_sample 1..8: with eight masks an eighth of the noise is left. freeze_layers 0..4: none
to the two thirds of a six-layer encoder; reinit_layers 0..2: of a six-layer encoder a third, and in Zhang et al. a few of
24 do best. The layers that a model has are not known here: if it has fewer, the search says so before it begins, with the
range to give.
"""

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

RECIPE: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(0.1**0.5, 10**0.5, log=True),
    "layer_decay": FloatDistribution(0.7, 1.0),
    "head_learning_rate": FloatDistribution(0.3, 30.0, log=True),
    "epochs": IntDistribution(1, 1000),
    "weight_decay": FloatDistribution(1e-4, 0.3, log=True),
    "warmup": FloatDistribution(0.0, 0.3),
    "schedule": CategoricalDistribution(("linear", "cosine", "constant")),
    "loss": CategoricalDistribution(("cross_entropy", "focal", "bce", "mse", "smooth_l1")),
    "label_smoothing": FloatDistribution(0.0, 0.2),
    "class_weights": CategoricalDistribution(("none", "balanced")),
    "focal_gamma": FloatDistribution(0.0, 5.0),
    "max_grad_norm": FloatDistribution(0.1, 100.0, log=True),
    "batch_size": CategoricalDistribution((8, 16, 32, 64)),
    "average": CategoricalDistribution(("none", "ema", "swa")),
    "half_life": FloatDistribution(0.002, 0.2, log=True),
    "swa_start": FloatDistribution(0.3, 0.9),
    "swa_lr": FloatDistribution(0.1, 1.0, log=True),
    "pooling": CategoricalDistribution(("stock", "cls", "mean", "max", "attention", "last-layers")),
    "head_dropout": FloatDistribution(0.0, 0.5),
    "multi_sample": IntDistribution(1, 8, log=True),
    "freeze_layers": IntDistribution(0, 4),
    "reinit_layers": IntDistribution(0, 2),
}
# Losses that can replace each other: any other changes what the model's output means.
ALIKE = {
    "cross_entropy": ("cross_entropy", "focal"),
    "bce": ("bce", "focal"),
    "mse": ("mse", "smooth_l1"),
    "smooth_l1": ("mse", "smooth_l1"),
}


def around(name: str, centre: float | str) -> BaseDistribution:
    """The range of a recipe parameter; for rates, epochs and loss, by the recipe's value."""
    declared = RECIPE[name]
    if name == "loss":
        return CategoricalDistribution(ALIKE[str(centre)])
    if name == "epochs" and isinstance(centre, int):
        return IntDistribution(max(1, centre // 2), 2 * centre)
    if (
        name in ("learning_rate", "head_learning_rate")
        and isinstance(declared, FloatDistribution)
        and not isinstance(centre, str)
    ):
        return FloatDistribution(centre * declared.low, centre * declared.high, log=True)
    return declared
