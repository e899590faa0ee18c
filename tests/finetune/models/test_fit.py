"""What a model can read: found by trying it, said in a line, and used; or refused, before anything is written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.saved_families import FAMILIES, folder_of, words
from helpers.small_tasks import numbers_task, reviews_task, train
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from adv import Clean
from finetune.config import Recipe
from finetune.errors import UserError
from finetune.tasks.task import Rows
from finetune.training.bench import Bench

LONG = " ".join(reviews_task().train.texts[:20])
ROWS = 24  # of each split: a batch and a half
ENCODER_DECODERS = ("Bart", "MBart", "T5")


def with_texts(texts, pairs=None):
    """The reviews, with these for their first texts in every split."""

    def put(rows):
        changed = [*texts, *rows.texts[len(texts) :]]
        return Rows(changed, None if pairs is None else [*pairs, *rows.texts[len(pairs) :]], rows.labels)

    task, first = reviews_task(), np.arange(ROWS)
    splits = {split: put(getattr(task, split).take(first)) for split in ("train", "validation", "test")}
    return replace(task, **splits)


def bench_of(folder, task=None, **recipe):
    """A bench, and what was said of the model, without the folder's name."""
    bench = Bench(task or with_texts([LONG] * 3), Recipe(model=str(folder), epochs=1, **recipe))
    return bench, [line.removeprefix(f"model {folder}: ") for line in bench.notes]


def trains(bench, folder):
    """One epoch, and the test split scored."""
    recipe = Recipe(model=str(folder), epochs=1)
    training = train(bench, recipe, Clean())
    bench.score(training.model, bench.encode(bench.task.test), bench.task.test, recipe)
    return True


# Learned positions: of RoBERTa's, the first pad_token_id + 1 are no positions of tokens.
LIMITS = [
    ("Bert", {"max_position_embeddings": 66}, 66),
    ("Roberta", {"max_position_embeddings": 66, "pad_token_id": 1}, 64),
    ("Roberta", {"max_position_embeddings": 66, "pad_token_id": 0}, 65),
    ("MPNet", {"max_position_embeddings": 66}, 64),
    ("DistilBert", {"max_position_embeddings": 66}, 66),
    ("Electra", {"max_position_embeddings": 33}, 33),
    ("Albert", {"max_position_embeddings": 5}, 5),
    ("GPT2", {"n_positions": 40}, 40),
    ("OPT", {"max_position_embeddings": 40}, 40),
    ("Bart", {"max_position_embeddings": 66}, 66),
    ("MBart", {"max_position_embeddings": 127}, 127),
    ("DebertaV2", {"max_position_embeddings": 66, "position_biased_input": True}, 66),
]


@pytest.mark.parametrize(("family", "shape", "limit"), LIMITS)
def test_texts_are_cut_at_the_positions_that_a_model_has(tmp_path, family, shape, limit):
    folder = folder_of(tmp_path / "m", family, **shape)
    bench, lines = bench_of(folder)
    assert bench.max_length == limit
    assert lines == [f"texts are cut at {limit} tokens, the most that the model takes, not max_length=128"]
    assert bench.train.inputs["input_ids"].shape[1] == limit
    trains(bench, folder)
    assert bench_of(folder, max_length=limit)[1] == []


@pytest.mark.parametrize("family", ["DebertaV2", "XLNet", "T5", "ModernBert", "Llama"])
def test_models_that_look_up_no_positions_read_what_was_asked_for(tmp_path, family):
    shape = {"position_biased_input": False} if family == "DebertaV2" else {}
    if family not in ("XLNet", "T5"):
        shape["max_position_embeddings"] = 66
    folder = folder_of(tmp_path / "m", family, **shape)
    bench, lines = bench_of(folder)
    assert bench.max_length == 128
    assert not [line for line in lines if "are cut" in line]


@pytest.mark.parametrize("own", [None, 10**30, 1e30, 0, -1, 3, "512"])
def test_a_tokeniser_without_a_length_of_its_own_leaves_it_to_the_model(tmp_path, own):
    folder = folder_of(tmp_path / "m", max_position_embeddings=50, tokenizer=words(model_max_length=own))
    assert bench_of(folder)[0].max_length == 50


