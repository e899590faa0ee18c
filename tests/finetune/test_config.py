import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from finetune.config import Data, Recipe, checked
from finetune.errors import UserError, first_line, near

BAD = [
    *((name, value) for name in ("epochs", "batch_size", "gradient_accumulation", "threads") for value in (0, -1, 1.5, "x")),
    *((name, value) for name in ("learning_rate", "max_grad_norm") for value in (0, -0.1, float("nan"), float("inf"))),
    ("weight_decay", -0.1),
    ("warmup", -0.1),
    ("warmup", 1.0),
    ("max_length", 3),
    ("precision", "fp64"),
    ("seed", -1),
    ("seed", 2**32),
    ("model", None),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_answered_with_its_option(name, value):
    with pytest.raises(UserError) as error:
        checked(Recipe, {name: value})
    assert str(error.value).startswith(f"{name} is {value!r}: ")
    assert "\n" not in str(error.value)


def test_a_bad_value_in_a_file_is_answered_with_the_file():
    with pytest.raises(UserError, match=r"^best\.yaml: batch_size is 0: .*greater than or equal to 1"):
        checked(Recipe, {"batch_size": 0}, "best.yaml")


UNKNOWN = [(Recipe, "epoch", "epochs"), (Recipe, "learning_rat", "learning_rate"), (Data, "txt_column", "text_column")]


@pytest.mark.parametrize(("kind", "name", "known"), UNKNOWN)
def test_an_unknown_field_is_answered_with_the_near_one(kind, name, known):
    with pytest.raises(UserError, match=f"{name} is not a setting; did you mean '{known}'"):
        checked(kind, {name: 1})


def test_data_needs_a_label_column_and_two_rows():
    with pytest.raises(UserError, match="label_column is"):
        checked(Data, {"task": "reviews", "label_column": ()})
    with pytest.raises(UserError, match="max_train_rows is 1"):
        checked(Data, {"task": "reviews", "max_train_rows": 1})


@pytest.mark.parametrize("made", [Recipe(), Data(task="reviews")])
def test_what_is_checked_cannot_be_changed(made):
    for name, value in made.model_dump().items():
        with pytest.raises(ValidationError, match="frozen"):
            setattr(made, name, value)


@given(
    epochs=st.integers(1, 99),
    rate=st.floats(1e-9, 10),
    warmup=st.floats(0, 1, exclude_max=True),
    precision=st.sampled_from(["fp32", "bf16", "fp16"]),
)
def test_a_recipe_survives_being_written(epochs, rate, warmup, precision):
    recipe = Recipe(epochs=epochs, learning_rate=rate, warmup=warmup, precision=precision)
    assert checked(Recipe, recipe.model_dump()) == recipe
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_data_survives_being_written():
    data = Data(train_file="a.tsv", label_column=("x", "y"))
    assert checked(Data, data.model_dump()) == data
    assert Data.model_validate_json(data.model_dump_json()) == data


def test_the_near_word_or_the_choices():
    assert near("acuracy", ["rmse", "accuracy"]) == "; did you mean 'accuracy'?"
    assert near("zzz", ["rmse", "accuracy"]) == "; choose from accuracy, rmse"
    assert near("zzz", []) == ""


def test_the_first_line_of_an_error():
    assert first_line(ValueError("\n one\ntwo")) == "one"
    assert first_line(KeyError()) == "KeyError"
