"""Models that are not loaded: the ones that would run code, and the ones that are not there."""

import io
import json

import pytest
from helpers.small_tasks import reviews_task
from transformers import BertConfig, BertForSequenceClassification

from finetune.config import Recipe
from finetune.errors import UserError
from finetune.models.pretrained import Models
from finetune.models.tiny import tiny_tokenizer

MODULE = """
open({marker!r}, "w").close()
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast
class Config(BertConfig):
    model_type = "invented"
class Model(BertForSequenceClassification):
    config_class = Config
class Tokenizer(PreTrainedTokenizerFast):
    pass
"""


@pytest.fixture
def bert(tmp_path):
    folder = tmp_path / "bert"
    tokenizer = tiny_tokenizer(reviews_task().train.texts)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build(folder):
    return Models(Recipe(model=str(folder)), reviews_task()).build(0)


def edit(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("part", ["model", "tokenizer"])
def test_code_in_a_folder_is_not_run_even_where_the_user_would_agree(bert, tmp_path, monkeypatch, capfd, part):
    marker = tmp_path / "marker"
    (bert / "code.py").write_text(MODULE.format(marker=str(marker)))
    if part == "model":
        auto = {"AutoConfig": "code.Config", "AutoModelForSequenceClassification": "code.Model"}
        edit(bert / "config.json", model_type="invented", auto_map=auto)
    else:
        edit(bert / "config.json", model_type="invented")
        auto = {"AutoTokenizer": [None, "code.Tokenizer"]}
        edit(bert / "tokenizer_config.json", auto_map=auto, tokenizer_class="Tokenizer")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))
    with pytest.raises(UserError, match="model="):
        build(bert)
    assert not marker.exists()
    assert "run the custom code" not in capfd.readouterr().out


def test_damaged_weights_and_settings_are_the_users_to_mend(bert):
    weights = (bert / "model.safetensors").read_bytes()
    (bert / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(UserError, match=f"model='{bert}'"):
        build(bert)
    (bert / "config.json").write_text("{")
    with pytest.raises(UserError, match=f"model='{bert}'"):
        build(bert)


def test_an_encoder_that_its_file_does_not_fill(bert):
    edit(bert / "config.json", hidden_size=32)
    with pytest.raises(UserError, match="weights have another size"):
        build(bert)
    edit(bert / "config.json", hidden_size=16, model_type="roberta")
    with pytest.raises(UserError, match="weights are missing"):
        build(bert)


def test_what_is_missing_is_named(bert):
    (bert / "config.json").unlink()
    with pytest.raises(UserError, match=r"no config\.json"):
        build(bert)
    for missing in (bert / "none", "./none", "~/none", "a/b/c"):
        with pytest.raises(UserError, match="no such folder"):
            build(missing)


def test_a_folder_without_tokenizer(bert):
    for path in bert.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(UserError, match=r"tokeni[sz]er"):
        build(bert)
