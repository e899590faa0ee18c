"""Putting a pooling head on an encoder: a new one, or the one of a folder that this project has saved."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

from finetune.arguments import arg
from finetune.config import Recipe
from finetune.errors import UserError
from finetune.models.checkpoint import HEAD
from finetune.models.layers import depths, layers_of
from finetune.tasks.kind import Kind
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.models.pooling import Pooled

# The family of model classes whose labels are of whole texts.
TEXTS = "SequenceClassification"
# How a saved head pools, and its weights.
Saved = tuple[str, dict[str, Tensor]]


def saved_head(folder: Path | None, where: str) -> Saved | None:
    """The pooling head of a folder, if it has one.

    Raises:
        UserError: It cannot be read.
    """
    if folder is None or not (folder / HEAD).is_file():
        return None
    from finetune.models.pooling import read_head

    try:
        return read_head(folder)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None


def refuse_tokens(pooling: str, kind: Kind) -> None:
    """Refuse a pooling head for labels of tokens.

    Raises:
        UserError: The labels are of tokens.
    """
    if pooling != "stock" and kind.architecture != TEXTS:
        what = "it makes one vector of each text, and the labels here are of tokens"
        raise UserError(f"{arg('pooling', pooling)}: {what}; leave it out")


def begins(tokenizer: Any, pooling: str) -> list[str]:
    """A line if the head takes the first token, and that is a word."""
    first, *_ = tokenizer("a")["input_ids"] or [None]
    if pooling != "cls" or first in tokenizer.all_special_ids:
        return []
    return ["its texts do not begin with a token of their own, such as [CLS]: cls pools their first word"]


def pooled(encoder: Any, pooling: str, recipe: Recipe, saved: Saved | None = None) -> "tuple[Pooled, list[str]]":
    """The encoder with a head that pools, and lines about it.

    The head is drawn from torch's generator. Weights of the encoder that it does not use (a pooler) are frozen.

    Raises:
        UserError: The model cannot be pooled in this way.
    """
    from finetune.models.pooling import DROPOUT, LAST, Pooled, first_sees_all

    if pooling == "cls" and not first_sees_all(encoder):
        what = f"in {type(encoder).__name__} the first token does not see the others; mean or last-layers pool its states"
        raise UserError(f"{arg('pooling', pooling)}: {what}")
    dropout = DROPOUT if recipe.head_dropout is None else recipe.head_dropout
    model, lines = Pooled(encoder, pooling, dropout, recipe.multi_sample), list[str]()
    layers = len(layers_of(encoder))
    for name, depth in depths(encoder).items():
        if depth > layers:
            encoder.get_parameter(name).requires_grad_(False)
    if pooling == "last-layers" and (there := len(model.head.layers)) < LAST:
        lines.append(f"it has {counted(there, 'layer')}, and so many are pooled, not {LAST}")
    if saved is not None and saved[0] != pooling:
        lines.append(f"the head in {HEAD} pools by {saved[0]}, not by {pooling}: a new head is used")
    return model, lines


def taken(model: "Pooled", saved: Saved | None) -> tuple[Literal["new", "other", "taken"], int]:
    """Load a saved head if it is of the same kind and size; as ``finetune.models.checkpoint.head_of``."""
    if saved is None or saved[0] != model.head.pooling:
        return "new", 0
    shapes = {name: value.shape for name, value in model.head.state_dict().items()}
    outputs = len(saved[1]["output.bias"]) if "output.bias" in saved[1] else 0
    if shapes != {name: value.shape for name, value in saved[1].items()}:
        return "other", outputs
    model.head.load_state_dict(saved[1])
    return "taken", outputs


def encoder_class(transformers: Any, config: Any, pooling: str) -> Any:
    """The class that loads the encoder of a configuration: of an encoder-decoder, its encoder alone.

    Raises:
        UserError: An encoder-decoder whose encoder transformers does not load alone.
    """
    alone = transformers.MODEL_FOR_TEXT_ENCODING_MAPPING.get(type(config), None)
    if alone is not None and alone is not transformers.MODEL_MAPPING.get(type(config), None):
        return transformers.AutoModelForTextEncoding
    if not config.is_encoder_decoder:
        return transformers.AutoModel
    what = f"transformers does not load the encoder of {config.model_type} without its decoder; leave it out"
    raise UserError(f"{arg('pooling', pooling)}: {what}")


def form_of(recipe: Recipe) -> tuple[Any, ...]:
    """What the recipe says about the model itself."""
    names = ("seed", "pooling", "head_dropout", "multi_sample", "freeze_embeddings", "freeze_layers", "reinit_layers")
    return tuple(getattr(recipe, name) for name in names)


def changed(recipe: Recipe) -> bool:
    """Whether the recipe changes the model: such models are built before anything is written, to see that they can be."""
    return form_of(recipe)[1:] != form_of(Recipe())[1:]
