"""What a script says of the recipe, and gives the Trainer."""

import pytest
from transformers import TrainingArguments

from finetune.config import Recipe
from studies.results.scripts.carried import arguments_of, left_out
from studies.results.scripts.templates import pages


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ({"schedule": "constant", "warmup": 0.0}, {"lr_scheduler_type": "constant_with_warmup", "warmup_steps": 0.0}),
        ({"epochs": 4, "evals_per_epoch": 3}, {"eval_strategy": "steps", "eval_steps": 1 / 12, "save_strategy": "no"}),
        (
            {"score": "best", "epochs": 2},
            {"save_strategy": "epoch", "metric_for_best_model": "rmse", "greater_is_better": False},
        ),
        (
            {"batch_size": 128, "gradient_checkpointing": True},
            {"per_device_eval_batch_size": 128, "activation_checkpointing": True},
        ),
        ({"max_grad_norm": 1000.0, "seed": 5}, {"max_grad_norm": 1000.0, "seed": 5}),
    ],
)
def test_the_trainer_takes_the_arguments(recipe, expected, tmp_path):
    found = arguments_of(Recipe(**recipe), "rmse", False)
    assert {name: found[name] for name in expected} == expected
    TrainingArguments(str(tmp_path), **found)


def test_what_is_left_out_depends_on_the_script():
    assert [
        len(left_out(Recipe(**recipe), trainer)) for recipe in ({}, {"average": "ema"}) for trainer in (True, False)
    ] == [*(1, 1, 2, 1)]


def test_text_that_is_no_value_stays_text():
    line = pages().from_string("x = {{ name|repr }}").render(name='"""\n{{ 1 }}')
    here = {}
    exec(line, here)
    assert here["x"] == '"""\n{{ 1 }}'
