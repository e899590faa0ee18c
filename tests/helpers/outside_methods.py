"""Methods as somebody writes them outside the tree: everything they need is imported from ``adv`` itself."""

from dataclasses import dataclass

import torch

from adv import (
    FP32,
    Cost,
    EmbeddingMethod,
    Passes,
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


OUTSIDE = {"half_way": HalfWay, "both_sides": BothSides}
