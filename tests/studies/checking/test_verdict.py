"""What the check sees of methods and models that are broken in the classic ways."""

import math
from dataclasses import dataclass

import pytest
import torch
from helpers.outside_methods import OUTSIDE
from helpers.tiny_models import batch_for, build

from adv import AWP, FGM, METHODS, PGD, AttackError, Clean, EmbeddingMethod, FreeAT, Method, Precision, setting
from finetune.config import Recipe
from finetune.training.steps import Micro
from studies.checking.facts import gather
from studies.checking.meter import pace, peak_bytes
from studies.checking.probe import Bed, Observer
from studies.checking.verdict import judge


def bed_for(model, precision="fp32", scale=2.0**16):
    scaler = torch.amp.GradScaler("cpu", init_scale=scale) if precision == "fp16" else None
    dtype = {"fp32": None, "fp16": torch.float16}[precision]
    return Bed(model, Micro(batch_for(model), 7, 1.0, 1.0), Precision(dtype=dtype, scaler=scaler))


def facts_of(method, model=None, precision="fp32", **settings):
    bed = bed_for(build("bert") if model is None else model, precision)
    return gather(bed, lambda: method(**settings), Recipe(), 100)


def sharp():
    """A model whose loss the embeddings move far."""
    model = build("bert")
    model.classifier.weight.data.mul_(20)
    return model


def said(facts):
    return "\n".join(f"{finding.kind}: {finding.text}" for finding in judge(facts))


@dataclass(kw_only=True)
class Unscaled(FGM):
    """The popular notebook: the clean loss is scaled, the adversarial one is not."""

    def backward(self, model, batch, precision=None, forward=None, share=1.0):
        clean = forward(model, batch).loss
        precision.scale(clean, share).backward()
        loss = forward(model, batch).loss
        loss.backward()
        return loss.detach()


@dataclass(kw_only=True)
class Idle(Method):
    """An attack that forgets to attack."""

    def cost(self):
        return Clean().cost()

    def backward(self, model, batch, precision=None, forward=None, share=1.0):
        return Clean().backward(model, batch, precision, forward, share)


@dataclass(kw_only=True)
class Friend(FGM):
    """Descends instead of ascending."""

    def ascend(self, shift, gradient, ball, passes):
        shift, clipped = super().ascend(shift, gradient, ball, passes)
        return -shift, clipped


@dataclass(kw_only=True)
class Faint(FGM):
    """Leaves a gradient that no optimiser sees."""

    def backward(self, model, batch, precision=None, forward=None, share=1.0):
        loss = super().backward(model, batch, precision, forward, share)
        for p in model.parameters():
            if p.grad is not None:
                p.grad.mul_(1e-6)
        return loss


def test_healthy_steps_have_no_findings():
    assert said(facts_of(FGM, epsilon=0.1)) == ""
    assert said(facts_of(Clean)) == ""
    assert said(facts_of(FGM, precision="fp16", epsilon=0.1)) == ""


def test_an_unscaled_loss_is_seen():
    assert "failure: a loss was differentiated without the loss scale" in said(facts_of(Unscaled, precision="fp16"))
    assert "scale" not in said(facts_of(Unscaled))


def test_a_step_that_attacks_nothing_is_seen():
    assert said(facts_of(Idle)) == "failure: the gradient is bit for bit the same as in a clean step: nothing is attacked"


def test_an_attack_that_lowers_the_loss_is_seen():
    found = judge(facts_of(Friend, sharp(), epsilon=0.1))
    assert [finding.kind for finding in found] == ["failure"]
    assert "the loss under attack is not above the clean one" in found[0].text


def test_a_random_direction_may_lower_the_loss():
    @dataclass(kw_only=True)
    class Control(Friend):
        control = True

    assert [finding.kind for finding in judge(facts_of(Control, sharp(), epsilon=0.1))] == ["note"]


def test_a_gradient_that_is_next_to_nothing_is_seen():
    assert "is almost zero next to a clean step's" in said(facts_of(Faint))


def test_weights_in_half_precision_are_seen():
    with pytest.raises(AttackError, match="fp32"):
        facts_of(AWP, build("bert").bfloat16())
    with pytest.raises(AttackError, match="swallow"):
        facts_of(FGM, build("bert").bfloat16(), epsilon=1e-6)
    assert "weight tensors are stored as bfloat16" in said(facts_of(FGM, build("bert").bfloat16(), epsilon=0.1))


def test_frozen_models_are_seen():
    model = build("bert").requires_grad_(False)
    with pytest.raises(AttackError, match="parameters are frozen: nothing trains"):
        facts_of(FGM, model)
    model.classifier.requires_grad_(True)
    with pytest.raises(AttackError, match="are frozen: unfreeze some"):
        facts_of(AWP, model, adv_param="embeddings")


