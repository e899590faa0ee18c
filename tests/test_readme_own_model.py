"""The README's snippets for a model of one's own run, and do what the text around them says."""

import re

import pytest
import torch
from helpers.places import ROOT
from helpers.tiny_models import batch_for, build, grads_of
from torch import nn

from adv import SMART, FreeLB, Precision

SECTION = (ROOT / "README.md").read_text().split("### Your own model", 1)[1].split("\n## ", 1)[0]
FORWARD, NAME, SHARE, BF16, FP16 = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


class Own(nn.Module):
    """Not called as ``model(**batch)``, without ``get_input_embeddings()``, returns logits."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.out = nn.Embedding(60, 8), nn.Linear(8, 3)

    def forward(self, ids, attention_mask):
        mask = attention_mask.unsqueeze(-1)
        return self.out((self.embedding(ids) * mask).sum(1) / mask.sum(1))


def names_for(method="FGM("):
    """What the snippets take as given, after the first one has run."""
    model = Own()
    whole = list(batch_for(build("bert")).values())
    names = {
        "model": model,
        "batch": tuple(whole),
        "micro_batches": [tuple(part[rows] for part in whole) for rows in (slice(0, 3), slice(3, 4))],
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "torch": torch,
        "Precision": Precision,
        "SMART": SMART,
        "FreeLB": FreeLB,
        "device": "cpu",
    }
    names["loader"] = [names["batch"]] * 2
    call = re.search(r"method = FGM\((.*?)\)", FORWARD).group(1)
    settings = call if method == "FGM(" else "epsilon=0.5, emb_name='embedding'"
    exec(FORWARD.replace(f"FGM({call})", f"{method}{settings})"), names)
    return names


def stepped(names, code):
    """The gradients that each optimiser step of the snippet had."""
    names["model"].zero_grad()
    seen = []
    hook = names["optimizer"].register_step_pre_hook(lambda *_: seen.append(grads_of(names["model"])))
    exec(code, names)
    hook.remove()
    return seen


@pytest.mark.parametrize("method", ["FGM(", "SMART(", "FreeLB("])
def test_a_forward_of_one_s_own_with_the_criterion_outside(method):
    names = names_for(method)
    assert grads_of(names["model"]).keys() == {"embedding.weight", "out.weight", "out.bias"}
    before = {name: p.detach().clone() for name, p in names["model"].named_parameters()}
    (found,) = stepped(names, SHARE)
    assert found.keys() == before.keys()
    assert all(not torch.equal(p, before[name]) for name, p in names["model"].named_parameters())


def test_the_error_lists_the_names(capsys):
    exec(NAME, names_for())
    assert capsys.readouterr().out.strip() == NAME.split("print(error)  # ")[1].strip()


def test_shares_give_the_gradient_of_the_whole_batch():
    names = names_for()
    whole = {name: g.clone() for name, g in grads_of(names["model"]).items()}
    (found,) = stepped(names, SHARE)
    torch.testing.assert_close(found, whole, rtol=1e-5, atol=1e-7)
    (other,) = stepped(names_for(), SHARE.replace("len(batch[2]) / rows", "1 / len(micro_batches)"))
    assert not torch.allclose(other["out.weight"], whole["out.weight"], rtol=1e-3)


def test_bf16_comes_close_to_fp32_in_every_pass():
    names = names_for()
    whole, types = {name: g.clone() for name, g in grads_of(names["model"]).items()}, []
    handle = names["model"].out.register_forward_hook(lambda module, args, output: types.append(output.dtype))
    (found,) = stepped(names, BF16)
    handle.remove()
    assert types == [torch.bfloat16] * 2
    torch.testing.assert_close(found, whole, rtol=0.05, atol=0.01)


def test_fp16_steps_on_unscaled_gradients():
    names = names_for()
    whole, types = {name: g.clone() for name, g in grads_of(names["model"]).items()}, []
    names["model"].out.register_forward_hook(lambda module, args, output: types.append(output.dtype))
    found = stepped(names, FP16)
    assert types == [torch.float16] * 4
    assert len(found) == 2
    assert torch.stack([g.norm() for g in whole.values()]).norm() < 1  # so the clip leaves it as it is
    torch.testing.assert_close(found[0], whole, rtol=0.02, atol=0.005)
    assert names["scaler"].get_scale() == 65536
