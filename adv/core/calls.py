"""The arguments that parts of a model received in a pass, and which embeddings were called."""

import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

from adv.core.modules import named_parts
from adv.core.shift import members_of


class Calls:
    """The arguments that the modules around embeddings received in a pass: the first call of each, by parameter."""

    def __init__(self) -> None:
        self.made: dict[nn.Module, dict[str, Any]] = {}

    @contextmanager
    def recorded(self, model: nn.Module) -> Iterator[None]:
        """Record while the context lasts."""
        self.made = {}

        def note(module: nn.Module, args: Any, kwargs: Any) -> None:
            if module not in self.made:
                try:
                    bound = inspect.signature(module.forward).bind_partial(*args, **kwargs)
                except (TypeError, ValueError):
                    return
                self.made[module] = dict(bound.arguments)

        with ExitStack() as hooks:
            for _, module in named_parts(model):
                if any(is_embedding(inside) for inside in module.modules()) and not is_embedding(module):
                    hooks.callback(module.register_forward_pre_hook(note, with_kwargs=True).remove)
            yield

    def around(self, embedding: nn.Module) -> list[dict[str, Any]]:
        """The arguments of the modules around the embedding, the innermost first."""
        members = members_of(embedding)
        holders = [module for module in self.made if any(inside in members for inside in module.modules())]
        return [self.made[module] for module in reversed(holders)]


def is_embedding(module: nn.Module) -> bool:
    """Whether the module looks up vectors."""
    return isinstance(module, nn.Embedding) or ("Embed" in type(module).__name__ and not list(module.children()))


@contextmanager
def looked_up_in(model: nn.Module) -> Iterator[list[str]]:
    """The names of the ``nn.Embedding`` modules that are called while the context lasts, in the order of their calls."""
    names: list[str] = []
    with ExitStack() as hooks:
        for name, module in named_parts(model):
            if isinstance(module, nn.Embedding):

                def note(module: nn.Module, args: Any, output: Any, name: str = name) -> None:
                    if name not in names:
                        names.append(name)

                hooks.callback(module.register_forward_hook(note).remove)
        yield names


def uncalled(batch: Any, called: list[str]) -> str:
    """Why the embeddings were not called in the forward pass, and what the user can do."""
    start = "the embedding module was not called in the forward pass"
    if isinstance(batch, Mapping) and batch.get("inputs_embeds") is not None:
        return f"{start}: inputs_embeds go around it. Give input_ids, so that the model looks them up"
    words = [name for name in called if not re.search("position|type|segment|relative", name)]
    if words:
        return f"{start}: set emb_name to one that was ({', '.join(f'{name}.weight' for name in words[:6])})"
    return f"{start}, and no other was: give the model token ids, whose embeddings can be perturbed"