def test_an_overflow_that_no_loss_scale_mends_is_seen():
    model = build("bert")
    model.classifier.weight.data.mul_(1e30)
    facts = facts_of(FGM, model, precision="fp16")
    assert facts.halvings > 0
    assert "use precision='bf16' or fp32" in said(facts)


def test_the_loss_scale_is_halved_until_the_step_is_finite():
    model = build("bert")
    bed = bed_for(model, "fp16", 2.0**24)
    facts = gather(bed, lambda: FGM(epsilon=0.1), Recipe(), 100)
    assert facts.halvings > 0
    assert math.isfinite(facts.attacked.norm)
    assert said(facts) == ""


@pytest.mark.parametrize("name", METHODS)
def test_what_is_measured_is_what_is_seen(name):
    model = build("bert", dropout=0.0)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    facts = facts_of(METHODS[name], model)
    if type(facts.method).follow is Method.follow:
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in model.modules())
    seen, measured = facts.observer.relative, facts.measured.get("relative")
    assert (measured is None) or measured > 0
    assert (measured is None) or seen > 0
    if issubclass(METHODS[name], EmbeddingMethod):
        assert facts.observer.weights == {}
        assert [n for n, change in facts.observer.modules.items() if change] == ["bert.embeddings.word_embeddings"]


def test_an_observer_sees_which_weights_moved_and_by_how_much():
    model = build("bert")
    observer = Observer(model, None)
    with torch.no_grad():
        model.classifier.weight.mul_(1.5)
    batch = batch_for(model)
    observer.forward(model, batch)
    assert list(observer.weights) == ["classifier.weight"]
    assert observer.weights["classifier.weight"] == model.classifier.weight.numel()
    assert observer.relative == pytest.approx(0.5)
    assert observer.under == pytest.approx(float(model.eval()(**batch).loss.detach()), rel=0.5)


def test_memory_counts_what_lives_at_once():
    kept = torch.zeros(1000)
    held = []

    def step():
        held.append(kept + 1)  # 4000 bytes, kept
        for _ in range(3):
            kept.view(10, 100).mul(2)  # 4000 bytes each, gone at once; the view is none

    assert peak_bytes(step, torch.device("cpu")) == 8000
    assert peak_bytes(lambda: kept.add_(1), torch.device("cpu")) == 0


def test_steps_take_turns_after_a_warm_up():
    calls = []
    times = pace([lambda: calls.append("a"), lambda: calls.append("b")], torch.device("cpu"), 3, 60.0)
    assert calls == ["a", "b"] * 4
    assert len(times) == 2
    calls.clear()
    pace([lambda: calls.append("a")], torch.device("cpu"), 3, 0.0)
    assert calls == ["a"] * 2


@dataclass(kw_only=True)
class Strides(PGD):
    """PGD whose steps are ten times as long."""

    def ascend(self, shift, gradient, ball, passes):
        return ball.climb(shift, gradient, 10 * self.alpha, self.epsilon)


@dataclass(kw_only=True)
class Once(EmbeddingMethod):
    """A step of one's own, without alpha and K."""

    far: float = setting(0.02, "how far", low=0)

    def ascend(self, shift, gradient, ball, passes):
        return ball.climb(shift, gradient, self.far, self.far)


def test_a_step_of_one_s_own_is_judged_by_what_it_did():
    assert "never reaches" in said(facts_of(PGD, epsilon=0.4, alpha=0.1, K=3))
    assert said(facts_of(Strides, epsilon=0.4, alpha=0.01, K=3)) == ""
    assert said(facts_of(Once)) == ""
    assert "failure" in said(facts_of(Once, far=0.0))


@pytest.mark.parametrize(
    ("stride", "rounds", "expected"),
    [
        (0.01, 3, "idle: radius: rounds * stride = 0.03 never reaches radius = 0.04, so the ball never cuts; "),
        (0.03, 1, "idle: radius: rounds * stride = 0.03 never reaches radius = 0.04, so the ball never cuts; "),
        (0.02, 2, ""),
        (0.02, 3, ""),
        (0.05, 1, ""),
    ],
)
def test_a_radius_of_another_name_is_the_method_s_own(stride, rounds, expected):
    facts = facts_of(OUTSIDE["wander"], radius=0.04, stride=stride, rounds=rounds)
    assert said(facts) == (expected and expected + "take more or longer steps, or lower radius")


def test_settings_that_one_step_cannot_tell_idle_wait_for_training():
    """No step was stopped by the ball: the next batch may be. The box of weights is the same for all batches."""
    assert said(facts_of(FreeAT, epsilon=1.0, alpha=0.01)) == ""
    assert "idle: adv_eps: " in said(facts_of(AWP, adv_lr=1e-6))
