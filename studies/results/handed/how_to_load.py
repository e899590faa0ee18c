"""How a saved model is loaded with plain transformers, as the first code of its card."""

from dataclasses import dataclass

from finetune.models.explained import explained
from finetune.models.pooling import Pooled
from finetune.tasks import kind_for
from finetune.tasks.task import Task

PLAIN = """from transformers import {family}, AutoTokenizer

folder = "."  # the folder of this file, or its name on the hub
tokenizer, model = AutoTokenizer.from_pretrained(folder), {family}.from_pretrained(folder)
logits = model(**tokenizer({texts}, truncation=True, padding=True, return_tensors="pt")).logits
"""
TEXTS = {False: '["a text", "another"]', True: '["a text", "another"], ["its second text", "the other\'s"]'}
WORDS = '[["Some", "words"], ["others"]], is_split_into_words=True'
MEANING = {
    "classification": "`logits.softmax(-1)` are the probabilities of the classes in `model.config.id2label`.",
    "multilabel": "`logits.sigmoid()` are the probabilities of the labels in `model.config.id2label`.",
    "regression": "`logits` are the targets in `model.config.id2label`, in the units of the data.",
    "tokens": "`logits` (texts, tokens, tags) speak for a word at its first token; `model.config.id2label` names the tags.",
}


@dataclass(frozen=True)
class Loading:
    """How a model is loaded.

    Args:
        code: A code block that leaves ``logits``.
        meaning: What they are.
    """

    code: str
    meaning: str


def loading_of(task: Task, model: object, units: bool) -> Loading:
    """How the model is loaded.

    Args:
        task: Its data.
        model: The model that was trained.
        units: Whether its outputs have the units of the data.
    """
    kind, pairs = kind_for(task), task.train.pairs is not None
    meaning = MEANING.get(task.kind, "") if units else "What `logits` are is said below."
    if isinstance(model, Pooled):
        text = explained(model.head.pooling, model.loads_with, "")
        function = text.split("```python\n")[1].split("```")[0].rstrip()
        asked = f'logits = logits_of(".", {TEXTS[pairs]})  # the folder of this file'
        return Loading(f"{function}\n\n\n{asked}\n", meaning.replace("`model.config.id2label`", "`id2label` of config.json"))
    texts = WORDS if kind.by_word else TEXTS[pairs]
    return Loading(PLAIN.format(family=f"AutoModelFor{kind.architecture}", texts=texts), meaning)
