"""Tokenisers that are given words: a fast one, which says which token belongs to which word, and which keeps words apart."""

import json
from typing import Any

from tokenizers import Tokenizer

from finetune.errors import UserError

# Two words that tokenisers know, or at least take for words.
PROBE = "a the"


def fit_for_words(tokenizer: Any, where: str) -> str:
    """Adapt a tokeniser to sentences that are given word by word.

    Tokenisers of bytes, such as RoBERTa's, write the blank before a word into its first token. A word that is given alone
    has no blank before it, so they must add one.

    Args:
        tokenizer: Changed in place.
        where: The model, for messages.

    Returns:
        What was changed, or is not as in a running text; empty if there is nothing to say.

    Raises:
        UserError: It cannot say which token belongs to which word.
    """
    if not getattr(tokenizer, "is_fast", False):
        what = f"its tokeniser ({type(tokenizer).__name__}) does not say which token belongs to which word"
        raise UserError(f"{where}: {what}; take a model with a fast tokeniser (tokenizer.json)")
    if _alike(tokenizer):
        return ""
    written = tokenizer.backend_tokenizer.to_str()
    changed = json.loads(written)
    add_blanks(changed.get("pre_tokenizer"))
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(changed))
    tokenizer.add_prefix_space = tokenizer.init_kwargs["add_prefix_space"] = True
    if _alike(tokenizer):
        return "words are given to its tokeniser with a blank before each (add_prefix_space)"
    return "warning: its tokeniser cuts words that are given one by one otherwise than words in a text"


def add_blanks(part: Any) -> None:
    """Let every pre-tokeniser of bytes in a tokeniser's JSON add a blank before a word: changes it."""
    if isinstance(part, dict):
        if part.get("type") == "ByteLevel":
            part["add_prefix_space"] = True
        for inside in part.values():
            add_blanks(inside)
    elif isinstance(part, list):
        for inside in part:
            add_blanks(inside)


def _alike(tokenizer: Any) -> bool:
    """Whether two words have the same tokens in a text and given one by one."""
    try:
        apart = tokenizer(PROBE.split(), is_split_into_words=True, add_special_tokens=False)["input_ids"]
    except AssertionError:  # RoBERTa's earlier tokenisers, without add_prefix_space
        return False
    return bool(apart) and apart == tokenizer(PROBE, add_special_tokens=False)["input_ids"]
