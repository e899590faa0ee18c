"""Methods that somebody writes outside of the project, with imports from ``adv`` alone, keep the same contract."""

import importlib.util
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from helpers.places import ROOT
from helpers.tiny_models import batch_for, build, grads_of

from adv import FP32, METHODS, Cost, EmbeddingMethod, Method, Passes, SettingError, call_model, setting, shifted_embeddings


@dataclass(kw_only=True)
class Sideways(EmbeddingMethod):
    """Two steps: along the gradient, then back by a part of it."""

    null: ClassVar = ({"far": 0.0},)

    far: float = setting(0.3, "length of the first step", low=0)
    back: float = setting(0.5, "share that the second step takes back", low=0, high=1)
    combine: str = setting("mean", "what counts", choices=("mean", "sum", "replace"))

    @property
    def geometry(self):
        return "example"

    @property
    def steps(self):
        return 2

    def ascend(self, shift, gradient, ball, passes):
        if shift.any():
            return shift * (1 - self.back), shift.new_zeros(())
        return ball.climb(shift, gradient, self.far, self.far)


@dataclass(kw_only=True)
class Doubled(Method):
    """The mean of the clean loss and of one with the first entry of each embedding made larger: written from nothing."""

    null: ClassVar = ({"size": 0.0},)

    size: float = setting(0.1, "how much is added", low=0)

    def cost(self):
        return Cost(2, 2)

    def backward(self, model, batch, precision=FP32, forward=call_model, share=1.0):
        embedding = model.get_input_embeddings()

        def shift(ids, output):
            moved = torch.zeros_like(output)
            moved[..., 0] = self.size * output[..., 0]
            return moved * batch["attention_mask"].unsqueeze(-1)

        with Passes(model, batch, precision, forward, self.same_dropout, share) as passes:
            loss = passes.loss()
            with shifted_embeddings(embedding, shift):
                objective = (loss + passes.loss()) / 2
            passes.scale(objective).backward()
        return objective.detach()


OUTSIDE = {"sideways": Sideways, "doubled": Doubled}


@pytest.fixture(scope="module")
def contract():
    spec = importlib.util.spec_from_file_location("contract", ROOT / "tests" / "adv" / "test_contract.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHECKS = [
    "test_only_adds_to_the_gradients_and_leaves_all_else_as_it_was",
    "test_restores_when_any_pass_raises_halfway",
    "test_radius_zero_is_clean_training",
    "test_a_step_costs_what_it_says_and_no_more",
]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("family", ["bert", "deberta", "modernbert"])
@pytest.mark.parametrize("check", CHECKS)
def test_the_contract_holds(check, family, name, contract, monkeypatch):
    monkeypatch.setitem(METHODS, name, OUTSIDE[name])
    getattr(contract, check)(family, name)


@pytest.mark.parametrize("kind", OUTSIDE.values())
def test_settings_are_checked_and_start_is_obeyed(kind):
    with pytest.raises(SettingError, match="must be a finite number >= 0, but is -1"):
        kind(**{"far" if kind is Sideways else "size": -1.0})
    method = kind(start_epoch=2)
    assert type(method.at(1)).__name__ == "Clean"
    assert method.at(2) is method


@pytest.mark.parametrize("kind", OUTSIDE.values())
def test_a_micro_batch_counts_its_share(kind):
    model = build("bert", dropout=0.0)
    batch = batch_for(model)
    kind().backward(model, batch)
    whole = grads_of(model)
    model.zero_grad()
    kind().backward(model, batch, share=0.25)
    for key, gradient in grads_of(model).items():
        torch.testing.assert_close(gradient, 0.25 * whole[key], rtol=1e-4, atol=1e-7)
