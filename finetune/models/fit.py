"""Whether a pretrained model can read the texts: tried with the model itself, before anything is written."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finetune.arguments import Line, arg
from finetune.errors import UserError, first_line
from finetune.models.pretrained import PADS, Models
from finetune.tasks.task import Rows

# Models with a table of positions mostly have 512 or 1,024.
USUAL = 1040
# The fewest tokens that a model must be able to read, and transformers' number for "no limit".
FEWEST = 4
UNLIMITED = int(1e30)
# The text with the most tokens is searched for among this many texts with the most characters.
CANDIDATES = 32
# Rounding error, as a share of the output.
ALIKE = 1e-4
# More characters than most tokens have, and the length of a text that surely fits.
WIDE = 64
FEW = 8


class Fit:
    """Tokeniser, padding and text length that suit a pretrained model, found by trying the model.

    ``max_length`` is the length in tokens at which texts are cut: the recipe's, or less if tokeniser or model take less.
    Lines about what was chosen are added to ``models.notes``. The tokeniser's inputs and padding side may be changed.

    Args:
        models: The source of the model; its tokeniser is adapted.
        seed: The seed of training, so that its model is built only once.
        parts: All rows, by split.
        asked: The recipe's ``max_length``.

    Raises:
        UserError: The model cannot read the texts.
    """

    def __init__(self, models: Models, seed: int, parts: Sequence[Rows], asked: int) -> None:
        self.models, self.tokenizer = models, models.tokenizer
        self.model: Any = models.look_at(seed)
        self.error: Exception | None = None
        own = getattr(self.tokenizer, "model_max_length", None)
        if not isinstance(own, int | float) or own < FEWEST:  # not a length
            own = self.tokenizer.model_max_length = UNLIMITED
        self.max_length = int(min(own, asked))
        if self.max_length < asked:
            self._cut("its tokeniser", asked)
        self._refuse_unknown_tokens(parts)
        texts = [tuple(text[: asked * WIDE] for text in row) for row in longest_texts(parts)]
        self._choose_inputs(texts)
        self._choose_length(texts, asked)
        self._choose_padding(texts)
        self._choose_side(texts)

    def _say(self, line: str) -> None:
        self.models.notes.append(Line(f"model {self.models.source}: {line}"))

    def _cut(self, who: str, asked: int) -> None:
        most = f"the most that {who} takes"
        self._say(f"texts are cut at {self.max_length} tokens, {most}, not {arg('max_length', asked)}")

    def _refuse(self, what: str) -> UserError:
        return UserError(f"{arg('model', self.models.source)}: {what}")

    def encoded(self, texts: Sequence[tuple[str, ...]], length: int) -> dict[str, Tensor]:
        """Texts, or pairs of texts, as inputs of the model."""
        columns = [list(column) for column in zip(*texts, strict=True)]
        return dict(self.tokenizer(*columns, truncation=True, max_length=length, padding=True, return_tensors="pt"))

    def logits(self, inputs: dict[str, Tensor]) -> Tensor | None:
        """The model's output; None if the model raises an error, with the reason in ``error``."""
        try:
            with torch.no_grad():
                found: Tensor = self.model(**inputs).logits
        except Exception as error:  # every architecture fails in its own way
            self.error = error
            return None
        return found

    def _refuse_unknown_tokens(self, parts: Sequence[Rows]) -> None:
        """Refuse tokens beyond the embedding; a tokeniser may have such tokens as long as no text contains one."""
        size = self._embedding_rows()
        if len(self.tokenizer) <= size:
            return
        pad = self.tokenizer.pad_token
        if self.tokenizer.pad_token_id >= size:
            known = (getattr(self.tokenizer, name, None) for name in PADS)
            other = next((token for token in known if token and self.tokenizer.convert_tokens_to_ids(token) < size), None)
            if other is None:
                raise self._refuse(f"its tokeniser pads with {pad}, which is not among the {size} rows of its embedding")
            self.tokenizer.pad_token = other
            self.model.config.pad_token_id = self.tokenizer.pad_token_id
            self._say(f"its embedding of {size} rows has no {pad}, so {other} pads")
        for text in (text for rows in parts for texts in (rows.texts, rows.pairs or []) for text in texts):
            over = [number for number in self.tokenizer(text)["input_ids"] if number >= size]
            if over:
                token = self.tokenizer.convert_ids_to_tokens(over[0])
                what = f"its tokeniser has more tokens than its embedding: {token!r} has number {over[0]}, of {size} rows"
                raise self._refuse(f"{what}; do tokeniser and weights belong together?")

    def _embedding_rows(self) -> int:
        try:
            return int(self.model.get_input_embeddings().num_embeddings)
        except (NotImplementedError, AttributeError):  # the model has no word embedding
            return len(self.tokenizer)

    def _choose_inputs(self, texts: list[tuple[str, ...]]) -> None:
        """Leave out token types if the model does not take them."""
        short = self.encoded([tuple(text[:FEW] or "a" for text in texts[0])], self.max_length)
        if self.logits(short) is None:
            kinds = short.pop("token_type_ids", None)
            if kinds is None or self.logits(short) is None:
                raise self._refuse(f"it cannot read a text: {self._reason()}")
            inputs = [name for name in self.tokenizer.model_input_names if name != "token_type_ids"]
            self.tokenizer.model_input_names = inputs
            self.tokenizer.init_kwargs["model_input_names"] = inputs
            self._say("it has no token types, although its tokeniser gives some: token_type_ids are left out")
        empty = self.encoded([("",) * len(texts[0])], self.max_length)
        if empty["input_ids"].shape[1] and self.logits(empty) is None:
            raise self._refuse(f"it cannot read an empty text: {self._reason()}")

    def _reason(self) -> str:
        return first_line(self.error or ValueError())[:200]

    def _choose_length(self, texts: list[tuple[str, ...]], asked: int) -> None:
        """Find the longest text that the model can read, by trying.

        Raises:
            UserError: The model cannot read four tokens, or its output is not finite.
        """
        real = [len(self.tokenizer(*row, verbose=False)["input_ids"]) for row in texts]
        most = min(self.max_length, max(USUAL, *real))
        times = most // max(1, real[0]) + 1
        many = tuple(" ".join([text or "a"] * times) for text in texts[0])
        found, good, bad = self.logits(self.encoded([many], most)), 0, most
        while found is None and bad - good > 1:
            length = (good + bad) // 2
            works = length >= FEWEST and self.logits(self.encoded([many], length)) is not None
            good, bad = (length, bad) if works else (good, length)
        if found is None:
            found = self.logits(self.encoded([many], good)) if good else None
            if found is None:
                raise self._refuse(f"it cannot read texts of {FEWEST} tokens: {self._reason()}")
            self.max_length = good
            self._cut("the model", asked)
        if not torch.isfinite(found).all():
            raise self._refuse("its output is not finite; are its weights damaged?")

    def _choose_padding(self, texts: list[tuple[str, ...]]) -> None:
        """Keep the configuration's padding token, unless the model pools by it; some models count positions from it."""
        config, own = self.model.config, self.models.own_pad
        if own is None or own == self.tokenizer.pad_token_id:
            return
        config.pad_token_id, self.models.keep_pad = own, True
        if not self._padded_alike(texts):
            config.pad_token_id, self.models.keep_pad = self.tokenizer.pad_token_id, False

    def _choose_side(self, texts: list[tuple[str, ...]]) -> None:
        """Pad on the other side if padding on this side changes the model's output and padding there does not."""
        side = self.tokenizer.padding_side
        if self._padded_alike(texts):
            return
        other = "right" if side == "left" else "left"
        self.tokenizer.padding_side = other
        if self._padded_alike(texts):
            self.tokenizer.init_kwargs["padding_side"] = other
            self._say(f"texts are padded on the {other}: padding on the {side}, as its tokeniser does, changes its output")
        else:
            self.tokenizer.padding_side = side

    def _padded_alike(self, texts: list[tuple[str, ...]]) -> bool:
        both = [tuple(" ".join([text or "a"] * FEW)[:many] for text in texts[0]) for many in (FEW, FEW * FEW)]
        alone, padded = (self._first(self.encoded(texts, self.max_length)) for texts in (both[:1], both))
        if alone is None or padded is None:
            return False
        return bool((alone - padded).abs().max() <= ALIKE * alone.abs().max())

    def _first(self, inputs: dict[str, Tensor]) -> Tensor | None:
        """The output for the first text, or for each of its tokens."""
        found = self.logits(inputs)
        if found is None or found.dim() < 3:
            return None if found is None else found[0]
        return found[0][inputs["attention_mask"][0].bool()]


def longest_texts(parts: Sequence[Rows]) -> list[tuple[str, ...]]:
    """The few rows with the most characters, longest first."""
    rows: list[tuple[str, ...]] = []
    for part in parts:
        rows += zip(part.texts, strict=True) if part.pairs is None else zip(part.texts, part.pairs, strict=True)
    rows.sort(key=lambda row: -sum(map(len, row)))
    return rows[:CANDIDATES]


def filled(rows: Rows, empty: NDArray[np.bool_], tokenizer: Any) -> tuple[Rows, str]:
    """The rows, with a token in place of each text without tokens, and that token: a model cannot read an empty input."""
    known = [getattr(tokenizer, name, None) for name in ("bos_token", "eos_token", "cls_token", "sep_token", "unk_token")]
    token = next((token for token in known if token and token != tokenizer.pad_token), tokenizer.pad_token)
    texts = [token if gap else text for text, gap in zip(rows.texts, empty, strict=True)]
    return replace(rows, texts=texts), token
