"""ASAM: ``w + rho T^2 g / ||T g||_2``, ``T = |w| + eta`` for weights and 1 for biases."""

import pytest
import torch
from helpers.by_hand import bitwise, loss_at, same, slopes_of, unmasked
from helpers.tiny_models import Bag, batch_for, build, trained_bag
from helpers.watched_steps import gradients, watch
from torch import nn
from torch.nn import functional as F

from adv import ASAM, SAM, Clean, RandomWeights


@pytest.mark.parametrize("eta", [0.0, 0.01, 1.0])
def test_a_step_by_hand(eta):
    model, twin = Bag(), Bag()
    batch = unmasked(batch_for(model))
    slopes = slopes_of(model, loss_at(model, batch))
    sizes = {n: p.detach().abs() + eta if "weight" in n else torch.ones_like(p) for n, p in model.named_parameters()}
    length = torch.cat([(sizes[name] * slope).flatten() for name, slope in slopes.items()]).norm()
    ends = {n: p.detach() + 0.7 * sizes[n] ** 2 * slopes[n] / length for n, p in model.named_parameters()}
    twin.load_state_dict(ends)
    with watch(model) as seen:
        found, loss = gradients(ASAM(rho=0.7, eta=eta), model, batch)
    for name, end in ends.items():
        torch.testing.assert_close(seen.passes[-1].weights[name], end, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(loss, loss_at(twin, batch).detach())
    same(found, slopes_of(twin, loss_at(twin, batch)))


def test_where_every_weight_measures_one_it_is_sam():
    model = Bag()
    batch = batch_for(model)
    with torch.no_grad():
        for matrix in (model.embedding.weight, model.output.weight):
            matrix.copy_(matrix.sign() / 2)
    expected, _ = gradients(SAM(rho=0.3), model, batch)
    found, _ = gradients(ASAM(rho=0.3, eta=0.5), model, batch)
    same(found, expected, rtol=1e-5, atol=1e-7)
    assert not torch.allclose(gradients(ASAM(rho=0.3), model, batch)[0]["output.weight"], expected["output.weight"])


class Layers(Bag):
    """Two layers with a ReLU between and no biases: scaled against each other, they are the same network."""

    def __init__(self):
        super().__init__()
        self.first_layer, self.second_layer = nn.Linear(4, 16, bias=False), nn.Linear(16, 3, bias=False)

    def forward(self, input_ids, labels, attention_mask=None):
        logits = self.second_layer(self.first_layer(self.embedding(input_ids).mean(1)).relu())
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


def run(method, model, batch):
    with watch(model) as seen:
        method.backward(model, batch)
    first, last = (seen.passes[i].weights for i in (0, -1))
    return seen.losses[-1], [last[name] - first[name] for name in ("first_layer.weight", "second_layer.weight")]


@pytest.mark.parametrize("scale", [0.1, 8.0])
def test_layers_scaled_against_each_other_are_perturbed_in_the_same_way(scale):
    one, other = Layers(), Layers()
    other.load_state_dict(one.state_dict())
    with torch.no_grad():
        other.first_layer.weight.mul_(scale)
        other.second_layer.weight.div_(scale)
    batch = batch_for(one)
    torch.testing.assert_close(one(**batch)["loss"], other(**batch)["loss"])
    found, expected = (run(ASAM(rho=0.5, eta=0.0, adv_param="layer"), model, batch) for model in (other, one))
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1][0], scale * expected[1][0], rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(found[1][1], expected[1][1] / scale, rtol=1e-3, atol=1e-6)
    plain = [run(SAM(rho=0.5, adv_param="layer"), model, batch)[0] for model in (other, one)]
    assert not torch.allclose(*plain, rtol=1e-3)


@pytest.mark.parametrize("family", ["bert", "gpt2"])
@pytest.mark.parametrize("rho", [0.05, 2.0])
def test_the_length_measured_against_the_weights_is_rho(family, rho):
    model = build(family)
    batch = batch_for(model)
    with watch(model) as seen:
        ASAM(rho=rho, eta=0.1).backward(model, batch)
    first, last = (seen.passes[i].weights for i in (0, -1))
    sizes = {name: weight.double().abs() + 0.1 if "weight" in name else 1.0 for name, weight in first.items()}
    parts = [((last[name].double() - first[name].double()) / sizes[name]).flatten() for name in first]
    assert float(torch.cat(parts).norm()) == pytest.approx(rho, rel=1e-3)


def test_a_radius_of_zero_is_clean_training_bit_for_bit():
    model = build("bert")
    batch = batch_for(model)
    bitwise(gradients(ASAM(rho=0.0), model, batch)[0], gradients(Clean(), model, batch)[0])


def test_raises_the_loss_and_beats_random_weights():
    model, batch = trained_bag()
    with watch(model) as seen:
        ASAM(rho=0.2).backward(model, batch)
    first, last = (seen.passes[i].weights for i in (0, -1))
    length = torch.cat([(last[name] - first[name]).flatten() for name in first]).norm()
    everything = torch.cat([p.detach().flatten() for p in model.parameters()]).norm()
    with watch(model) as control:
        RandomWeights(adv_param="", adv_lr=float(length / everything), adv_eps=1e9).backward(model, batch)
    rises = [float(one.losses[-1] - one.losses[0]) for one in (seen, control)]
    assert rises[0] > max(0.0, 2 * rises[1])
