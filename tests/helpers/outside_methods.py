"""Methods as somebody writes them outside the tree: everything they need is imported from ``adv`` itself."""

from dataclasses import dataclass

import torch

from adv import (
    FP32,
    Ball,
    Cost,
    EmbeddingMethod,
    Method,
    Passes,
    Reach,
    SiteMethod,
    call_model,
    find_embedding,
    inner_gradient,
    setting,
    shifted_embeddings,
)


@dataclass(kw_only=True)
class HalfWay(EmbeddingMethod):
    """Each step goes half of the way that is left to the radius: it never arrives, so nothing is cut."""

    paper = "none"

    rounds: int = setting(2, "ascent steps", low=1)

    @property
    def geometry(self):
        return "example"

    @property
    def steps(self):
        return self.rounds

    def ascend(self, shift, gradient, ball, passes):
        left = self.epsilon - ball.length(shift)
        return shift + ball.unit(gradient) * left / 2, torch.zeros((), device=shift.device)


@dataclass(kw_only=True)
class BothSides(SiteMethod):
    """``(J(e + delta) + J(e - delta)) / 2`` with delta of length epsilon along the gradient, for each token."""

    paper = "none"
    null = ({"epsilon": 0.0},)

    epsilon: float = setting(0.5, "length of the perturbation of a token", low=0)

    def cost(self):
        return Cost(forward=3, backward=2, inner=1)

    def backward(self, model, batch, precision=FP32, forward=call_model, share=1.0):
        embedding = find_embedding(model, self.emb_name)
        with Passes(model, batch, precision, forward, self.same_dropout, share) as passes:
            with shifted_embeddings(embedding) as site:
                clean = passes.loss()
                gradient = inner_gradient(passes.scale(clean), site)
            ball, output = self.ball(passes, site.ids[0]), site.outputs[0]
            finite = torch.isfinite(gradient).all()
            shift = torch.where(finite, self.epsilon * ball.unit(gradient), 0.0)
            self.refuse_swallowed(output, shift)
            losses = []
            for side in (shift, -shift):
                with shifted_embeddings(embedding, side):
                    loss = passes.loss()
                    precision.tell(passes.scale(loss) / 2, ~finite).backward()
                losses.append(loss.detach())
        objective = sum(losses) / 2
        self.report(ball, output, shift, finite, gap=objective - clean.detach())
        return objective


@dataclass(kw_only=True)
class Wander(Method):
    """``rounds`` steps of length ``stride`` for each token, in a ball that is not called epsilon: all passes are its own."""

    paper = "none"
    null = ({"radius": 0.0},)

    radius: float = setting(0.3, "length of the perturbation of a token at most", low=0)
    stride: float = setting(0.2, "length of one step", low=0)
    rounds: int = setting(2, "steps", low=1)
    emb_name: str | None = setting(None, "embedding module", optional=True, pattern=True)

    def cost(self):
        return Cost(forward=self.rounds + 1, backward=1, inner=self.rounds)

    def reach(self):
        return Reach(self.rounds * self.stride, "rounds * stride", self.radius, "radius")

    def backward(self, model, batch, precision=FP32, forward=call_model, share=1.0):
        embedding, shift = find_embedding(model, self.emb_name), None
        with Passes(model, batch, precision, forward, self.same_dropout, share) as passes:
            for _ in range(self.rounds):
                with shifted_embeddings(embedding, shift) as site:
                    gradient = inner_gradient(passes.scale(passes.loss()), site)
                ids, real = site.ids[0], batch["attention_mask"].float()
                ball = Ball("token", ids, (real if torch.equal(ids, batch["input_ids"]) else real.T).unsqueeze(-1))
                shift, clipped = ball.climb(0.0 if shift is None else shift, gradient, self.stride, self.radius)
            finite = torch.isfinite(gradient).all()
            with shifted_embeddings(embedding, torch.where(finite, shift, 0.0)):
                loss = passes.loss()
                precision.tell(passes.scale(loss), ~finite).backward()
        self.record(nonfinite=~finite, clipped=clipped)
        return loss.detach()


OUTSIDE = {"half_way": HalfWay, "both_sides": BothSides, "wander": Wander}
