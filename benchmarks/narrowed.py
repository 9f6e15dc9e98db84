"""The shipped embedders with the first 64 numbers of each vector: for libraries whose rows are to be made in minutes.

Models take as long as ever, and what surrounds them and the engine can't tell the difference; the engine's own time
and what it finds mean nothing.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioning.vision.frames import FrameBatch
from search.embedders.dual import DualEncoder
from search.embedders.sentence import SentenceEncoder

DIMENSION = 64


def use() -> None:
    """Has this process and those that it starts search by these; call it before anything imports the settings."""
    os.environ["EMBEDDERS"] = ",".join(f"{one.space}={__name__}.{one.__name__}" for one in (Look, Sentence))
    os.environ["EMBEDDER_MODEL_IDS"] = ",".join(f"{one.space}={one.model_id}" for one in (Look, Sentence))


class _First:
    """What both have in common: they compute all numbers and keep the first."""

    space: str
    model_id: str
    dimension = DIMENSION

    def __init__(self, whole: Any) -> None:
        self._whole = whole

    def embed_frames(self, frames: FrameBatch, said: Sequence[tuple[str, ...]]) -> NDArray[np.float32]:
        """(N, 64)"""
        return _shortened(self._whole.embed_frames(frames, said))

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(M, 64)"""
        return _shortened(self._whole.embed_queries(texts))


class Look(_First):
    """The image space."""

    space = "image"
    model_id = "look-first-64"

    def __init__(self, **options: Any) -> None:
        super().__init__(DualEncoder(**options))


class Sentence(_First):
    """The caption space."""

    space = "caption"
    model_id = "sentence-first-64"

    def __init__(self, **options: Any) -> None:
        super().__init__(SentenceEncoder(**options))

    def knows(self, word: str) -> bool:
        return bool(self._whole.knows(word))


def _shortened(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    first = vectors[:, :DIMENSION]
    return np.asarray(first / np.linalg.norm(first, axis=1, keepdims=True), dtype=np.float32)
