"""Bugs of the FGM and PGD implementations in circulation: one test for each that could come back.

What cannot come back, and why:
B6 (restore without attack fails): there is no pair of calls, ``backward`` does both.
"""

import pytest
import torch
from helpers.tiny_models import FAMILIES, Bag, Conditional, batch_for, build, grads_of
from helpers.watched_steps import ASCENDING, ATTACKS, ON_EMBEDDINGS, UNMOVED, gradients, having, made, state_of, watch
from torch.nn import functional as F

from adv import FGM, METHODS, PGD, AttackError, Clean, Precision

every_attack = pytest.mark.parametrize("name", ATTACKS)


@pytest.mark.parametrize("name", ON_EMBEDDINGS)
def test_b1_frozen_embeddings_have_no_grad_and_the_norm_of_none_crashed(name):
    model = build("bert")
    model.bert.embeddings.requires_grad_(False)
    with watch(model) as seen:
        METHODS[name]().backward(model, batch_for(model))
    assert seen.shift.any() or name in UNMOVED


@pytest.mark.parametrize("family", FAMILIES)
def test_b2_the_substring_emb_matched_positions_and_layernorm_or_nothing_at_all(family):
    model = build(family, dropout=0.0)
    batch = batch_for(model)
    with watch(model) as seen:
        FGM(norm="example").backward(model, batch)
    torch.testing.assert_close(seen.shift.flatten(1).norm(dim=1), torch.ones(4), rtol=1e-4, atol=0)
    first, last = seen.passes[0].weights, seen.passes[-1].weights
    assert all(torch.equal(last[name], weight) for name, weight in first.items())


@pytest.mark.parametrize("name", ON_EMBEDDINGS)
def test_b3_a_name_that_matches_nothing_silently_doubled_the_gradient(name):
    model = build("modernbert")
    with pytest.raises(AttackError, match=r"matches no module; the embeddings here are model\.embeddings\.tok_embeddings"):
        METHODS[name](emb_name="word_embeddings.").backward(model, batch_for(model))
    assert not grads_of(model)


def test_b4_the_tied_output_layer_was_perturbed_and_took_the_norm():
    """The direction is that of the looked-up embeddings alone; through the matrix, every row would have a gradient."""
    model = build("gpt2", dropout=0.0, head="LMHeadModel")
    batch = batch_for(model)
    batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    gradients(Clean(), model, batch)
    through_matrix = model.lm_head.weight.grad[batch["input_ids"]]
    with watch(model) as seen:
        FGM(combine="sum").backward(model, batch)
    assert torch.equal(seen.passes[-1].weights["transformer.wte.weight"], model.lm_head.weight)
    assert F.cosine_similarity(seen.shift.flatten(), through_matrix.flatten(), dim=0) < 0.9


@pytest.mark.parametrize("family", ["gpt2", "xlnet"])
@every_attack
def test_b5_padding_was_perturbed_where_the_embedding_declares_no_padding_idx(family, name):
    model = build(family)
    assert model.get_input_embeddings().padding_idx is None
    batch = batch_for(model, "left" if family == "xlnet" else "right")
    padding = batch["attention_mask"] == 0
    with watch(model) as seen:
        METHODS[name]().backward(model, batch)
    assert not seen.shift[padding].any()
    if name == "awp" and family == "xlnet":
        rows = [one.weights["transformer.word_embedding.weight"][model.config.pad_token_id] for one in seen.passes]
        assert torch.equal(rows[0], rows[-1])


class EmbeddingLast(Bag):
    """The embedding is the last of the parameters."""

    def __init__(self):
        super().__init__()
        embedding = self.embedding
        del self.embedding
        self.embedding = embedding


@every_attack
def test_b7_the_backup_was_cleared_before_the_embedding_came_up(name):
    model = EmbeddingLast()
    assert [parameter for parameter, _ in model.named_parameters()][-1] == "embedding.weight"
    before = state_of(model)
    made(name, model).backward(model, batch_for(model))
    assert state_of(model) == before


@every_attack
def test_b8_two_calls_in_a_row_lost_the_original_weights(name):
    model = build("bert")
    batch = batch_for(model)
    method, before = METHODS[name](), state_of(model)
    method.backward(model, batch)
    method.backward(model, batch)
    assert state_of(model) == before


@every_attack
def test_b9_restoring_rebound_the_parameter_to_other_memory(name):
    model = build("bert")
    views = {parameter: p.detach() for parameter, p in model.named_parameters()}
    METHODS[name]().backward(model, batch_for(model))
    assert all(p.data_ptr() == views[parameter].data_ptr() for parameter, p in model.named_parameters())


