"""FreeAT: a batch is trained K times in a row; each pass gives the weights' gradient and the next perturbation."""

import pytest
import torch
from helpers.by_hand import ascend, bitwise, inside, loss_at, passes_of, raises_loss, same, slopes_of, spoiled, unmasked
from helpers.tiny_models import Bag, batch_for, build, grads_of, trained_bag
from helpers.watched_steps import gradients, watch
from hypothesis import given, settings
from hypothesis import strategies as st

from adv import AttackError, Clean, FreeAT


def test_three_replays_by_hand_with_an_optimiser_step_after_each():
    """delta comes from the weights as they were, and is used on the weights as they have become."""
    model, twin = Bag(), Bag()
    twin.load_state_dict(model.state_dict())
    batch = unmasked(batch_for(model))
    method, shift = FreeAT(K=3, alpha=0.4, epsilon=0.6), torch.zeros(4, 9, 4)
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.3) for m in (model, twin)]
    assert method.replays == 3
    for replay in range(5):
        if replay == 3:  # the batch comes again in the next epoch, and starts anew
            shift = torch.zeros_like(shift)
        expected = slopes_of(twin, loss_at(twin, batch, shift))
        later = ascend(lambda delta: loss_at(twin, batch, delta), shift, 0.4, 0.6)
        model.zero_grad()
        (found,) = passes_of(method, model, batch)
        torch.testing.assert_close(found, shift, rtol=1e-4, atol=1e-6)
        same(grads_of(model), expected)
        for name, p in twin.named_parameters():
            p.grad = expected[name]
        for optimizer in optimizers:
            optimizer.step()
        shift = later


def test_micro_batches_take_turns():
    """Under accumulation the batches of one step are replayed by turns: each keeps its own perturbation."""
    model = Bag()
    one, other = batch_for(model), batch_for(model, "left")
    method = FreeAT(K=3)
    expected = {id(batch): [passes_of(method, model, batch)[0] for _ in range(3)] for batch in (one, other)}
    found = {id(one): [], id(other): []}
    for _ in range(3):
        for batch in (one, other):
            found[id(batch)] += passes_of(method, model, batch)
    for key, shifts in expected.items():
        assert shifts[2].any()
        assert all(torch.equal(a, b) for a, b in zip(found[key], shifts, strict=True))


def test_a_batch_is_known_by_what_it_is_not_by_what_is_in_it():
    model = Bag()
    batch = batch_for(model)
    method = FreeAT(K=3)
    passes_of(method, model, batch)
    assert not passes_of(method, model, dict(batch))[0].any()
    assert passes_of(method, model, batch)[0].any()


def test_a_loop_that_never_repeats_a_batch_is_refused():
    model = Bag()
    method = FreeAT(K=2)
    batches = [batch_for(model) for _ in range(257)]
    for batch in batches[:-1]:
        method.backward(model, batch)
    with pytest.raises(AttackError, match="none of the last 256 batches came 2 times: FreeAT needs every batch"):
        method.backward(model, batches[-1])


