"""What every embedder offers. A new kind is one file beside this one and a dotted path in settings."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from captioning.vision.frames import FrameBatch


class Embedder(Protocol):
    """Puts frames and queries into one space of unit-length vectors.

    One whose text side knows words as wholes may offer `knows(word: str) -> bool`, for normalised words: a word that it
    knows is never taken for misspelt.
    """

    @property
    def space(self) -> str:
        """`image` (made of pixels) or `caption` (made of words)."""

    @property
    def model_id(self) -> str:
        """Vectors of different ids never meet."""

    @property
    def dimension(self) -> int:
        """Length of one vector."""

    def embed_frames(self, frames: FrameBatch, said: Sequence[tuple[str, ...]]) -> NDArray[np.float32]:
        """(N, dimension), one row per frame; `said` holds of each frame the sentence that stands, then the others
        that its writer thought of; none where nothing is said of it."""

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(M, dimension), one row per text that a person typed."""
