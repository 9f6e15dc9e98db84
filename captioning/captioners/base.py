"""What every captioner offers. A new kind is one file beside this one and a dotted path in settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from captioning.captioners.styles import NORMAL, first_known
from captioning.vision.frames import FrameBatch


@dataclass(frozen=True)
class CaptionDraft:
    """One caption as the model wrote it.

    confidence: in [0, 1], the geometric mean of the token probabilities, or what a calibration made of it.
    alternatives: other sentences that the decoding kept, the likeliest first; none where it keeps one. evidence: what
    a calibration reads (`captioning.captioners.confidence`); empty where the captioner has none.
    style: one of `captioning.captioners.styles`, in which it is written.
    """

    text: str
    confidence: float
    alternatives: tuple[str, ...] = ()
    evidence: Mapping[str, float] = field(default_factory=dict)
    style: str = NORMAL

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that it says: the text, then its alternatives."""
        return (self.text, *self.alternatives)


def draft_of(
    texts: Sequence[str],
    confidence: float,
    evidence: Mapping[str, float] | None = None,
    style: str = NORMAL,
) -> CaptionDraft:
    """A draft of what a decoding kept, the best first; one that differs in capitals and its end only is no other."""
    unlike: dict[str, str] = {}
    for text in texts:
        unlike.setdefault(text.casefold().rstrip(" .!"), text)
    others = [text for bare, text in unlike.items() if bare and text != texts[0]]
    return CaptionDraft(texts[0], confidence, tuple(others), evidence or {}, style)


class Captioner(Protocol):
    """Writes one caption per frame.

    `core.backends` builds it with `checkpoint`, `cache_dir` (strings), `device` and `decoding`
    (`captioning.captioners.decoding.Decoding`) as keywords; take what you need and leave the rest to `**_`.
    One that was taught to read `FrameBatch.contexts` says so by an attribute `reads_context`; the others ignore them.
    """

    @property
    def model_id(self) -> str:
        """Names weights and decoding; captions of different ids are never mixed up."""

    @property
    def styles(self) -> Sequence[str]:
        """Those of `captioning.captioners.styles` that it can be asked for; `normal` is always one."""

    def caption(self, frames: FrameBatch, style: str = NORMAL) -> Sequence[CaptionDraft]:
        """One draft per frame, in order; none for none.

        ModelUnavailable where weights are missing; InvalidInput names the styles that it knows.
        """


def caption_in_styles(captioner: Captioner, frames: FrameBatch, styles: Sequence[str]) -> list[CaptionDraft]:
    """One draft per frame, each in its own style; in the normal one where the captioner does not know it.

    One call for each style. Frames of the same style share a batch, and those of one style alone the batch as it is.
    """
    known = [first_known((style, NORMAL), captioner.styles) for style in styles]
    if len(set(known)) == 1:
        return list(captioner.caption(frames, known[0]))
    drafts: dict[int, CaptionDraft] = {}
    for style in dict.fromkeys(known):
        rows = [row for row, each in enumerate(known) if each == style]
        drafts |= zip(rows, captioner.caption(frames.rows(rows), style), strict=True)
    return [drafts[row] for row in range(len(known))]
