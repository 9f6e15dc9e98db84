"""The text in pictures: which frames are to be read, by which reader, and what was read.

Readings are rows of their own and no captions: nobody wrote them about the picture, they stand in it. A frame has one
reading; another model's takes its place.
"""

from collections.abc import Iterable, Mapping
from typing import cast

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet

from captioning.models import FrameText
from captioning.vision.pixels import enlarged_pixels
from captioning.vision.text_reader import MAX_ENLARGEMENT, PictureText, TextReader, worth_keeping
from core import backends
from library.models import Frame
from library.selectors import open_frame


def active_reader_id() -> str | None:
    """Id of the model that reads pictures, without loading it; None where the settings want none."""
    return str(backends.named(settings.TEXT_READER).model_id) if settings.TEXT_READER else None


def frames_without_text() -> QuerySet[Frame]:
    """Frames that the active reader has not read yet; none where there is no reader."""
    reader_id = active_reader_id()
    if reader_id is None:
        return Frame.objects.none()
    known = FrameText.objects.filter(frame=OuterRef("pk"), model_id=reader_id)
    return Frame.objects.filter(~Exists(known))


def texts_of(frame_ids: Iterable[int]) -> dict[int, str]:
    """What is written in these frames, by id; those with nothing to read are left out."""
    rows = FrameText.objects.filter(frame_id__in=list(frame_ids)).exclude(text="")
    return dict(rows.values_list("frame_id", "text"))


def read_text(frame: Frame) -> PictureText:
    """What the active reader reads in a frame's file. CorruptMedia where that is gone or damaged."""
    longer_px = settings.TEXT_READER_PX
    # Decoded larger than it is read: a picture that is scaled down keeps its thin strokes.
    with open_frame(frame, at_least_px=longer_px) as picture:
        pixels = enlarged_pixels(picture, longer_px, MAX_ENLARGEMENT)
    return worth_keeping(_reader().read(pixels))


def record_texts(texts: Mapping[int, PictureText], model_id: str) -> list[int]:
    """Keep what a model read, by frame id; returns the frames whose words are others now than before."""
    before = texts_of(texts)
    FrameText.objects.bulk_create(
        [
            FrameText(frame_id=frame_id, model_id=model_id, text=read.text, confidence=read.confidence)
            for frame_id, read in texts.items()
        ],
        update_conflicts=True,
        unique_fields=["frame"],
        update_fields=["model_id", "text", "confidence", "read_at"],
    )
    return [frame_id for frame_id, read in texts.items() if read.text != before.get(frame_id, "")]


def _reader() -> TextReader:
    return cast(TextReader, backends.load(settings.TEXT_READER))