@pytest.mark.parametrize(("own", "asked", "used"), [(40, 128, 40), (40.0, 50, 40), (40, 30, 30), (4, 128, 4)])
def test_the_length_of_a_tokeniser_counts_and_is_said(tmp_path, own, asked, used):
    folder = folder_of(tmp_path / "m", tokenizer=words(model_max_length=own))
    bench, lines = bench_of(folder, max_length=asked)
    assert bench.max_length == used
    assert lines == [f"texts are cut at {used} tokens, the most that its tokeniser takes, not max_length={asked}"] * (
        used < asked
    )


def test_pairs_are_cut_together(tmp_path):
    folder = folder_of(tmp_path / "m", max_position_embeddings=50)
    task = with_texts([LONG] * 3, pairs=[LONG] * 3)
    bench, _ = bench_of(folder, task)
    assert bench.train.inputs["input_ids"].shape[1] == bench.max_length == 50
    trains(bench, folder)


def test_unspaced_texts_are_cut_too(tmp_path):
    folder = folder_of(tmp_path / "m", max_position_embeddings=50, tokenizer=of_bytes(pad_token="<end>"))
    bench, _ = bench_of(folder, with_texts(["电车准时干净" * 200] * 3))
    assert bench.max_length == 50
    trains(bench, folder)


def test_a_long_limit_is_found_where_texts_are_longer(tmp_path):
    folder = folder_of(tmp_path / "m", max_position_embeddings=1030)
    bench, _ = bench_of(folder, with_texts(["the film " * 900]), max_length=5000)
    assert bench.max_length == 1030


