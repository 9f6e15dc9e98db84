"""Backbones for worker processes of tests: one dies at a certain picture, one takes its time."""

import os
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioning.vision.frames import Features
from tests.fakes import FakeBackbone

POISON = (255, 0, 255)


class DeadlyBackbone(FakeBackbone):
    """Ends its process, as a crash in native code would, where a picture is magenta."""

    def encode(self, pixels: NDArray[np.uint8]) -> Features:
        if any(_mean(picture) == POISON for picture in pixels):
            os._exit(139)
        return super().encode(pixels)


class SlowBackbone(FakeBackbone):
    """Takes SLOW_BATCH_S for a batch, so that a test can kill it in the middle of one; notes each batch's size."""

    def encode(self, pixels: NDArray[np.uint8]) -> Features:
        if log := os.environ.get("BATCH_LOG"):
            with open(log, "a") as file:  # noqa: PTH123
                file.write(f"{os.getpid()} {len(pixels)}\n")
        time.sleep(float(os.environ.get("SLOW_BATCH_S", "0.3")))
        return super().encode(pixels)


def _mean(picture: NDArray[np.uint8]) -> tuple[Any, ...]:
    return tuple(round(float(channel)) for channel in np.median(picture, axis=(0, 1)))
