"""The README.md of a saved model with a pooling head: how to load and use it without this project, in plain code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from finetune.models.pooling import LAST

STATES = "    states = encoder(**inputs).last_hidden_state"
LAYERS = f"""\
    found = encoder(**inputs, output_hidden_states=True)
    layers = [*found.hidden_states[1:-1], found.last_hidden_state][-{LAST}:]
    shares = head["layers"].softmax(0)
    states = sum(share * layer for share, layer in zip(shares, layers))"""
MEAN = "    pooled = states.masked_fill(~real, 0).sum(1) / real.sum(1)"
POOL = {
    "cls": '    first = inputs["attention_mask"].argmax(1)\n    pooled = states[torch.arange(len(states)), first]',
    "mean": MEAN,
    "max": '    pooled = states.masked_fill(~real, float("-inf")).amax(1)',
    "attention": """\
    scores = torch.tanh(states @ head["hidden.weight"].T + head["hidden.bias"]) @ head["score.weight"].T
    shares = scores.masked_fill(~real, float("-inf")).softmax(1)
    pooled = (shares * states.masked_fill(~real, 0)).sum(1)""",
    "last-layers": MEAN,
}
NAMES = {
    "cls": "the first token's state",
    "mean": "the mean of the tokens' states",
    "max": "the largest value of the tokens' states",
    "attention": "the mean of the tokens' states, weighted by learned scores",
    "last-layers": f"the mean of the tokens' states in the last {LAST} layers, which have learned weights",
}
README = """# An encoder and a head that pools

`AutoModel.from_pretrained` loads the encoder. The head is in `head.safetensors`: {name}, then a linear layer.
This needs torch, transformers and safetensors:

```python
import torch
from safetensors.torch import load_file
from transformers import {family}, AutoTokenizer


@torch.no_grad()
def logits_of(folder, *texts):
    \"\"\"A list of texts; for pairs, another list of their second texts.\"\"\"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoder = {family}.from_pretrained(folder).eval()
    head = load_file(f"{{folder}}/head.safetensors")
    inputs = tokenizer(*texts, truncation=True, padding=True, return_tensors="pt")
    real = inputs["attention_mask"].bool()[..., None]
{states}
{pool}
    return pooled @ head["output.weight"].T + head["output.bias"]
```

{meaning}
"""
FOLDER = "`--model` of this project takes this folder too, and the head with it."


def explained(pooling: str, family: str, meaning: str) -> str:
    """The text.

    Args:
        pooling: How the head pools.
        family: The class of transformers that loads the encoder.
        meaning: What the logits are, and their names.
    """
    states = LAYERS if pooling == "last-layers" else STATES
    parts = {"name": NAMES[pooling], "family": family, "states": states, "pool": POOL[pooling]}
    return README.format(**parts, meaning=f"{meaning} {FOLDER}")


def plain_code(folder: Path) -> Callable[..., Any]:
    """The function ``logits_of`` of a folder's README.md, as somebody else would run it."""
    code = (folder / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    here: dict[str, Any] = {}
    exec(compile(code, str(folder / "README.md"), "exec"), here)
    found: Callable[..., Any] = here["logits_of"]
    return found
