"""The caption space: what the caption says, as a sentence vector."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioning.vision.frames import FrameBatch
from search.embedders import minilm, multilingual


class SentenceEncoder:
    """all-MiniLM-L6-v2 as it is, and Chinese beside it: captions and queries meet as sentences."""

    space = "caption"
    model_id = "all-minilm-l6-v2"
    dimension = minilm.DIMENSION

    def __init__(self, device: str | None = None, **_: Any) -> None:
        self.encoder = multilingual.shared(device)

    def embed_frames(self, frames: FrameBatch, captions: Sequence[str]) -> NDArray[np.float32]:
        """(N, 384), one row per caption; the pictures are not looked at."""
        return self.embed_queries(captions)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(M, 384), one row per text."""
        return self.encoder.sentences(texts).numpy()

    def knows(self, word: str) -> bool:
        """Whether the sentence encoder was taught this word as a whole."""
        return self.encoder.english.knows(word)
