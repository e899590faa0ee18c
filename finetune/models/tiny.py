"""The small encoder that needs no download: word embeddings from co-occurrence, one ModernBERT layer, mean pooling.

Random embeddings are a bad model of fine-tuning: an attack from the first epoch on outweighs features that are not
learned yet, and every trial collapses. Here, words that occur with the same other words start with similar vectors
(positive PMI, truncated SVD: Levy and Goldberg 2014). This takes a second and behaves like a pretrained encoder.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from scipy import linalg
from scipy.sparse import csr_matrix
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import ModernBertConfig, PreTrainedTokenizerFast

from finetune.tasks.kind import Kind

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
HIDDEN = 32
MAX_WORDS = 4000
# Row norm 1.4, as in BERT-base, so that epsilon means about the same.
EMBEDDING_STD = 0.25
LONGEST = 1024
# Scripts without blanks between words: Chinese, Japanese, Thai, Lao, Burmese, Khmer, Tibetan. A clause would be one word.
UNSPACED = Regex(r"[\p{Han}\p{Hiragana}\p{Katakana}ー々\p{Thai}\p{Lao}\p{Myanmar}\p{Khmer}\p{Tibetan}]")


@lru_cache(maxsize=16)  # a search with folds has those of each fold
def learnt(texts: tuple[str, ...]) -> tuple[Any, Tensor]:
    """The tokeniser and the word vectors of some texts, not to be changed; several searches of a process learn them once."""
    tokenizer = tiny_tokenizer(texts)
    return tokenizer, word_vectors(tokenizer(list(texts))["input_ids"], len(tokenizer))


def tiny_tokenizer(texts: Sequence[str]) -> Any:
    """The 4,000 most frequent lower-case words; in scripts without blanks between words, characters."""
    tokenizer = Tokenizer(models.WordLevel({}, unk_token=SPECIAL[1]))
    tokenizer.normalizer = normalizers.Lowercase()
    characters = pre_tokenizers.Split(UNSPACED, "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([characters, pre_tokenizers.BertPreTokenizer()])
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text.lower()))
    words = sorted(counts, key=lambda word: (-counts[word], word))[:MAX_WORDS]
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *words])}
    tokenizer.model = models.WordLevel(vocabulary, unk_token=SPECIAL[1])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=["input_ids", "attention_mask"], **names)


def word_vectors(encoded: Sequence[Sequence[int]], size: int) -> Tensor:
    """Vectors (size, HIDDEN) of the token ids, standardised to EMBEDDING_STD; noise for words that do not occur."""
    found = together(encoded, size).tocoo()
    keep = (found.row != found.col) & (np.minimum(found.row, found.col) >= len(SPECIAL))
    row, col, count = found.row[keep], found.col[keep], found.data[keep].astype(np.float64)
    sums = np.bincount(row, count, size)
    pmi = np.maximum(np.log(count * count.sum() / (sums[row] * sums[col])), 0)
    vectors = np.random.default_rng(0).normal(size=(size, HIDDEN))
    if (pmi > 0).any():
        rank = min(HIDDEN, size - 1)
        directions = truncated(csr_matrix((pmi, (row, col)), (size, size)), rank)
        known = np.abs(directions).sum(1) > 0
        vectors[known, :rank] = directions[known] / np.sqrt(np.linalg.norm(directions, axis=0) + 1e-9)
        vectors[known] /= vectors[known].std()
    return torch.tensor(vectors * EMBEDDING_STD, dtype=torch.float32)


def together(encoded: Sequence[Sequence[int]], size: int) -> csr_matrix:
    """In how many texts two token ids are together, for all pairs (size, size)."""
    words = [sorted(set(ids)) for ids in encoded]
    ends = np.cumsum([0, *map(len, words)])
    seen = csr_matrix((np.ones(ends[-1], np.int64), np.concatenate(words), ends), (len(words), size))
    return seen.T @ seen


def truncated(matrix: csr_matrix, rank: int) -> NDArray[np.float64]:
    """A square matrix in its first ``rank`` directions, by randomised SVD (Halko et al. 2011, arXiv 0909.4061, section 4).

    The same numbers as ``sklearn.decomposition.TruncatedSVD(rank, random_state=0)``, whose import takes a second.
    """
    found = np.random.RandomState(0).normal(size=(matrix.shape[0], rank + 10))
    for _ in range(5):
        found, _ = linalg.lu(matrix @ found, permute_l=True, check_finite=False)
        found, _ = linalg.lu(matrix.T @ found, permute_l=True, check_finite=False)
    base, _ = linalg.qr(matrix @ found, mode="economic", check_finite=False)
    directions = linalg.svd(base.T @ matrix, full_matrices=False)[2][:rank]
    largest = directions[np.arange(len(directions)), np.abs(directions).argmax(1)]
    result: NDArray[np.float64] = matrix @ (directions * np.sign(largest)[:, None]).T
    return result


def tiny_model(vectors: Tensor, outputs: int, kind: Kind) -> Any:
    """A model of about 18,000 weights with a new head; weights other than embeddings are drawn from torch's generator."""
    config = ModernBertConfig(
        vocab_size=len(vectors),
        hidden_size=HIDDEN,
        intermediate_size=HIDDEN,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=LONGEST,
        global_attn_every_n_layers=1,
        classifier_pooling="mean",
        embedding_dropout=0.1,
        mlp_dropout=0.1,
        classifier_dropout=0.1,
        pad_token_id=0,
        cls_token_id=2,
        sep_token_id=3,
        bos_token_id=2,
        eos_token_id=3,
        num_labels=outputs,
        problem_type=kind.problem,
    )
    model = getattr(transformers, f"ModernBertFor{kind.architecture}")(config)
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(vectors)
    return model
