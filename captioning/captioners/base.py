"""What every captioner offers. A new kind is one file beside this one and a dotted path in settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from captioning.vision.frames import FrameBatch


@dataclass(frozen=True)
class CaptionDraft:
    """One caption as the model wrote it.

    confidence: in [0, 1], the geometric mean of the token probabilities, or what a calibration made of it.
    alternatives: other sentences that the decoding kept, the likeliest first; none where it keeps one.
    """

    text: str
    confidence: float
    alternatives: tuple[str, ...] = ()


class Captioner(Protocol):
    """Writes one caption per frame.

    `core.backends` builds it with `checkpoint`, `cache_dir` (strings), `device` and `decoding`
    (`captioning.captioners.decoding.Decoding`) as keywords; take what you need and leave the rest to `**_`.
    One that was taught to read `FrameBatch.contexts` says so by an attribute `reads_context`; the others ignore them.
    """

    @property
    def model_id(self) -> str:
        """Names weights and decoding; captions of different ids are never mixed up."""

    def caption(self, frames: FrameBatch) -> Sequence[CaptionDraft]:
        """One draft per frame, in order; none for none. ModelUnavailable where weights are missing."""
