"""Scripts without blanks between words: the built-in encoder reads their characters, and every other text as before."""

import numpy as np
import pytest

from adv import Clean
from finetune.config import Recipe
from finetune.data.reviews import reviews
from finetune.models.tiny import tiny_tokenizer
from finetune.tasks.task import Rows, Task
from finetune.training.bench import Bench
from finetune.training.loop import Training


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("电影很好看。", ["电", "影", "很", "好", "看", "。"]),
        ("この映画", ["こ", "の", "映", "画"]),
        ("データ", ["デ", "ー", "タ"]),
        ("ดีมาก", ["ด", "ี", "ม", "า", "ก"]),
        ("すごーーい人々", ["す", "ご", "ー", "ー", "い", "人", "々"]),
        ("ດີຫຼາຍ", list("ດີຫຼາຍ")),
        ("ល្អណាស់", list("ល្អណាស់")),
        ("ကောင်း", list("ကောင်း")),
        ("བཟང", list("བཟང")),
        ("ﾃｷｽﾄ𠮷", ["ﾃ", "ｷ", "ｽ", "ﾄ", "𠮷"]),
        ("iPhone手机5G网络", ["iphone", "手", "机", "5g", "网", "络"]),
        ("I love 电影 much", ["i", "love", "电", "影", "much"]),
        ("영화가 좋다", ["영화가", "좋다"]),
        ("Отличный фильм!", ["отличный", "фильм", "!"]),
        ("it's a so-so film, 3.5", ["it", "'", "s", "a", "so", "-", "so", "film", ",", "3", ".", "5"]),
    ],
)
def test_the_tokens_of_a_text(text, tokens):
    tokenizer = tiny_tokenizer([text])
    assert tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"]) == ["[CLS]", *tokens, "[SEP]"]


def test_the_built_in_task_has_the_tokens_that_it_had():
    texts = reviews(50, seed=1)[0]
    tokenizer = tiny_tokenizer(texts)
    for text in texts:
        words = "".join(letter if letter.isalnum() else f" {letter} " for letter in text.lower()).split()
        assert tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])[1:-1] == words


def chinese(count, seed):
    """Texts without blanks; three good or three bad characters somewhere between others."""
    rng = np.random.default_rng(seed)
    good, bad, other = list("好美优赞喜"), list("差丑劣厌烦"), list("我们昨天晚上在家看了这部电影导演演员音乐故事")
    texts, labels = [], np.arange(count) % 2
    for label in labels:
        letters = [*rng.choice(other, 9), *rng.choice(good if label else bad, 3)]
        texts.append("".join(rng.permutation(letters)))
    return Rows(texts, None, labels)


def test_unspaced_texts_are_learned():
    task = Task("chinese", "classification", ("差", "好"), chinese(200, 0), chinese(100, 1), chinese(10, 2))
    recipe = Recipe(epochs=4)
    training = Training(Bench(task, recipe), recipe, Clean())
    *_, last = training.epochs()
    assert last.metrics["accuracy"] > 0.9
