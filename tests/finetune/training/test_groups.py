"""Parameter groups against an optimiser that is written out by hand, layer by layer."""

import pytest
import torch
from helpers.small_tasks import assert_same_state, reviews_task, state_of, train
from helpers.tiny_models import batch_for, build
from torch import nn

from adv import AWP, Clean, FreeAT
from finetune.config import Recipe
from finetune.errors import UserError
from finetune.training.bench import Bench
from finetune.training.groups import adamw
from finetune.training.loop import Training
from finetune.training.schedules import set_rates

LAYERED = {"layer_decay": 0.5, "head_learning_rate": 0.02}


@pytest.fixture(scope="module")
def bench():
    return Bench(reviews_task(), Recipe())


def bert_by_hand(model, rate, decay, head, weight_decay):
    """Two layers, so embeddings have depth 0, the layers 1 and 2, pooler and classifier 3."""
    bert = model.bert
    parts = [
        (bert.embeddings, rate * decay**3),
        (bert.encoder.layer[0], rate * decay**2),
        (bert.encoder.layer[1], rate * decay),
        (nn.ModuleList([bert.pooler, model.classifier]), head),
    ]
    groups = []
    for part, own in parts:
        matrices = [p for p in part.parameters() if p.dim() == 2]
        rest = [p for p in part.parameters() if p.dim() == 1]
        groups.append({"params": matrices, "lr": own, "weight_decay": weight_decay})
        groups.append({"params": rest, "lr": own, "weight_decay": 0.0})
    return torch.optim.AdamW(groups, fused=True)


@pytest.mark.parametrize(
    ("decay", "head", "expected", "shape"),
    [
        (0.5, 0.02, 0.02, "linear"),
        (0.9, None, 0.004, "cosine"),
        (1.0, 0.02, 0.02, "linear"),
        (0.5, 1e-6, 1e-6, "cosine"),
    ],
)
def test_five_steps_are_those_of_an_optimiser_by_hand(decay, head, expected, shape):
    recipe = Recipe(
        learning_rate=0.004, layer_decay=decay, head_learning_rate=head, weight_decay=0.1, warmup=0.4, schedule=shape
    )
    mine, theirs = build("bert", dropout=0.0), build("bert", dropout=0.0)
    optimiser, by_hand = adamw(mine, recipe), bert_by_hand(theirs, 0.004, decay, expected, 0.1)
    peaks = [group["lr"] for group in by_hand.param_groups]
    wave = {"linear": (1 / 2, 1, 1, 2 / 3, 1 / 3), "cosine": (1 / 2, 1, 1, 3 / 4, 1 / 4)}[shape]
    for step, share in enumerate(wave):
        set_rates(optimiser, step, 5, recipe)
        for group, peak in zip(by_hand.param_groups, peaks, strict=True):
            group["lr"] = peak * share
        for model, made in ((mine, optimiser), (theirs, by_hand)):
            made.zero_grad()
            model(**batch_for(model)).loss.backward()
            made.step()
    for (name, p), q in zip(mine.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(p, q), name
    assert len({round(peak, 12) for peak in peaks}) == (2 if decay == 1 else 4)


def test_the_stock_groups_are_what_they_were(bench):
    model = bench.models.build(0)
    groups = adamw(model, Recipe(weight_decay=0.3)).param_groups
    everything = list(model.parameters())
    assert [group["weight_decay"] for group in groups] == [0.3, 0.0]
    assert [group["lr"] for group in groups] == [4e-3, 4e-3]
    for group, matrices in zip(groups, (True, False), strict=True):
        expected = [p for p in everything if (p.dim() > 1) is matrices]
        assert list(map(id, group["params"])) == list(map(id, expected))


@pytest.mark.parametrize("family", ["roberta", "deberta", "electra", "distilbert", "modernbert", "albert", "xlnet", "gpt2"])
def test_every_weight_is_in_one_group_in_any_family(family):
    model = build(family)
    groups = adamw(model, Recipe(**LAYERED)).param_groups
    held = [id(p) for group in groups for p in group["params"]]
    assert sorted(held) == sorted(map(id, model.parameters()))
    own = {id(p): group["initial_lr"] for group in groups for p in group["params"]}
    head = next(p for name, p in reversed(list(model.named_parameters())) if name.endswith("weight"))
    layers = 1 if family == "albert" else 2  # its layers share their weights
    assert own[id(head)] == 0.02
    assert own[id(model.get_input_embeddings().weight)] == pytest.approx(4e-3 * 0.5 ** (layers + 1))
    assert all((p.dim() > 1) == bool(group["weight_decay"]) for group in groups for p in group["params"])


def test_what_is_frozen_is_in_no_group():
    model = build("bert")
    for p in model.bert.encoder.layer[0].parameters():
        p.requires_grad_(False)
    groups = adamw(model, Recipe(**LAYERED)).param_groups
    assert sorted(id(p) for group in groups for p in group["params"]) == sorted(
        id(p) for p in model.parameters() if p.requires_grad
    )
    assert {group["initial_lr"] for group in groups} == {4e-3 * 0.125, 4e-3 * 0.5, 0.02}
    for p in model.parameters():
        p.requires_grad_(False)
    assert [group["params"] for group in adamw(model, Recipe()).param_groups] == [[], []]


class Flat(nn.Module):
    """No layers."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(9, 4)


def test_rates_by_depth_need_layers():
    with pytest.raises(UserError, match="no list of alike blocks"):
        adamw(Flat(), Recipe(layer_decay=0.9))
    assert len(adamw(Flat(), Recipe()).param_groups) == 2


@pytest.mark.parametrize(
    "method",
    [lambda: AWP(direction="momentum", adv_lr=0.1), FreeAT],
    ids=["awp-momentum", "freeat"],
)
def test_methods_and_snapshots_work_with_groups_by_depth(bench, tmp_path, method):
    recipe = Recipe(epochs=3, batch_size=16, **LAYERED, schedule="cosine")
    whole = train(bench, recipe, method())
    interrupted = Training(bench, recipe, method())
    next(interrupted.epochs())
    interrupted.save(tmp_path / "one.safetensors")
    resumed = Training(bench, recipe, method())
    assert resumed.load(tmp_path / "one.safetensors")
    list(resumed.epochs())
    assert_same_state(state_of(resumed), state_of(whole))
    # Depths 0 and 1 and the head of the built-in encoder; what turns in 12 steps is seen in its weights.
    peaks = {group["initial_lr"] for group in whole.optimiser.param_groups}
    assert peaks == {4e-3 * 0.25, 4e-3 * 0.5, 0.02}
    plain = train(bench, Recipe(epochs=3, batch_size=16, schedule="cosine"), Clean())
    assert any(not torch.equal(a, b) for a, b in zip(whole.model.parameters(), plain.model.parameters(), strict=True))


def test_clipping_sees_the_gradients_of_all_groups_together(bench):
    recipe = Recipe(epochs=1, batch_size=64, max_grad_norm=0.01, **LAYERED)
    training = train(bench, recipe, Clean())
    moments = torch.cat([state["exp_avg"].flatten() for state in training.optimiser.state_dict()["state"].values()])
    assert moments.norm().item() == pytest.approx(0.1 * 0.01, rel=1e-3)
