"""Backbones for worker processes of tests: one dies at a certain picture, one takes its time."""

import os
import time
from contextlib import suppress
from pathlib import Path
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
    """Takes SLOW_BATCH_S for a batch, so that a test can kill it in the middle of one; notes each batch's size.

    The file BATCHES_LEFT, where it is there, says how many batches go through; the next one waits until it is gone.
    """

    def encode(self, pixels: NDArray[np.uint8]) -> Features:
        if log := os.environ.get("BATCH_LOG"):
            with open(log, "a") as file:  # noqa: PTH123
                file.write(f"{os.getpid()} {len(pixels)}\n")
        if told := os.environ.get("BATCHES_LEFT"):
            _pass_or_wait(Path(told))
        time.sleep(float(os.environ.get("SLOW_BATCH_S", "0.3")))
        return super().encode(pixels)


def _pass_or_wait(told: Path) -> None:
    with suppress(FileNotFoundError):
        while not (left := int(told.read_text())):
            time.sleep(0.05)
        told.write_text(str(left - 1))


def _mean(picture: NDArray[np.uint8]) -> tuple[Any, ...]:
    return tuple(round(float(channel)) for channel in np.median(picture, axis=(0, 1)))
