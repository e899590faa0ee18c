"""What a snapshot keeps: every kind of tensor, and facts that JSON alone would not."""

import torch

TENSORS = {
    "half": torch.arange(6, dtype=torch.float16).reshape(2, 3),
    "brain": torch.tensor([1.5, -2], dtype=torch.bfloat16),
    "odd": torch.tensor([float("nan"), float("inf"), -0.0]),
    "double": torch.tensor(1 / 3, dtype=torch.float64),
    "whole": torch.tensor([2**60, -1]),
    "flags": torch.tensor([True, False]),
    "turned": torch.arange(6.0).reshape(2, 3).T,
    "empty": torch.zeros(0, 4),
}
FACTS = {"history": [{"loss": 1 / 3, "nan": float("nan")}], "text": "é 🙂"}
