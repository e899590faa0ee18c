"""Where the words of sentences stand in the windows that a model reads."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Places:
    """Which word of which sentence each token of each window speaks for.

    Args:
        sentences: The sentence of each window (windows,).
        words: The number of the word whose first token this is (windows, longest). -1 for all other tokens, and for words
            that another window speaks for, because they have more context there.
        unread: Predictions (sentences, words) as they are before a model is asked: -1 after the last word.
    """

    sentences: NDArray[np.int64]
    words: NDArray[np.int64]
    unread: NDArray[np.float32]

    def put(self, output: NDArray[np.float32], index: NDArray[np.int64], cut: slice, logits: NDArray[np.float32]) -> None:
        """Put the predictions of some windows into their places.

        Args:
            output: Tag numbers (sentences, words), changed; NaN where logits are not finite.
            index: The windows.
            cut: The tokens of these windows that were read.
            logits: (windows, tokens, tags).
        """
        sentences, words, here = self._spoken(index, cut, logits)
        best = here.argmax(-1).astype(np.float32)
        best[~np.isfinite(here).all(-1)] = np.nan
        output[sentences, words] = best

    def put_raw(
        self, output: NDArray[np.float32], index: NDArray[np.int64], cut: slice, logits: NDArray[np.float32]
    ) -> None:
        """The same for logits (sentences, words, tags); those that are not all finite become infinite."""
        sentences, words, here = self._spoken(index, cut, logits)
        output[sentences, words] = np.where(np.isfinite(here).all(-1, keepdims=True), here, np.inf)

    def unread_raw(self, tags: int) -> NDArray[np.float32]:
        """Logits (sentences, words, tags) before a model is asked: NaN after the last word, 1 for what is usual, else 0."""
        found: NDArray[np.float32] = (self.unread[..., None] == np.arange(tags)).astype(np.float32)
        found[self.unread < 0] = np.nan
        return found

    def _spoken(
        self, index: NDArray[np.int64], cut: slice, logits: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Sentence, word and logits of each token that speaks for a word."""
        words = self.words[index][:, cut]
        window, token = np.nonzero(words >= 0)
        return self.sentences[index[window]], words[window, token], logits[window, token]
