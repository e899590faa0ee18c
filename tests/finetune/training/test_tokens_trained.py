"""Tagged words through the whole training: learned, scored, saved, seen in every view, and exact in micro-batches."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from helpers.saved_families import folder_of
from helpers.small_tasks import assert_same_state, history_of, state_of, train
from helpers.tagged_sentences import TAGS, tokens_task
from seqeval.metrics import f1_score

from adv import FGM, R3F, SMART, Clean
from finetune.config import Recipe
from finetune.data.noise import noisy
from finetune.data.windows import words_of
from finetune.errors import UserError
from finetune.models.pretrained import Models
from finetune.models.tiny import tiny_tokenizer
from finetune.tasks.entities import NO_WORD
from finetune.training.bench import Bench
from finetune.training.keep import keep
from finetune.training.loop import Training
from finetune.training.steps import epoch_steps

FAST = {"learning_rate": 1e-2, "max_length": 8, "batch_size": 8}


def family(folder, name):
    return str(folder_of(folder, name, tokenizer=tiny_tokenizer(tokens_task().train.texts)))


@pytest.fixture(scope="module")
def learned():
    recipe = Recipe(epochs=3, **FAST)
    bench = Bench(tokens_task(), recipe, ["robust", "noisy"])
    return bench, train(bench, recipe, FGM(epsilon=0.1))


def test_names_and_places_are_learned_and_scored_as_seqeval_does(learned):
    """Sentences are longer than a window, so predictions come from several."""
    bench, training = learned
    task, last = bench.task, training.history[-1].metrics
    assert len(bench.validation) > len(task.validation)
    counts = (task.validation.labels != NO_WORD).sum(1)
    for view, rows in (("", task.validation), ("noisy_", noisy(task.validation))):
        output = bench.predict(training.model, bench.encode(rows))
        found, gold = (
            [[TAGS[int(tag)] for tag in row[:count]] for row, count in zip(tags, counts, strict=True)]
            for tags in (output, task.validation.labels)
        )
        assert 0.5 < last[f"{view}entity_f1"] == pytest.approx(f1_score(gold, found))
    assert last["noisy_entity_f1"] < last["entity_f1"]
    assert last["robust_entity_f1"] <= last["entity_f1"]
    assert {"robust_token_accuracy", "entity_f1 person", "entity_f1 place"} <= last.keys()


def test_a_saved_model_tags_words_in_plain_transformers(learned, tmp_path):
    bench, training = learned
    assert keep(bench, training.model, tmp_path) == []
    model = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    rows = bench.task.validation.take(np.arange(4))
    output = bench.predict(training.model, bench.encode(rows))
    for row, words in enumerate(words_of(rows)):
        if len(words) > 6:  # more than a window
            continue
        encoded = tokenizer(words, is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            best = model(**encoded).logits[0].argmax(-1)
        assert [model.config.id2label[int(best[n])] for n in range(1, len(words) + 1)] == [
            TAGS[int(tag)] for tag in output[row, : len(words)]
        ]
    with torch.no_grad():
        training.model.classifier.bias += torch.arange(5.0)
    assert keep(bench, training.model, tmp_path) == []


@pytest.mark.parametrize("name", ["Bert", "Roberta", "DebertaV2", "DistilBert", "Electra", "ModernBert"])
def test_families_read_windows_and_come_back_the_same(name, tmp_path):
    task = replace(
        tokens_task(), **{part: getattr(tokens_task(), part).take(np.arange(6)) for part in ("train", "validation", "test")}
    )
    recipe = Recipe(model=family(tmp_path / "m", name), max_length=9, epochs=1)
    bench = Bench(task, recipe)
    model = bench.models.build(0)
    (tmp_path / "kept").mkdir()
    assert keep(bench, model, tmp_path / "kept") == []
    output = bench.predict(model, bench.validation, size=4)
    bench.models.tokenizer.padding_side = "left"
    other = bench.predict(model, bench.encode(task.validation), size=3)
    # Other families count positions from the left, also over padding.
    if name == "ModernBert":
        np.testing.assert_array_equal(output, other)
    assert (other[task.validation.labels == NO_WORD] == NO_WORD).all()
    assert (output[task.validation.labels == NO_WORD] == NO_WORD).all()


@pytest.mark.parametrize("method", [Clean, lambda: FGM(norm="example"), lambda: R3F(sigma=0.1)])
def test_micro_batches_have_the_gradient_of_the_whole_batch(method):
    """The loss is a mean over labelled words, and so is the divergence: four micro-batches weigh by their words."""
    task = tokens_task()
    whole, parts = Recipe(batch_size=16), Recipe(batch_size=4, gradient_accumulation=4)
    bench = Bench(task, whole)
    model = bench.models.build(0).eval()
    step = next(iter(epoch_steps(bench.train, parts, 0, Clean(), bench.device)))
    words = [int((micro.batch["labels"] != -100).sum()) for micro in step.micros]
    assert len(set(words)) > 1
    assert [micro.weight for micro in step.micros] == pytest.approx([count / sum(words) for count in words])
    assert sum(
        micro.share for one in epoch_steps(bench.train, parts, 0, Clean(), bench.device) for micro in one.micros
    ) == pytest.approx(1)
    longest = max(micro.batch["input_ids"].shape[1] for micro in step.micros)

    def padded(name, values):
        fill = -100 if name == "labels" else 0
        return torch.nn.functional.pad(values, (0, longest - values.shape[1]), value=fill)

    one = {name: torch.cat([padded(name, micro.batch[name]) for micro in step.micros]) for name in step.micros[0].batch}
    gradients = []
    for batches in ([(one, 1.0)], [(micro.batch, micro.weight) for micro in step.micros]):
        model.zero_grad()
        attack = method()
        if isinstance(attack, R3F):
            attack.start = lambda output, ball, passes: 0.1 * output.detach() * ball.mask
        for batch, weight in batches:
            torch.manual_seed(0)
            attack.backward(model, batch, share=weight)
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-4, atol=1e-6)


def test_a_run_in_micro_batches_of_windows_goes_on_bit_for_bit(tmp_path):
    recipe = Recipe(epochs=2, gradient_accumulation=2, loss="focal", class_weights="balanced", **FAST)
    bench = Bench(tokens_task(), recipe)
    whole = Training(bench, recipe, SMART(start_epoch=1))
    for epoch in whole.epochs():
        whole.save(tmp_path / f"{epoch.number}")
    again = Training(bench, recipe, SMART(start_epoch=1))
    assert again.load(tmp_path / "0")
    list(again.epochs())
    assert_same_state(state_of(again), state_of(whole))
    assert history_of(again) == history_of(whole)
    shared = Training(bench, recipe, FGM(start_epoch=1))
    assert next(shared.epochs()).metrics == whole.history[0].metrics


def test_tokenisers_and_models_that_cannot_tag_words_are_refused(tmp_path, monkeypatch):
    task = tokens_task()
    folder = folder_of(tmp_path / "bart", "Bart", tokenizer=tiny_tokenizer(task.train.texts))
    with pytest.raises(UserError, match="no TokenClassification class for bart models"):
        Models(Recipe(model=str(folder)), task).build(0)
    monkeypatch.setattr(transformers.PreTrainedTokenizerFast, "is_fast", False)
    with pytest.raises(UserError, match="does not say which token belongs to which word"):
        Models(Recipe(model=family(tmp_path / "bert", "Bert")), task)
