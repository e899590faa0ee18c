"""The control, and that every attack beats it: a wrong sign would not."""

import pytest
import torch
from helpers.tiny_models import batch_for, build, trained_bag
from helpers.watched_steps import watch

from adv import AWP, FGM, FGSM, PGD, RandomDirection


def shift_of(method, model, batch):
    with watch(model) as seen:
        method.backward(model, batch)
    return seen.shift, float(seen.losses[-1] - seen.losses[0])


@pytest.mark.parametrize("norm", ["matrix", "example", "token"])
def test_the_length_is_epsilon(norm):
    model = build("bert")
    batch = batch_for(model)
    real = batch["attention_mask"].bool()
    shift, _ = shift_of(RandomDirection(epsilon=0.3, norm=norm), model, batch)
    ids, where = batch["input_ids"][real].unique(return_inverse=True)
    lengths = {
        "matrix": torch.zeros(len(ids), 32).index_copy(0, where, shift[real]).norm(),
        "example": shift.flatten(1).norm(dim=1),
        "token": shift[real].norm(dim=1),
    }[norm]
    torch.testing.assert_close(lengths, torch.full_like(lengths, 0.3), rtol=1e-3, atol=0)


@pytest.mark.parametrize("moves", [True, False])
def test_the_direction_is_new_in_every_step_and_the_same_for_the_same_seed_and_step(moves):
    model = build("bert")
    batch = batch_for(model)
    method = RandomDirection(epsilon=1.0, norm="example")
    shifts = []
    for _ in range(2):
        if not shifts or not moves:  # without dropout nothing else moves the generator either
            torch.manual_seed(3)
        shifts.append(shift_of(method, model, batch)[0].flatten(1))
    assert (shifts[0] * shifts[1]).sum(1).abs().max() < 0.5
    resumed = RandomDirection(epsilon=1.0, norm="example")
    torch.manual_seed(3)
    assert torch.equal(shift_of(resumed, model, batch)[0].flatten(1), shifts[0])
    assert not moves or method.state_dict()["drawn"] == 2
    resumed.load_state_dict({"drawn": torch.tensor(1)})
    if not moves:
        torch.manual_seed(3)
        assert torch.equal(shift_of(resumed, model, batch)[0].flatten(1), shifts[1])


def test_the_direction_does_not_depend_on_the_gradient():
    model = build("bert")
    batch = batch_for(model)
    shifts = []
    for labels in (batch["labels"], (batch["labels"] + 1) % 3):
        torch.manual_seed(3)
        shifts.append(shift_of(RandomDirection(), model, batch | {"labels": labels})[0])
    torch.testing.assert_close(*shifts)


@pytest.mark.parametrize("norm", ["matrix", "example", "token"])
@pytest.mark.parametrize("epsilon", [0.05, 0.5])
def test_an_attack_beats_the_control_and_the_clean_loss(norm, epsilon):
    model, batch = trained_bag()
    _, control = shift_of(RandomDirection(epsilon=epsilon, norm=norm), model, batch)
    for attack in (
        FGM(epsilon=epsilon, norm=norm),
        PGD(epsilon=epsilon, alpha=epsilon / 2, K=3, norm=norm),
        PGD(epsilon=1.0, alpha=epsilon / 2, K=2, norm=norm),
    ):
        _, gained = shift_of(attack, model, batch)
        assert gained > max(0.0, 2 * control)


@pytest.mark.parametrize("family", ["bert", "modernbert", "gpt2"])
def test_an_attack_raises_the_loss_of_a_transformer(family):
    model = build(family)
    batch = batch_for(model)
    for attack in (FGM(epsilon=0.02), PGD(epsilon=0.02, alpha=0.01), FGSM(epsilon=1e-3), AWP(adv_lr=1e-2)):
        assert shift_of(attack, model, batch)[1] > 0


def test_fgsm_beats_the_control_of_equal_length():
    model, batch = trained_bag()
    shift, gained = shift_of(FGSM(epsilon=0.05), model, batch)
    length = float(shift.flatten(1).norm(dim=1).min())
    _, control = shift_of(RandomDirection(epsilon=length, norm="example"), model, batch)
    assert gained > max(0.0, 2 * control)


@pytest.mark.parametrize("adv_step", [1, 3])
def test_awp_beats_random_moves_of_the_same_size(adv_step):
    model, batch = trained_bag()
    with watch(model) as seen:
        AWP(adv_lr=0.05, adv_step=adv_step).backward(model, batch)
    first, last = seen.passes[0].weights, seen.passes[-1].weights
    gained = float(seen.losses[-1] - seen.losses[0])
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator) * (first[name] != last[name])
            p.add_(noise * ((last[name] - first[name]).norm() / noise.norm().clamp_min(1e-30)))
        control = float(model(**batch)["loss"] - seen.losses[0])
    assert gained > max(0.0, 2 * control)