@every_attack
def test_b10_an_infinite_gradient_passed_the_nan_test_and_made_the_weights_nan(name):
    model = build("bert")
    method = METHODS[name](**({"combine": "replace"} if name in having("combine") else {}))
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**24)
    with watch(model) as seen:
        method.backward(model, batch_for(model), precision=Precision(dtype=torch.float16, scaler=scaler))
    assert all(torch.isfinite(weight).all() for one in seen.passes for weight in one.weights.values())
    assert all(torch.isfinite(one.shift).all() and torch.isfinite(one.loss) for one in seen.whole)
    assert name not in ASCENDING or method.diagnostics()["nonfinite"] == 1


@every_attack
def test_b11_the_direction_came_from_the_gradients_of_earlier_micro_batches(name):
    model = build("bert")
    first, second = batch_for(model), batch_for(model, "left", size=3)
    seen_alone, seen_later = ([], [])
    for seen, earlier in ((seen_alone, []), (seen_later, [first, first])):
        model.zero_grad()
        for batch in earlier:
            METHODS[name]().backward(model, batch)
        torch.manual_seed(5)
        with watch(model) as watched:
            METHODS[name]().backward(model, second)
        seen.append(watched.passes[-1])
    assert torch.equal(seen_alone[0].shift, seen_later[0].shift)
    assert all(torch.equal(seen_later[0].weights[key], weight) for key, weight in seen_alone[0].weights.items())


@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in (*UNMOVED, "neftune")])
def test_b12_an_out_of_place_add_made_the_attack_a_no_op(name):
    model = build("bert")
    with watch(model) as seen:
        METHODS[name](**({"sigma": 0.1} if name == "r3f" else {})).backward(model, batch_for(model))
    assert seen.losses[-1] != seen.losses[0]


@every_attack
def test_p1_a_gradient_that_only_the_adversarial_pass_has_was_a_key_error(name):
    model = Conditional()
    method = made(name, model)
    passes = sum(method.cost()[part] for part in (0, 3))
    method.backward(model, batch_for(model))
    assert model.calls == passes
    assert (model.output if passes % 2 else model.other).weight.grad.any()


@pytest.mark.parametrize("combine", ["sum", "mean"])
@pytest.mark.parametrize("name", [name for name in having("combine") if name != "creat"])
def test_p2_a_clean_gradient_was_lost_where_the_last_pass_had_none(name, combine):
    model = Conditional()
    batch = batch_for(model)
    clean, _ = gradients(Clean(), model, batch)
    model.calls = 0
    found, _ = gradients(METHODS[name](combine=combine), model, batch)
    share = 1.0 if combine == "sum" else 0.5
    torch.testing.assert_close(found["output.weight"], share * clean["output.weight"])
    assert found["other.weight"].any()


@every_attack
def test_p3_a_copy_of_all_gradients_stayed_behind(name):
    model = build("bert")
    method = METHODS[name]()
    method.backward(model, batch_for(model))
    state = {tensor.data_ptr() for tensor in method.state_dict().values()}
    held = [tensor for tensor in tensors_in(vars(method)) if tensor.data_ptr() not in state]
    assert all(tensor.numel() == 1 for tensor in held) or name == "freeat"  # which carries delta to its next replay


def tensors_in(value):
    """All tensors in nested containers."""
    if isinstance(value, torch.Tensor):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple | set) else ()
    return [tensor for item in inner for tensor in tensors_in(item)]


def test_p4_the_default_reach_is_within_the_ball_and_epsilon_idle():
    """The defaults are kept for parity; that the ball stopped nothing is reported."""
    model = build("bert")
    method = PGD()
    assert method.K * method.alpha < method.epsilon
    method.backward(model, batch_for(model))
    assert method.diagnostics()["clipped"] == 0


def test_p5_the_clean_gradient_of_the_classifier_was_lost():
    model = build("bert")
    batch = batch_for(model)
    clean, _ = gradients(Clean(), model, batch)
    joined, _ = gradients(PGD(combine="sum", epsilon=0.0), model, batch)
    torch.testing.assert_close(joined["classifier.bias"], 2 * clean["classifier.bias"])


@every_attack
def test_p6_the_adversarial_loss_was_taken_from_the_old_outputs(name):
    """Every backward goes through the graph of its own forward pass, once."""
    model = build("bert")
    with watch(model) as seen:
        METHODS[name]().backward(model, batch_for(model))
    unused = [0] if name in ("smart", "random_weights") else []  # the teacher's pass, one that only looks words up
    double = 2 if name == "gradient_penalty" else 1
    count = METHODS[name]().cost().forward - len(unused)
    assert [one.backwards for one in seen.whole] == [*unused, *[double] * count]


@every_attack
@pytest.mark.parametrize("training", [True, False])
def test_p7_the_passes_had_different_masks_or_another_mode(name, training):
    model = build("bert").train(training)
    modes = []
    handle = model.classifier.register_forward_hook(lambda module, args, output: modes.append(module.training))
    METHODS[name]().backward(model, batch_for(model))
    handle.remove()
    assert set(modes) == {training}
    assert {module.training for module in model.modules()} == {training}
