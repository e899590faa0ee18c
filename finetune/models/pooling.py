"""Heads that pool the states of any encoder of transformers: ``--pooling cls|mean|max|attention|last-layers``.

cls: the first token (Devlin et al. 2019). mean, max: over the tokens (Reimers and Gurevych 2019, arXiv 1908.10084, found
the mean best). attention: scores ``v . tanh(W h + b)``, softmax over the tokens (Yang et al. 2016, Hierarchical attention
networks). last-layers: the mean of the last four layers, weighted by a softmax of learned numbers that start equal (Peters
et al. 2018, arXiv 1802.05365), then the mean over the tokens: competition code calls it weighted layer pooling. Their
concatenation (Devlin et al. 2019, table 7) needs a head four times as wide, and is not in use there.

Padding never counts, on whichever side it is. Then comes dropout, and a linear layer. In training, ``samples`` dropout
masks may be drawn for one pass of the encoder, and their logits averaged (multi-sample dropout, Inoue 2019, arXiv
1905.09788, who averages the losses; competition code averages the logits, which fits any loss).
"""

from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import MODEL_MAPPING
from transformers.loss.loss_utils import ForSequenceClassificationLoss
from transformers.modeling_outputs import SequenceClassifierOutput

from finetune.models.checkpoint import HEAD
from finetune.models.layers import few_tokens

# As most families have it before their own last layer.
DROPOUT = 0.1
LAST = 4


class Head(nn.Module):
    """From the states of each token to the outputs.

    Args:
        pooling: How tokens become one vector.
        width: The size of a state.
        outputs: The number of outputs.
        layers: The number of layers that "last-layers" takes.
        dropout: Share of the pooled vector that is dropped in training.
        samples: Dropout masks for each pass in training.
        std: Of the initial weights.
    """

    def __init__(
        self, pooling: str, width: int, outputs: int, layers: int, dropout: float, samples: int, std: float
    ) -> None:
        super().__init__()
        self.pooling, self.samples = pooling, samples
        if pooling == "attention":
            self.hidden, self.score = nn.Linear(width, width), nn.Linear(width, 1, bias=False)
        if pooling == "last-layers":
            self.layers = nn.Parameter(torch.zeros(layers))
        self.dropout, self.output = nn.Dropout(dropout), nn.Linear(width, outputs)
        for module in self.children():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, layers: list[Tensor], real: Tensor) -> Tensor:
        """The outputs (batch, outputs).

        Args:
            layers: The states (batch, tokens, width) of the last layers; but for "last-layers" only those of the last.
            real: True for tokens, False for padding; shape (batch, tokens).
        """
        pooled = self.pooled(layers, real)
        times = self.samples if self.training else 1
        sampled = [self.output(self.dropout(pooled)) for _ in range(times)]
        found: Tensor = sampled[0] if times == 1 else torch.stack(sampled).mean(0)
        return found

    def pooled(self, layers: list[Tensor], real: Tensor) -> Tensor:
        """One vector for each text (batch, width), in fp32: half precision does not hold a sum over many tokens."""
        wide = torch.promote_types(layers[-1].dtype, torch.float32)
        states, seen = layers[-1].to(wide), real[..., None]
        if self.pooling == "last-layers":
            shares = self.layers.softmax(0)
            states = torch.stack([share * layer.to(wide) for share, layer in zip(shares, layers, strict=True)]).sum(0)
        if self.pooling == "cls":
            return states[torch.arange(len(states), device=states.device), real.long().argmax(1)]
        if self.pooling == "max":
            return states.masked_fill(~seen, torch.finfo(wide).min).amax(1)
        states = states.masked_fill(~seen, 0)
        if self.pooling == "attention":
            scores: Tensor = self.score(self.hidden(states).tanh()).to(wide)
            return (scores.masked_fill(~seen, torch.finfo(wide).min).softmax(1) * states).sum(1)
        return states.sum(1) / seen.sum(1).clamp(min=1)


