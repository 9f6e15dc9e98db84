"""Captions for pictures that are not stored: for editors, who paste, and cameras, which send frame after frame."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from PIL import Image

from captioning import frame_tokens
from captioning.active import decoding_px
from captioning.alt_text import alt_text
from captioning.captioners.base import encode_for
from captioning.services import backbone, captioner
from captioning.tagging import tag_guesses
from captioning.vision.frames import FrameBatch, Pixels
from captioning.vision.scene import fingerprint, same_scene
from library.transient import decode_transient


@dataclass(frozen=True)
class Seen:
    """What the models say of one picture. tags: names with their confidence, the surest first. alternatives: other
    sentences, the likeliest first."""

    caption: str
    confidence: float
    model_id: str
    tags: tuple[tuple[str, float], ...]
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaptionedPicture:
    """An answer to who sent a picture. frame: the token to send with the next one."""

    seen: Seen
    alt_text: str
    frame: str


#: From an opened picture, and what is known of it, to what the models say. Doors pass
#: `workers.pipeline.caption_picture`, since this process holds no vision model and this room may not know the workers.
AskWorker = Callable[[Image.Image, str], Seen]


def caption_upload(
    file: IO[bytes], last_frame: str | None, ask: AskWorker, context: str = ""
) -> CaptionedPicture | None:
    """Caption an uploaded picture, or None where it shows the scene of the token `last_frame`: then nobody is asked.

    The file is checked like any upload and not stored. InvalidInput for a token that was never given out.
    """
    last = frame_tokens.read(last_frame)
    picture = decode_transient(file, at_least_px=decoding_px())  # as the pipeline decodes what is stored
    now = fingerprint(picture)
    if last is not None and same_scene(last, now):
        return None
    seen = ask(picture, context)
    return CaptionedPicture(seen, alt_text(seen.caption), frame_tokens.written(now))


def look_at(pixels: Pixels, picture: Pixels | None = None, context: str = "") -> Seen:
    """What the models of this process see in one picture, uint8 (260, 260, 3). For workers.

    picture: the same, whole, as `FrameBatch.pictures` has it, for a captioner that reads more than the square. context:
    what is known of it, for one that reads that.
    ModelUnavailable where this process has no model.
    """
    square = pixels[None]
    writer = captioner()
    pictures = [] if picture is None else [picture]
    features = encode_for(writer, backbone(), square)
    frames = FrameBatch(square, features, pictures, [context] if context else [])
    (draft,) = writer.caption(frames)
    (guesses,) = tag_guesses(frames.features.logits)
    tags = tuple((guess.names[0], guess.confidence) for guess in guesses)
    return Seen(draft.text, draft.confidence, writer.model_id, tags, draft.alternatives)
