"""ImageNet-1k class names, and what the backbone's classifier says of a picture."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@cache
def class_names() -> tuple[tuple[str, ...], ...]:
    """For each of the 1,000 classes its names, the most readable first (WordNet 3.0 lemmas)."""
    lines = Path(__file__).with_name("imagenet_classes.txt").read_text("utf-8").splitlines()
    return tuple(tuple(line.split(", ")) for line in lines)


@dataclass(frozen=True)
class TagGuess:
    """One class seen in a picture. `names` holds its synonyms, `confidence` is a probability in [0, 1]."""

    names: tuple[str, ...]
    confidence: float


def probabilities(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float32]:
    """Softmax over the classes; logits of shape (N, 1000)."""
    scaled = logits / temperature
    scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True), dtype=np.float32)


def top_classes(logits: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Indices of the k most likely classes, the likeliest first: (N, 1000) -> (N, k)."""
    return np.argsort(-logits, axis=1)[:, :k]
