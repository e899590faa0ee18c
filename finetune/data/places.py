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
        words = self.words[index][:, cut]
        window, token = np.nonzero(words >= 0)
        here = logits[window, token]
        best = here.argmax(-1).astype(np.float32)
        best[~np.isfinite(here).all(-1)] = np.nan
        output[self.sentences[index[window]], words[window, token]] = best
