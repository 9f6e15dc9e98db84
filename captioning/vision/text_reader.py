"""What is written in a picture: signs, labels, screenshots. A reader is a class behind the setting TEXT_READER.

Finding lines and reading them are two networks of PaddleOCR (PP-OCR, Du et al. 2020), which come inside the package
`rapidocr` as ONNX. The third, which turns lines that stand on their head, is left out: photos are upright here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.packages import packaged_file
from library.media.embedded_text import clean_line

#: Below it readings are mostly of leaves, fences and folds of cloth.
MIN_CONFIDENCE = 0.75
#: A letter alone is as a rule no letter.
MIN_SIGNS = 2
#: Of a photographed page the beginning is kept; enough to find it by.
MAX_CHARS = 2000
#: Small pictures are read at up to this many times their size: nothing is found in lines of a few pixels.
MAX_ENLARGEMENT = 2


@dataclass(frozen=True)
class Line:
    """A line as a reader read it, and how sure it was, in [0, 1]."""

    text: str
    confidence: float


@dataclass(frozen=True)
class PictureText:
    """What is kept of one picture: lines from top to bottom, one under the other; confidence of the least sure one."""

    text: str = ""
    confidence: float | None = None


class TextReader(Protocol):
    """Reads pictures. `model_id` stands on the class: what was read by which model is asked without loading one."""

    model_id: str

    def read(self, pixels: NDArray[np.uint8]) -> Sequence[Line]:
        """The lines of one picture, uint8 RGB (H, W, 3), in reading order."""


class RapidOcr:
    """PP-OCRv6, small: Latin letters, digits, Chinese and Japanese. Computes on one thread of the processor."""

    model_id = "pp-ocrv6-small-v1"

    def __init__(self) -> None:
        import rapidocr

        files = {
            # Named by file: where a path is missing the library would fetch its own.
            "Det.model_path": str(packaged_file("rapidocr", "PP-OCRv6_det_small.onnx")),
            "Rec.model_path": str(packaged_file("rapidocr", "PP-OCRv6_rec_small.onnx")),
        }
        threads = "EngineConfig.onnxruntime"
        self._engine: Any = rapidocr.RapidOCR(
            params={
                **files,
                "Global.use_cls": False,
                "Global.log_level": "critical",
                # The pictures come in the size in which they are to be read.
                "Det.limit_type": "max",
                "Det.limit_side_len": 10_000,
                f"{threads}.intra_op_num_threads": 1,
                f"{threads}.inter_op_num_threads": 1,
            }
        )

    def read(self, pixels: NDArray[np.uint8]) -> list[Line]:
        """The lines of one picture, uint8 RGB (H, W, 3), from top to bottom."""
        found = self._engine(np.ascontiguousarray(pixels[:, :, ::-1]))
        return [
            Line(text, float(confidence))
            for text, confidence in zip(found.txts or (), found.scores or (), strict=True)
        ]


def worth_keeping(lines: Iterable[Line]) -> PictureText:
    """The lines that are most likely there, on at most MAX_CHARS characters."""
    plain = [Line(clean_line(line.text), line.confidence) for line in lines]
    kept = [line for line in plain if line.confidence >= MIN_CONFIDENCE and _signs(line.text) >= MIN_SIGNS]
    if not kept:
        return PictureText()
    text = "\n".join(line.text for line in kept)
    return PictureText(_cut(text), min(line.confidence for line in kept))


def _signs(text: str) -> int:
    return sum(sign.isalnum() for sign in text)


def _cut(text: str) -> str:
    """Without the word that the limit would cut in two."""
    if len(text) <= MAX_CHARS:
        return text
    cut = text[: MAX_CHARS + 1]
    end = max(cut.rfind(" "), cut.rfind("\n"))
    return cut[:end] if end > 0 else cut[:MAX_CHARS]
