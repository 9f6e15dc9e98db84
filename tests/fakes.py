"""Fast, deterministic models that come in through the same settings door as the real ones.

They see colours: a red picture is captioned "a red picture", its image vector is near the query "red", and its
caption vector is near any text that shares words with its caption. So a search over them makes sense to a
reader of a test. Settings for a test run:

    BACKBONE = "tests.fakes.FakeBackbone"
    CAPTIONER, CAPTIONER_MODEL_ID = "tests.fakes.FakeCaptioner", "fake-captioner"
    EMBEDDERS = {"image": "tests.fakes.FakeImageEmbedder", "caption": "tests.fakes.FakeCaptionEmbedder"}
    EMBEDDER_MODEL_IDS = {"image": "fake-image", "caption": "fake-caption"}
    UNSAFE_SCORER = "tests.fakes.FakeUnsafeScorer"
    TEXT_READER = "tests.fakes.FakeTextReader"
"""

import re
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioning.captioners.base import CaptionDraft
from captioning.vision.frames import Features, FrameBatch
from captioning.vision.tags import class_names
from captioning.vision.text_reader import Line

#: Name -> colour, and the ImageNet class that the fake backbone claims to see in such a picture.
PALETTE: dict[str, tuple[tuple[int, int, int], str]] = {
    "red": ((220, 30, 30), "strawberry"),
    "green": ((30, 200, 30), "broccoli"),
    "blue": ((30, 30, 220), "lakeside"),
    "yellow": ((230, 220, 30), "lemon"),
    "orange": ((240, 140, 20), "orange"),
    "purple": ((130, 30, 160), "fig"),
    "cyan": ((30, 210, 220), "jellyfish"),
    "black": ((10, 10, 10), "black widow"),
    "white": ((245, 245, 245), "dishwasher"),
    "grey": ((128, 128, 128), "tabby"),
}
NAMES = tuple(PALETTE)
_COLOURS = np.array([PALETTE[name][0] for name in NAMES], dtype=np.float32)

GRID_CELLS = 81
GRID_SIDE = 9
CHANNELS = 1280
CLASSES = 1000
IMAGE_DIMENSION = 16
CAPTION_DIMENSION = 64
#: How far (in colour units) a picture may be from a palette colour and still be like it.
_SPREAD = 60.0


class FakeBackbone:
    """Keeps the mean colour of each of the 9x9 cells; its logits name the palette's class."""

    model_id = "fake-backbone"

    def __init__(self, device: str | None = None) -> None:
        self.device = device

    def encode(self, pixels: NDArray[np.uint8]) -> Features:
        """Features of uint8 RGB (N, H, W, 3)."""
        count = len(pixels)
        grid = np.zeros((count, GRID_CELLS, CHANNELS), dtype=np.float16)
        logits = np.zeros((count, CLASSES), dtype=np.float32)
        for row, picture in enumerate(pixels):
            grid[row, :, :3] = _cell_colours(picture)
            logits[row, _class_index(PALETTE[_nearest_name(_mean_colour(grid[row]))][1])] = 20.0
        return Features(grid, logits)


class FakeCaptioner:
    """Writes "a red picture", with the name of the palette's colour nearest to the mean.

    In the short style it says "red", in the detailed one "a red picture all over".
    """

    model_id = "fake-captioner"
    styles: tuple[str, ...] = ("short", "normal", "detailed")

    def __init__(self, checkpoint: object = None, device: str | None = None, **_: Any) -> None:
        self.device = device

    def caption(self, frames: FrameBatch, style: str = "normal") -> list[CaptionDraft]:
        """One draft per frame, in order."""
        names = [_nearest_name(_mean_colour(grid)) for grid in frames.features.grid]
        told = [
            {"short": name, "normal": _sentence(name), "detailed": f"{_sentence(name)} all over"}[style]
            for name in names
        ]
        return [
            CaptionDraft(text, 0.9, ("a picture", f"something {name}"), style=style)
            for text, name in zip(told, names, strict=True)
        ]