def loop(method, model, batches, epochs, set_to_none=True, accumulate=1, replays=1):
    """A user's own, over a list that is the same in every epoch; the first step's error, or how many steps it made."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    steps = 0
    for _ in range(epochs):
        for begin in range(0, len(batches), accumulate):
            for _ in range(replays):
                for batch in batches[begin : begin + accumulate]:
                    method.backward(model, batch)
                optimizer.step()
                optimizer.zero_grad(set_to_none=set_to_none)
                steps += 1
    return steps


@pytest.mark.parametrize("set_to_none", [True, False])
@pytest.mark.parametrize(
    ("many", "accumulate", "count", "replays"),
    [(2, 1, 2, 1), (3, 1, 3, 1), (5, 1, 2, 1), (3, 1, 3, 2), (4, 2, 2, 1), (6, 3, 4, 3), (9, 2, 3, 1)],
)
def test_a_list_of_batches_without_replays_is_refused(many, accumulate, count, replays, set_to_none):
    """Its batches come again in the next epoch, the same objects: what they carried is not theirs any more."""
    model, method = Bag(), FreeAT(K=count)
    batches = [batch_for(model) for _ in range(many)]
    message = f"a batch came {replays} times? and then another, but FreeAT with K={count} needs every batch"
    with pytest.raises(AttackError, match=message):
        loop(method, model, batches, 3, set_to_none, accumulate, replays)


@pytest.mark.parametrize("set_to_none", [True, False])
@pytest.mark.parametrize(("many", "accumulate", "count"), [(1, 1, 3), (4, 1, 2), (5, 2, 3), (6, 6, 2), (3, 1, 1)])
def test_a_list_of_batches_with_replays_is_trained_and_every_epoch_starts_anew(many, accumulate, count, set_to_none):
    model, method = Bag(), FreeAT(K=count)
    batches = [batch_for(model) for _ in range(many)]
    with watch(model) as seen:
        steps = loop(method, model, batches, 3, set_to_none, accumulate, method.replays)
    assert steps == 3 * count * -(-many // accumulate)
    moved = [bool(one.shift.any()) for one in seen.passes]
    assert moved.count(False) == 3 * many  # the first replay of each batch in each epoch


def test_replays_that_an_epoch_s_end_cuts_short_are_forgotten():
    """Without a fault: only a loop that does so time and again is one."""
    model, method = Bag(), FreeAT(K=3)
    batches = [batch_for(model) for _ in range(3)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(4):
        for batch in [batches[0]] * 3 + [batches[1]] * 3 + [batches[2]] * 2:
            (shift,) = passes_of(method, model, batch)
            optimizer.step()
            optimizer.zero_grad()
        assert shift.any()
    assert not passes_of(method, model, batches[1])[0].any()
    optimizer.step()
    optimizer.zero_grad()
    method.load_state_dict(method.state_dict())
    passes_of(method, model, batches[0])


@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_one_replay_from_zero_is_clean_training_bit_for_bit(family):
    model = build(family)
    batch = batch_for(model)
    expected, loss = gradients(Clean(), model, batch)
    for _ in range(2):
        found, other = gradients(FreeAT(K=1), model, batch)
        assert torch.equal(loss, other)
        bitwise(found, expected)


@given(
    epsilon=st.floats(1e-3, 5),
    alpha=st.floats(0, 10),
    init_mag=st.floats(0, 10),
    count=st.integers(1, 4),
    norm=st.sampled_from(["example", "token"]),
)
@settings(max_examples=25)
def test_stays_in_the_ball_and_off_the_padding(epsilon, alpha, init_mag, count, norm):
    model = Bag()
    batch = batch_for(model)
    method = FreeAT(epsilon=epsilon, alpha=alpha, init_mag=init_mag, K=count, norm=norm)
    for _ in range(count + 1):
        (shift,) = passes_of(method, model, batch)
        assert inside(shift, epsilon, norm)
        assert not shift[batch["attention_mask"] == 0].any()


def test_one_pass_a_step():
    model = Bag()
    batch = batch_for(model)
    method = FreeAT(K=3)
    with watch(model) as seen:
        for _ in range(6):
            method.backward(model, batch)
    assert [one.backwards for one in seen.passes] == [1] * 6
    assert method.cost() == (1, 1, 0, 0, 0)


def test_raises_the_loss_of_the_next_replay_and_beats_a_random_direction():
    model, batch = trained_bag()
    method = FreeAT(K=4, alpha=0.2, epsilon=0.5)
    shifts = [passes_of(method, model, batch)[0] for _ in range(4)]
    losses = [float(loss_at(model, batch, shift).detach()) for shift in shifts]
    assert losses == sorted(losses)
    assert all(raises_loss(model, batch, shift) for shift in shifts[1:])


def test_what_is_carried_stays_finite():
    model = Bag()
    batch = batch_for(model)
    method = FreeAT(K=3)
    with spoiled(model, 1):
        method.backward(model, batch)
    assert method.diagnostics()["nonfinite"] == 1
    assert not passes_of(method, model, batch)[0].any()  # the second replay starts from zero
    assert passes_of(method, model, batch)[0].isfinite().all()


def test_a_resumed_run_carries_nothing_over():
    model = Bag()
    batch = batch_for(model)
    method = FreeAT(K=3)
    method.backward(model, batch)
    method.load_state_dict(method.state_dict())
    assert not passes_of(method, model, batch)[0].any()
