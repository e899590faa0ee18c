"""How the passes of one step are computed: autocast and loss scaling."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Precision:
    """Autocast and loss scaling in one object.

    Args:
        dtype: Autocast type (``torch.bfloat16``, ``torch.float16``), or None for fp32.
        scaler: The loop's own ``GradScaler``; its scale multiplies every loss, also those of inner passes.

    Example:
        >>> import torch
        >>> from adv import Precision
        >>> Precision(dtype=torch.bfloat16)  # bf16 needs no scaler
        Precision(dtype=torch.bfloat16, scaler=None)
    """

    dtype: torch.dtype | None = None
    scaler: torch.amp.GradScaler | None = None

    def autocast(self, device: torch.device) -> AbstractContextManager[object]:
        """The context of one forward pass; without a dtype, the caller's own autocast holds."""
        return nullcontext() if self.dtype is None else torch.autocast(device.type, dtype=self.dtype)

    def scale(self, loss: Tensor, share: float = 1.0) -> Tensor:
        """The loss to differentiate: times the micro-batch's share, and scaled if there is a scaler."""
        shared = loss * share
        return shared if self.scaler is None else self.scaler.scale(shared)

    def tell(self, loss: Tensor, nonfinite: Tensor) -> Tensor:
        """The scaled loss, or NaN after an overflow in an inner pass, so that the scaler skips the step and scales less.

        The scaler does not see inner gradients. Without this, the scale would stay where they overflow, and no step would be
        attacked.
        """
        if self.scaler is None or not self.scaler.is_enabled():
            return loss
        return loss * torch.where(nonfinite, torch.nan, 1.0)

    def unit(self, device: torch.device, share: float = 1.0) -> Tensor:
        """The factor that ``scale`` applies, as a tensor, so that nothing waits for the accelerator."""
        return self.scale(torch.ones((), device=device), share)


FP32 = Precision()