class FakeImageEmbedder:
    """Pixels and colour words in one space: the nearness of the colour to each of the palette's."""

    space = "image"
    model_id = "fake-image"
    dimension = IMAGE_DIMENSION

    def __init__(self, checkpoint: object = None, device: str | None = None, **_: Any) -> None:
        self.device = device

    def embed_frames(self, frames: FrameBatch, said: Sequence[tuple[str, ...]]) -> NDArray[np.float32]:
        """(N, dimension) of the mean colours; what is said is not read."""
        colours = [_mean_colour(grid) for grid in frames.features.grid]
        return _unit_rows([_nearness(colour) for colour in colours], self.dimension)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(M, dimension): the colours that a text names; a text that names none points elsewhere."""
        rows = []
        for text in texts:
            named = [_nearness(_COLOURS[NAMES.index(word)]) for word in _words(text) if word in PALETTE]
            rows.append(np.sum(named, axis=0) if named else np.eye(self.dimension, dtype=np.float32)[-1])
        return _unit_rows(rows, self.dimension)


class FakeCaptionEmbedder:
    """A bag of hashed words: texts that share words are near. Of a frame it reads all that is said."""

    space = "caption"
    model_id = "fake-caption"
    dimension = CAPTION_DIMENSION

    def __init__(self, checkpoint: object = None, device: str | None = None, **_: Any) -> None:
        self.device = device

    def embed_frames(self, frames: FrameBatch, said: Sequence[tuple[str, ...]]) -> NDArray[np.float32]:
        """(N, dimension) of the words of all sentences; the pixels are not read."""
        return self.embed_queries([" ".join(of_one) for of_one in said])

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(M, dimension), one row per text."""
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in _words(text):
                row[zlib.crc32(word.encode()) % self.dimension] += 1.0
        return _unit_rows(list(rows), self.dimension)


class FakeUnsafeScorer:
    """Takes offence at nothing but glaring magenta."""

    model_id = "fake-scorer"
    glaring = (255, 0, 255)

    def score(self, squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N,) for uint8 RGB (N, H, W, 3)."""
        distances = np.abs(squares.mean(axis=(1, 2)) - self.glaring).max(axis=1)
        return np.where(distances < 8, 0.95, 0.01).astype(np.float32)


class FakeTextReader:
    """Reads signs where pictures are white: a sharp line, one that nobody can be sure of, and a speck."""

    model_id = "fake-reader"
    lines: tuple[Line, ...] = (
        Line("FRESH FISH", 0.98),
        Line("and chips", 0.4),
        Line("Open 24 hours", 0.9),
        Line("7", 0.99),
    )

    def read(self, pixels: NDArray[np.uint8]) -> list[Line]:
        """The lines of one picture, uint8 RGB (H, W, 3)."""
        return list(self.lines) if pixels.mean() > 240 else []


def _cell_colours(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean colour of each cell of a 9x9 grid, from the top left: (81, 3)."""
    height, width = picture.shape[0] // GRID_SIDE, picture.shape[1] // GRID_SIDE
    cropped = picture[: height * GRID_SIDE, : width * GRID_SIDE].astype(np.float32)
    cells = cropped.reshape(GRID_SIDE, height, GRID_SIDE, width, 3).mean(axis=(1, 3))
    return np.asarray(cells.reshape(GRID_CELLS, 3), dtype=np.float32)


def _mean_colour(grid: NDArray[np.float16]) -> NDArray[np.float32]:
    return np.asarray(grid[:, :3].astype(np.float32).mean(axis=0), dtype=np.float32)


def _nearest_name(colour: NDArray[np.float32]) -> str:
    return NAMES[int(np.argmin(np.linalg.norm(_COLOURS - colour, axis=1)))]


def _sentence(colour: str) -> str:
    return f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} picture"


def _nearness(colour: NDArray[np.float32]) -> NDArray[np.float32]:
    row = np.zeros(IMAGE_DIMENSION, dtype=np.float32)
    row[: len(NAMES)] = np.exp(-((np.linalg.norm(_COLOURS - colour, axis=1) / _SPREAD) ** 2) / 2)
    row[len(NAMES) : len(NAMES) + 3] = colour / 2550.0  # tells two reds apart without leaving red
    return row


def _unit_rows(rows: Sequence[NDArray[np.float32]], dimension: int) -> NDArray[np.float32]:
    matrix = np.asarray(rows, dtype=np.float32).reshape(len(rows), dimension)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    empty = np.zeros(dimension, dtype=np.float32)
    empty[0] = 1.0
    return np.where(lengths > 0, matrix / np.maximum(lengths, 1e-9), empty).astype(np.float32)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _class_index(name: str) -> int:
    return next(index for index, names in enumerate(class_names()) if name in names)