def of_bytes(**special):
    """A tokeniser of bytes that adds no tokens of its own: an empty text is nothing."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(["<end>", *alphabet])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


@pytest.mark.parametrize("family", ["GPT2", "Bert", "Llama", "OPT"])
@pytest.mark.parametrize("side", ["right", "left"])
def test_empty_texts_without_tokens_are_read_as_one(tmp_path, family, side):
    tokenizer = of_bytes(eos_token="<end>", padding_side=side)
    folder = folder_of(tmp_path / "m", family, tokenizer=tokenizer, **({"pad_token_id": None} if family == "GPT2" else {}))
    texts = ["" if i % 3 else text for i, text in enumerate(reviews_task().train.texts[:ROWS])]
    bench, lines = bench_of(folder, with_texts([""] * 16 + texts[16:]), max_length=64)
    assert "it has no padding token, so <end> pads" in lines
    assert "texts without a token are read as <end>" in lines
    assert bench.train.lengths.min() == 1
    order = np.flatnonzero(bench.train.lengths == 1)
    batch = bench.train.batch(order[:4], torch.device("cpu"))
    assert batch["input_ids"].tolist() == [[0]] * 4
    assert batch["attention_mask"].tolist() == [[1]] * 4
    trains(bench, folder)


def test_a_split_of_empty_texts_alone_is_read(tmp_path):
    folder = folder_of(tmp_path / "m", "GPT2", tokenizer=of_bytes(eos_token="<end>"))
    task = reviews_task()
    task = replace(task, test=Rows([""] * 5, None, task.test.labels[:5]))
    trains(bench_of(folder, task, max_length=64)[0], folder)


@pytest.mark.parametrize(
    ("family", "token"),
    [(name, "eos_token") for name in FAMILIES if name not in ENCODER_DECODERS]
    + [("GPT2", f"{name}_token") for name in ("sep", "bos", "cls", "mask", "unk")],
)
def test_an_existing_token_pads_where_there_is_none(tmp_path, family, token):
    tokenizer = words()
    for name in ("pad_token", "eos_token", "sep_token", "bos_token", "cls_token", "mask_token", "unk_token"):
        setattr(tokenizer, name, None)
    setattr(tokenizer, token, "[SEP]")
    folder = folder_of(tmp_path / "m", family, tokenizer=tokenizer)
    bench, lines = bench_of(folder)
    assert lines[0] == "it has no padding token, so [SEP] pads"
    assert len(lines) == 1 + (family == "XLNet")
    # A short text is read the same alone and padded.
    model = bench.models.build(0).eval()
    both = bench.models.tokenizer(["a film", LONG], padding=True, truncation=True, max_length=100, return_tensors="pt")
    alone = bench.models.tokenizer(["a film"], return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(model(**both).logits[:1], model(**alone).logits, atol=1e-5, rtol=1e-4)


def test_no_token_at_all_to_pad_with_is_refused(tmp_path):
    folder = folder_of(tmp_path / "m", tokenizer=of_bytes())
    with pytest.raises(UserError, match=r'no token to pad with; name one in its tokenizer_config.json: "pad_token"'):
        bench_of(folder)


def test_a_padding_token_beyond_the_embedding_is_replaced(tmp_path):
    tokenizer = words()
    size = len(tokenizer)
    tokenizer.add_special_tokens({"pad_token": "[NEW]"})
    folder = folder_of(tmp_path / "m", "GPT2", tokenizer=tokenizer, vocab_size=size)
    bench, lines = bench_of(folder)
    assert lines == [f"its embedding of {size} rows has no [NEW], so [SEP] pads"]
    trains(bench, folder)


def test_more_tokens_than_rows_matter_where_a_text_has_one(tmp_path):
    tokenizer = words()
    size = len(tokenizer)
    tokenizer.add_tokens(["zebra", "yak"])
    folder = folder_of(tmp_path / "m", tokenizer=tokenizer, vocab_size=size)
    assert bench_of(folder)[1] == []
    for split in ("train", "validation", "test"):
        task = reviews_task()
        rows = getattr(task, split)
        seen = replace(task, **{split: Rows([*rows.texts[:-1], "a zebra"], None, rows.labels)})
        with pytest.raises(UserError, match=f"more tokens than its embedding: 'zebra' has number {size}, of {size} rows"):
            bench_of(folder, seen)


@pytest.mark.parametrize("family", ["Roberta", "Bert", "DebertaV2", "MPNet", "DistilBert"])
def test_numbers_of_first_and_second_texts_are_left_out_where_a_model_has_none(tmp_path, family):
    tokenizer = words(model_input_names=["input_ids", "token_type_ids", "attention_mask"])
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    shape = {"type_vocab_size": 1} if family in ("Roberta", "Bert", "DebertaV2") else {}
    folder = folder_of(tmp_path / "m", family, tokenizer=tokenizer, **shape)
    bench, lines = bench_of(folder, with_texts(["one"], pairs=["two"]))
    trains(bench, folder)
    dropped = "it has no token types, although its tokeniser gives some: token_type_ids are left out"
    assert (dropped in lines) is ("token_type_ids" not in bench.train.inputs)
    if family in ("Roberta", "Bert"):
        assert dropped in lines
    single, lines = bench_of(folder)
    trains(single, folder)


def test_padding_on_the_left_stays_where_the_model_is_made_for_it(tmp_path):
    for family in ("XLNet", "Llama", "OPT"):
        bench, lines = bench_of(folder_of(tmp_path / family, family, tokenizer=words(padding_side="left")))
        assert (lines, bench.train.left) == ([], True)


@pytest.mark.parametrize(("family", "side"), [("GPT2", "left"), ("Bert", "left"), ("Electra", "left"), ("XLNet", "right")])
def test_padding_that_changes_answers_is_moved_to_the_other_side(tmp_path, family, side):
    folder = folder_of(tmp_path / "m", family, tokenizer=words(padding_side=side))
    bench, lines = bench_of(folder)
    other = "right" if side == "left" else "left"
    assert lines == [f"texts are padded on the {other}: padding on the {side}, as its tokeniser does, changes its output"]
    assert bench.train.left is (other == "left")
    assert not bench_of(folder_of(tmp_path / "other", family, tokenizer=words(padding_side=other)))[1]


def test_answers_that_are_no_numbers_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = folder_of(tmp_path / "m")
    tensors = load_file(folder / "model.safetensors")
    tensors["encoder.layer.0.output.dense.weight"][3, 3] = float("nan")
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match="its output is not finite; are its weights damaged"):
        bench_of(folder)


def test_a_model_that_fails_on_every_text_is_refused_with_its_reason(tmp_path):
    folder = folder_of(tmp_path / "m", "Bart", eos_token_id=5)  # its head reads at the end token, and there is none
    with pytest.raises(UserError, match=f"model='{folder}': it cannot read a text: "):
        bench_of(folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_trains_on_what_was_found(tmp_path, family):
    folder = folder_of(tmp_path / "m", family, tokenizer=words(padding_side="left" if family == "XLNet" else "right"))
    task = with_texts([LONG, "", "a"])
    bench, _ = bench_of(folder, task)
    trains(bench, folder)
    assert np.isfinite(bench.predict(bench.models.build(0), bench.validation)).all()


def test_training_begins_with_the_model_that_was_tried(tmp_path):
    folder = folder_of(tmp_path / "m")
    bench, _ = bench_of(folder, numbers_task(1))
    first = {name: value.clone() for name, value in bench.models.build(0).state_dict().items()}
    again = bench.models.build(0).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert Path(folder).is_dir()
