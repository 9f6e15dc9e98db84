"""Captions that people reviewed, beside a base dataset: kept apart from what measures, and not drowned in it.

Reviews are few beside the thousands of pictures that a captioner was trained on. Drawn by their number they would
hardly be seen; shown alone they would make it forget the rest. So an epoch is drawn from both, a stated share of it
from reviews: rehearsal of the old data (Robins 1995, "Catastrophic Forgetting, Rehearsal and Pseudorehearsal").
"""

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from captioning.training.dataset import CaptionDataset, CaptionedImage
from captioning.vision.frames import Features
from core.packages import file_sha256

#: No reviewed picture is shown more often in one epoch: a handful would be learned by heart.
MOST_SHOWN = 4
#: CIDEr of fewer pictures than this moves more by chance than by training.
FEWEST_MEASURED = 20


def mixed(
    base: Sequence[int], reviewed: Sequence[int], share: float, size: int | None, choose: random.Random
) -> list[int]:
    """Indices of one epoch of `size` pictures (None: all of `base`, and reviews beside it), `share` of it reviewed.

    Reviewed pictures come in rounds, so that all are shown about equally often, and at most MOST_SHOWN times.
    """
    wished = share * size if size is not None else share / (1 - share) * len(base)
    count = min(round(wished), MOST_SHOWN * len(reviewed))
    shuffled = list(base)
    choose.shuffle(shuffled)
    drawn: list[int] = []
    while len(drawn) < count:
        again = list(reviewed)
        choose.shuffle(again)
        drawn += again
    order = (shuffled if size is None else shuffled[: size - count]) + drawn[:count]
    choose.shuffle(order)
    return order


def without_leaks(reviews: CaptionDataset, base: CaptionDataset) -> CaptionDataset:
    """Reviews without pictures that would be trained on in one place and measured by in the other.

    Exported reviews are named by the SHA-256 of their photo, so that one that is also in the base is known by it.
    """
    trained: set[str] = set()
    measured: set[str] = set()
    for name, images in base.splits.items():
        (trained if name == "train" else measured).update(file_sha256(image.path) for image in images)
    kept: dict[str, tuple[CaptionedImage, ...]] = {}
    left_out: list[str] = []
    for name, images in reviews.splits.items():
        others = measured if name == "train" else trained
        left_out += [image.path.name for image in images if image.path.stem in others]
        if clean := tuple(image for image in images if image.path.stem not in others):
            kept[name] = clean
    told = tuple(f"{name} is measured by and trained on, as it is in {base.folder}, too" for name in left_out)
    return replace(reviews, splits=kept, skipped=(*reviews.skipped, *told))


def score_of_both(base: float, reviews: float, measured: int) -> float:
    """By what the kept epoch is chosen: the geometric mean of both CIDErs, or the base's alone.

    The geometric mean, because the two are not of one size (one caption of a narrow domain is guessed more easily
    than five of any photo): what one loses in proportion the other must gain. measured: reviewed pictures of dev;
    below FEWEST_MEASURED their figure decides nothing.
    """
    if measured < FEWEST_MEASURED:
        return base
    return math.sqrt(max(base, 0.0) * max(reviews, 0.0))


def joined(first: Features, second: Features) -> Features:
    """The features of both, one after the other; the maps stay where they are on disk."""
    trunk = None
    if first.trunk is not None and second.trunk is not None:
        trunk = _joined(first.trunk, second.trunk)
    return Features(_joined(first.grid, second.grid), np.concatenate([first.logits, second.logits]), trunk)


def train_images(reviews: CaptionDataset | None) -> tuple[CaptionedImage, ...]:
    """The reviewed pictures to train on, none where there are no reviews."""
    return reviews.splits.get("train", ()) if reviews else ()


def _joined(first: NDArray[np.float16], second: NDArray[np.float16]) -> NDArray[np.float16]:
    return cast(NDArray[np.float16], _JoinedMaps(first, second))


class _JoinedMaps:
    """Two memory-mapped arrays read as one, by number or by slice: that is all that training asks of a map."""

    def __init__(self, first: NDArray[np.float16], second: NDArray[np.float16]) -> None:
        self.first, self.second = first, second

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def __getitem__(self, key: int | slice) -> NDArray[np.float16]:
        before = len(self.first)
        if isinstance(key, slice):
            start, stop, _ = key.indices(len(self))
            parts = [
                self.first[min(start, before) : min(stop, before)],
                self.second[max(start - before, 0) : max(stop - before, 0)],
            ]
            return np.concatenate(parts)
        return cast(NDArray[np.float16], self.first[key] if key < before else self.second[key - before])
