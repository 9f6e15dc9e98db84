"""Captions for pictures that are not stored: for editors, who paste, and cameras, which send frame after frame."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from PIL import Image

from captioning import frame_tokens
from captioning.active import decoding_px
from captioning.alt_text import MAX_CHARS, alt_text
from captioning.captioners.styles import NORMAL, SHORT, first_known
from captioning.services import backbone, captioner
from captioning.tagging import tag_guesses
from captioning.vision.frames import FrameBatch, Pixels
from captioning.vision.scene import fingerprint, same_scene
from library.transient import decode_transient


@dataclass(frozen=True)
class Seen:
    """What the models say of one picture. tags: names with their confidence, the surest first. alternatives: other
    sentences, the likeliest first.

    style: in which the caption is written. short: the same in the short style, where the caption is too long for an alt
    text and the captioner knows that style; else empty.
    """

    caption: str
    confidence: float
    model_id: str
    tags: tuple[tuple[str, float], ...]
    alternatives: tuple[str, ...] = ()
    style: str = NORMAL
    short: str = ""


@dataclass(frozen=True)
class CaptionedPicture:
    """An answer to who sent a picture. frame: the token to send with the next one."""

    seen: Seen
    alt_text: str
    frame: str


@dataclass(frozen=True)
class Wanted:
    """How a picture is to be captioned. context: what is known of it, for a captioner that reads that. styles: that
    will do, the best first."""

    context: str = ""
    styles: tuple[str, ...] = (NORMAL,)


PLAINLY = Wanted()

#: From an opened picture, and how it is to be captioned, to what the models say of it. Doors pass
#: `workers.pipeline.caption_picture`, since this process holds no vision model and this room may not know the workers.
AskWorker = Callable[[Image.Image, Wanted], Seen]


def caption_upload(
    file: IO[bytes], last_frame: str | None, ask: AskWorker, wanted: Wanted = PLAINLY
) -> CaptionedPicture | None:
    """Caption an uploaded picture, or None where it shows the scene of the token `last_frame`: then nobody is asked.

    The file is checked like any upload and not stored. InvalidInput for a token that was never given out, and where
    the captioner knows none of the styles.
    """
    last = frame_tokens.read(last_frame)
    picture = decode_transient(file, at_least_px=decoding_px())  # as the pipeline decodes what is stored
    now = fingerprint(picture)
    if last is not None and same_scene(last, now):
        return None
    seen = ask(picture, wanted)
    return CaptionedPicture(seen, alt_text(seen.short or seen.caption), frame_tokens.written(now))


def look_at(pixels: Pixels, picture: Pixels | None = None, wanted: Wanted = PLAINLY) -> Seen:
    """What the models of this process see in one picture, uint8 (260, 260, 3). For workers.

    picture: the same, whole, as `FrameBatch.pictures` has it, for a captioner that reads more than the square.
    ModelUnavailable where this process has no model; InvalidInput where it knows none of the styles.
    """
    square = pixels[None]
    writer = captioner()
    style = first_known(wanted.styles, writer.styles)
    pictures = [] if picture is None else [picture]
    frames = FrameBatch(
        square, backbone().encode(square), pictures, [wanted.context] if wanted.context else []
    )
    (draft,) = writer.caption(frames, style)
    short = ""
    if len(draft.text) > MAX_CHARS and style != SHORT and SHORT in writer.styles:
        short = writer.caption(frames, SHORT)[0].text
    (guesses,) = tag_guesses(frames.features.logits)
    tags = tuple((guess.names[0], guess.confidence) for guess in guesses)
    return Seen(draft.text, draft.confidence, writer.model_id, tags, draft.alternatives, style, short)