class Pooled(nn.Module):
    """An encoder with a pooling head: called and answered as transformers' own models for classes and numbers.

    Args:
        encoder: What ``AutoModel`` returns, with names and number of outputs and ``problem_type`` in its configuration.
        pooling: "cls", "mean", "max", "attention" or "last-layers".
        dropout: Share of the pooled vector that is dropped in training.
        samples: Dropout masks for each pass in training.

    The head is drawn from torch's generator, as transformers' heads are (``initializer_range``).

    Example:
        >>> from transformers import BertConfig, BertModel
        >>> shape = {"vocab_size": 20, "hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1}
        >>> model = Pooled(BertModel(BertConfig(**shape, num_labels=3, num_hidden_layers=1)), "mean")
        >>> mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
        >>> model(input_ids=torch.ones(2, 3, dtype=torch.long), attention_mask=mask).logits.shape
        torch.Size([2, 3])
    """

    base_model_prefix = "encoder"

    def __init__(self, encoder: Any, pooling: str, dropout: float = DROPOUT, samples: int = 1) -> None:
        super().__init__()
        self.encoder: Any = encoder
        self.config = encoder.config
        self.last = LAST if pooling == "last-layers" else 1
        training = encoder.training
        with torch.no_grad():
            layers = states_of(encoder.eval(), self.last, **few_tokens(encoder))
        width, std = layers[-1].shape[-1], getattr(self.config, "initializer_range", None) or 0.02
        self.head = Head(pooling, width, self.config.num_labels, len(layers), dropout, samples, std)
        self.train(training)

    def get_input_embeddings(self) -> nn.Module:
        """The encoder's word embeddings."""
        found: nn.Module = self.encoder.get_input_embeddings()
        return found

    @property
    def loads_with(self) -> str:
        """The class of transformers that loads the saved encoder: of an encoder-decoder, its encoder alone."""
        usual = type(self.encoder) is MODEL_MAPPING.get(type(self.config), None)
        return "AutoModel" if usual else "AutoModelForTextEncoding"

    @property
    def supports_gradient_checkpointing(self) -> bool:
        """Whether layers can be computed again in the backward pass."""
        return bool(self.encoder.supports_gradient_checkpointing)

    def activation_checkpointing_enable(self, *arguments: Any, **named: Any) -> None:
        """As transformers' models: layers are computed again in the backward pass."""
        self.encoder.activation_checkpointing_enable(*arguments, **named)

    def activation_checkpointing_disable(self) -> None:
        """Undo ``activation_checkpointing_enable``."""
        self.encoder.activation_checkpointing_disable()

    @property
    def is_activation_checkpointing(self) -> bool:
        """Whether layers are computed again in the backward pass."""
        return bool(self.encoder.is_activation_checkpointing)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **more: Any,
    ) -> SequenceClassifierOutput:
        """Loss (if there are labels) and logits.

        Args:
            input_ids: Token ids (batch, tokens).
            attention_mask: 1 for tokens, 0 for padding; without it, all are tokens.
            labels: Class numbers (batch,), or numbers (batch, outputs), as ``config.problem_type`` says.
            more: Further inputs of the encoder.
        """
        layers = states_of(self.encoder, self.last, input_ids=input_ids, attention_mask=attention_mask, **more)
        mask = layers[-1].new_ones(layers[-1].shape[:2]) if attention_mask is None else attention_mask
        logits = self.head(layers, mask.bool())
        loss = None if labels is None else ForSequenceClassificationLoss(labels, logits, self.config)
        return SequenceClassifierOutput(loss=loss, logits=logits)

    def save_pretrained(self, folder: str | Path, state_dict: dict[str, Tensor] | None = None) -> None:
        """Write the encoder as ``AutoModel`` reads it, and the head beside it.

        Args:
            folder: An existing folder.
            state_dict: The weights to write; by default the model's.

        Raises:
            OSError: The folder cannot be written.
        """
        weights, parts = self.state_dict() if state_dict is None else state_dict, dict[str, dict[str, Tensor]]()
        for name, value in weights.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = value.detach()
        self.encoder.save_pretrained(folder, state_dict=parts["encoder"])
        head = {name: value.cpu().contiguous() for name, value in parts["head"].items()}
        try:
            save_file(head, Path(folder) / HEAD, {"format": "pt", "pooling": self.head.pooling})
        except safetensors.SafetensorError as error:
            raise OSError(f"cannot write {HEAD}: {error}") from None


def states_of(encoder: Any, last: int, **inputs: Any) -> list[Tensor]:
    """The states (batch, tokens, width) of the last layers; of one, as the encoder returns it after its final norm."""
    if last == 1:
        return [encoder(**inputs).last_hidden_state]
    found = encoder(**inputs, output_hidden_states=True)
    return [*found.hidden_states[1:-1], found.last_hidden_state][-last:]


def first_sees_all(encoder: Any) -> bool:
    """Whether the first token's state depends on the last token: in a model that generates text, it does not."""
    inputs, training = few_tokens(encoder), encoder.training
    encoder.eval()  # dropout would make any two passes differ
    other = inputs["input_ids"].clone()
    other[:, -1] = other[:, 1]
    with torch.no_grad():
        one, two = (encoder(**inputs | {"input_ids": ids}).last_hidden_state[:, 0] for ids in (inputs["input_ids"], other))
    encoder.train(training)
    return not torch.equal(one, two)


def read_head(folder: Path) -> tuple[str, dict[str, Tensor]]:
    """How a saved head pools, and its weights.

    Raises:
        ValueError: The file is damaged, or does not say how it pools.
    """
    try:
        with safetensors.safe_open(folder / HEAD, framework="pt") as file:
            pooling = (file.metadata() or {})["pooling"]
            return pooling, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, safetensors.SafetensorError, KeyError) as error:
        raise ValueError(f"{HEAD} cannot be read: {error}") from None
