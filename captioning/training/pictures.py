"""What the captioner reads of training pictures: cached features, or pixels where the whole backbone is trained."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from captioning.training.features import load_pixels
from captioning.vision.frames import Features

#: Of each picture of a batch its number and the view in which it is shown.
Picked = Sequence[tuple[int, str]]
_BATCHES_AHEAD = 2


class Pictures(Protocol):
    """The pictures of a split, in all their views."""

    def announce(self, turn: int, batches: Iterable[Picked]) -> None:
        """These are read next, in this order; those of another turn (epoch) may be cropped anew."""

    def read(self, picked: Picked) -> Tensor:
        """What the model reads of them (`VisualLanguageModel`: seen)."""


def pictures_for(backbone: str, paths: Sequence[Path], views: Mapping[str, Features]) -> Pictures:
    """By what the architecture trains of the backbone. views: with their trunk where that is the last stage."""
    match backbone:
        case "all":
            return DecodedPictures(paths)
        case "last_stage":
            return CachedPictures({view: _trunk_of(features) for view, features in views.items()})
        case _:
            return CachedPictures({view: features.grid for view, features in views.items()})


class CachedPictures:
    """Maps of a frozen part of the backbone, by view: (N, ...) each."""

    def __init__(self, maps: Mapping[str, NDArray[np.float16]]) -> None:
        self.maps = maps

    def announce(self, turn: int, batches: Iterable[Picked]) -> None:
        """They are there."""

    def read(self, picked: Picked) -> Tensor:
        return torch.from_numpy(np.stack([self.maps[view][index] for index, view in picked]))


class DecodedPictures:
    """Pixels, uint8 (B, 260, 260, 3), decoded and cropped by threads, two batches ahead of the model."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self._threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="pictures")
        self._turn = 0
        self._expected: Iterator[Picked] = iter(())
        self._coming: deque[tuple[Picked, list[Future[NDArray[np.uint8]]]]] = deque()

    def announce(self, turn: int, batches: Iterable[Picked]) -> None:
        for _, futures in self._coming:
            for future in futures:
                future.cancel()
        self._coming.clear()
        self._turn, self._expected = turn, iter(batches)

    def read(self, picked: Picked) -> Tensor:
        while len(self._coming) <= _BATCHES_AHEAD and (batch := next(self._expected, None)) is not None:
            self._coming.append((batch, self._decoding(batch)))
        if self._coming and self._coming[0][0] == picked:
            _, futures = self._coming.popleft()
        else:
            futures = self._decoding(picked)
        return torch.from_numpy(np.stack([future.result() for future in futures]))

    def _decoding(self, picked: Picked) -> list[Future[NDArray[np.uint8]]]:
        # The first crops are those that hints are read from.
        turn = f":{self._turn}" if self._turn else ""
        return [self._threads.submit(load_pixels, self.paths[index], view, turn) for index, view in picked]


def _trunk_of(features: Features) -> NDArray[np.float16]:
    assert features.trunk is not None
    return features.trunk
