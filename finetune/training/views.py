"""Other views of the validation rows: under one attack on the embeddings, and with character noise.

Both are the same for every method, seed and epoch, and no method trains with them.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from adv import Precision
from adv.core.passes import Forward, call_model, read_logits
from adv.steps.fixed import FixedAttack
from finetune.arguments import Line, arg
from finetune.data.noise import SHARE
from finetune.words import listed

# The names of a tokeniser's tokens that are not text. An unknown word is text, and so is a token in its place.
NOT_TEXT = ("cls_token_id", "sep_token_id", "bos_token_id", "eos_token_id", "pad_token_id", "mask_token_id")
# A model's logits (rows, ...) for a batch with labels.
Answer = Callable[[nn.Module, dict[str, Tensor], Precision], Tensor]


def plainly(model: nn.Module, batch: dict[str, Tensor], precision: Precision) -> Tensor:
    """The logits for the texts as they are."""
    with precision.autocast(batch["labels"].device):
        found: Tensor = model(**{name: values for name, values in batch.items() if name != "labels"}).logits
    return found


def attacked(tokenizer: Any, attack: FixedAttack | None = None, forward: Forward = call_model) -> Answer:
    """The logits under the fixed attack on the loss of ``forward``; the tokeniser's special tokens are left alone."""
    known = [getattr(tokenizer, name, None) for name in NOT_TEXT]
    attack = (attack or FixedAttack()).sparing([token for token in known if token is not None])

    def answer(model: nn.Module, batch: dict[str, Tensor], precision: Precision) -> Tensor:
        return read_logits(attack.answer(model, batch, precision, forward))

    return answer


def passes(views: Sequence[str]) -> int:
    """Forward passes of the validation rows that the views need in each epoch; a backward pass to the embeddings is one."""
    cost = FixedAttack().cost()
    # The last pass of the attack as a training step is one forward here, without its backward.
    each = {"robust": int(cost.forward + cost.inner), "noisy": 1}
    return sum(each[view] for view in views)


def told(views: Sequence[str], train: int, validation: int) -> Line:
    """What is measured besides, and what it costs.

    Args:
        views: The views, at least one.
        train: Train rows; a clean step counts three passes.
        validation: Validation rows.
    """
    attack = FixedAttack()
    what = {
        "robust": f"under an attack on the embeddings ({attack.K} steps within {attack.epsilon:.0%} of each token's norm)",
        "noisy": f"with noise in {SHARE:.0%} of the characters",
    }
    usual = 3 * train + validation
    longer = 1 + passes(views) * validation / usual
    how = listed([what[view] for view in views], "and")
    return Line(f"{arg('record', list(views))}: validation also {how}; a clean epoch takes about {longer:.2g} times as long")
