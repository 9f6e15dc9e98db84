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

    def embed_frames(self, frames: FrameBatch, said: Sequence[tuple[str, ...]]) -> NDArray[np.float32]:
        """(N, 384), of each frame the direction of the sum of its sentences; the pictures are not looked at.

        One leaves out what another one says, and two photos with the same one are told apart by the rest. Each counts
        half as much as the one before it.
        """
        told = [[text for text in of_one if text] or [""] for of_one in said]
        sentences = list(dict.fromkeys(text for of_one in told for text in of_one))
        rows = dict(zip(sentences, self.embed_queries(sentences), strict=True))
        sums = [sum(rows[text] * 0.5**place for place, text in enumerate(of_one)) for of_one in told]
        return np.array([each / np.linalg.norm(each) for each in sums], dtype=np.float32)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(M, 384), one row per text."""
        return self.encoder.sentences(texts).numpy()

    def knows(self, word: str) -> bool:
        """Whether the sentence encoder was taught this word as a whole."""
        return self.encoder.english.knows(word)
