"""What is wrong with an attacked step: failures that training does not show."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from adv import Clean, Method
from finetune.arguments import Line, arg
from studies.checking.facts import Facts
from studies.checking.probe import Outcome

# fp32 rounds smaller changes away.
SWALLOWED = 1e-7
# A gradient below this share of the clean one: the optimiser sees nothing of the attack.
VANISHED = 1e-3
# A fall of less than this share of the clean loss proves nothing.
NOISE = 0.05
HALF = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Finding:
    """One sentence. A "failure" or an "idle" setting makes the check fail, a "note" does not."""

    kind: str
    text: Line


def judge(facts: Facts) -> list[Finding]:
    """Everything that is wrong with the step, the worst first."""
    found = [Finding("failure", Line(text)) for text in failures(facts)]
    if not isinstance(facts.method, Clean):
        found += [Finding("failure", Line(text)) for text in movement(facts)]
        found += [Finding("idle", Line(text)) for text in idle(facts)]
        found += raised(facts)
    return found


def failures(facts: Facts) -> Iterator[str]:
    """Attacks that never start, are rounded away, overflow, or are not scaled."""
    method, parameters = facts.method, dict(facts.model.named_parameters())
    if method.start_epoch >= facts.epochs:
        yield (
            f"the attack never starts: start_epoch is {method.start_epoch}, but the last epoch is {facts.epochs - 1}, "
            f"counted from 0 ({arg('epochs', facts.epochs)})"
        )
    half = [name for name, p in parameters.items() if p.dtype in HALF]
    if half:
        kind = str(parameters[half[0]].dtype).removeprefix("torch.")
        yield (
            f"{len(half)} weight tensors are stored as {kind} ({half[0]}, ...), which rounds small steps and perturbations "
            f"away: load the model in fp32 and use {arg('precision')}"
        )
    if not math.isfinite(facts.clean.norm):
        yield f"the gradient of a clean step is not finite{overflow(facts)}"
    elif not math.isfinite(facts.attacked.norm) or facts.measured.get("nonfinite"):
        yield f"the gradient of the attack is not finite, so the step is not attacked{overflow(facts)}"
    elif facts.attacked.norm <= VANISHED * facts.clean.norm:
        yield (
            f"the attacked step's gradient ({facts.attacked.norm:.3g}) is almost zero next to a clean step's "
            f"({facts.clean.norm:.3g})"
        )
    if facts.observer.unscaled:
        yield (
            f"a loss was differentiated without the loss scale ({facts.observer.unit:g}): under fp16 its gradient is "
            "almost zero next to the clean one; the method must use passes.scale(loss)"
        )


def overflow(facts: Facts) -> str:
    """What to do about numbers that are too large."""
    if facts.halvings:
        return f", also after {facts.halvings} halvings of the loss scale: use {arg('precision', 'bf16')} or fp32"
    return f": look at {arg('learning_rate')}, the data and the model's weights"


def movement(facts: Facts) -> Iterator[str]:
    """Perturbations that are zero, or too large."""
    relative = facts.relative
    if relative is None:
        if same(facts.clean, facts.attacked):
            yield "the gradient is bit for bit the same as in a clean step: nothing is attacked"
        return
    if relative < SWALLOWED:
        what = "moves nothing" if relative == 0 else f"is {relative:.1g} of what it perturbs: fp32 rounds it away"
        yield f"the perturbation {what}; raise the radius ({radii(facts.method)})"
    elif facts.observer.relative == 0 and same(facts.clean, facts.attacked):
        yield "the perturbation is rounded away where it is added, and the gradient is the same as in a clean step"
    elif relative > 1:
        yield (
            f"the perturbation is {relative:.3g} times as large as what it perturbs, so the text is lost; "
            f"lower the radius ({radii(facts.method)})"
        )


def radii(method: Method) -> str:
    """The settings that make the attack vanish, with their values."""
    names = sorted({name for setting in method.null for name in setting})
    return (
        ", ".join(f"{name}={getattr(method, name):g}" for name in names if number(getattr(method, name))) or "see its page"
    )


def number(value: object) -> bool:
    """Whether a setting is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(one: Outcome, other: Outcome) -> bool:
    """Whether the gradients are equal."""
    names = one.gradients.keys()
    return names == other.gradients.keys() and all(torch.equal(one.gradients[n], other.gradients[n]) for n in names)


def idle(facts: Facts) -> Iterator[str]:
    """Settings that have no effect."""
    method, clipped = facts.method, facts.measured.get("clipped")
    reach = method.reach()
    if reach is not None and 0 < reach.length < reach.radius and not clipped:
        yield (
            f"{reach.setting}: {reach.terms} = {reach.length:.3g} never reaches {reach.setting} = {reach.radius:.3g}, so "
            f"the ball never cuts; take more or longer steps, or lower {reach.setting}"
        )
    limits = method.limits(clipped) if clipped is not None and facts.relative else {}
    for name, limit in limits.items():
        if limit.at_once:
            yield f"{name}: {limit.why} ({clipped:.2%}); {limit.instead}"


def raised(facts: Facts) -> list[Finding]:
    """An attack should raise the loss; one in a random direction need not."""
    gap = facts.gap
    if gap is None or gap > 0 or facts.measured.get("gap", 1.0) > 0 or not facts.relative:
        return []
    noise = facts.method.control or -gap <= NOISE * abs(facts.clean.objective)
    text = f"the loss under attack is not above the clean one ({gap:+.3g})"
    return [Finding("note" if noise else "failure", Line(text + ("; on one batch that may be noise" if noise else "")))]
