"""One attack on the embeddings under which trained models are compared: the same for every model and method."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from adv.core.ball import Ball
from adv.core.compiled import eagerly
from adv.core.passes import Forward, Passes, accelerators, call_model, random_state, set_random_state
from adv.core.precision import FP32, Precision
from adv.core.settings import AttackError, setting
from adv.core.shift import find_embedding, shifted_embeddings
from adv.steps.embedding import EmbeddingMethod

# The start and the steps, as shares of the radius.
START = STEP = 0.5


@dataclass(kw_only=True)
class FixedAttack(EmbeddingMethod):
    """K steps along the normalised gradient of the loss, in a ball around each token's embedding, from a fixed start.

    With e the embedding of a token and ``r = epsilon * ||e||_2``, the perturbation of that token begins at ``r / 2 * z``
    with z a random direction, and K times ``delta <- Pi(delta + r / 2 * g / ||g||_2)``, with Pi onto the ball of radius r.
    z depends only on ``seed`` and the token's place in its text, and each token has a ball of its own. So a text meets the
    same attack in every batch, whatever else is in it.

    It measures and does not train: it is not among ``METHODS``, so no method is trained with it.
    """

    from_zero: ClassVar[bool] = False

    epsilon: float = setting(0.05, "radius, as a share of the norm of each token's embedding", low=0)
    K: int = setting(3, "ascent steps", low=1)
    seed: int = setting(0, "seed of the start", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._spared: tuple[int, ...] = ()

    def sparing(self, tokens: Sequence[int]) -> Self:
        """The same attack, with token ids that it never perturbs, such as those of [CLS] and [SEP]."""
        self._spared = tuple(tokens)
        return self

    @property
    def steps(self) -> int:
        return self.K

    def ball(self, passes: Passes, ids: Tensor) -> Ball:
        ball = super().ball(passes, ids)
        spared = torch.isin(ids, torch.tensor(self._spared, dtype=ids.dtype, device=ids.device))
        return replace(ball, mask=ball.mask * ~spared.unsqueeze(-1))

    def start(self, output: Tensor, ball: Ball, passes: Passes) -> Tensor:
        self._radii = self.epsilon * ball.length(output)
        real = ball.mask.squeeze(-1)
        places = (real.cumsum(ball.text_axis) - 1).clamp_min(0).long()
        # Drawn on the CPU, in the order of places: the same on every device, and for texts of every length.
        shape = (real.shape[ball.text_axis], output.shape[-1])
        noise = 2 * torch.rand(shape, generator=torch.Generator().manual_seed(self.seed)) - 1
        return START * self._radii * ball.unit(noise.to(output.device)[places])

    def ascend(self, shift: Tensor, gradient: Tensor, ball: Ball, passes: Passes) -> tuple[Tensor, Tensor]:
        return ball.climb(shift, gradient, STEP * self._radii, self._radii)

    def answer(self, model: nn.Module, batch: Any, precision: Precision = FP32, forward: Forward = call_model) -> Any:
        """The model's output on perturbed embeddings; weights, gradients and generators stay as they are.

        Args:
            model: In evaluation mode, or dropout acts as in a training step.
            batch: As in ``backward``, with labels: the attack raises the loss.
            precision: Autocast. Under fp16 the gradients are taken in fp32, as nothing scales the loss here.
            forward: As in ``backward``.

        Raises:
            AttackError: The attack cannot act on this model, or its gradients are not finite.

        Example:
            >>> from types import SimpleNamespace
            >>> class Model(nn.Module):
            ...     def __init__(self):
            ...         super().__init__()
            ...         self.words = nn.Embedding(9, 4)
            ...     def forward(self, input_ids, attention_mask, labels):
            ...         logits = self.words(input_ids).mean(1)
            ...         return SimpleNamespace(loss=nn.functional.cross_entropy(logits, labels), logits=logits)
            >>> ids = torch.tensor([[1, 2, 3]])
            >>> batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.tensor([1])}
            >>> model = Model().eval()
            >>> attack = FixedAttack(emb_name="words")
            >>> bool(attack.answer(model, batch).loss > model(**batch).loss)
            True
        """
        embedding, state = find_embedding(model, self.emb_name), random_state(accelerators(model))
        graded = FP32 if precision.dtype is torch.float16 else precision
        torch.manual_seed(self.seed)
        try:
            with torch.enable_grad(), Passes(model, batch, graded, forward, same_dropout=True) as passes:
                worst = self.find(passes, embedding, before=0.0)
            if not worst.finite:
                raise AttackError("the gradients of the attack are not finite")
            perturbed = shifted_embeddings(embedding, worst.shift)
            with torch.no_grad(), eagerly(), perturbed, precision.autocast(passes.device):
                return forward(model, batch)
        finally:
            set_random_state(state)
