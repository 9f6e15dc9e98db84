"""Which colours frames have: written when a frame is described, and afterwards for those that were before."""

from collections.abc import Iterator, Mapping, Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from captioning.models import FrameColour
from captioning.vision.colours import MODEL_ID, dominant_colours
from captioning.vision.pixels import INPUT_SIZE_PX, square_pixels
from core.errors import CorruptMedia
from library.asset_store import mark_changed
from library.frames import kept_from_deletion, one_by_one
from library.models import Frame
from library.selectors import open_frame


def record_colours(frame_ids: Sequence[int], colours: Sequence[Mapping[str, float]]) -> list[int]:
    """Keep the colours of these frames, with shares, in place of those before; returns the frames that changed."""
    before: dict[int, set[str]] = {frame_id: set() for frame_id in frame_ids}
    with transaction.atomic():
        kept = FrameColour.objects.filter(frame_id__in=frame_ids, model_id=MODEL_ID)
        for frame_id, name in kept.values_list("frame_id", "name"):
            before[frame_id].add(name)
        kept.delete()
        FrameColour.objects.bulk_create(
            FrameColour(frame_id=frame_id, model_id=MODEL_ID, name=name, share=share)
            for frame_id, shares in zip(frame_ids, colours, strict=True)
            for name, share in shares.items()
        )
    return [
        frame_id
        for frame_id, shares in zip(frame_ids, colours, strict=True)
        if shares.keys() != before[frame_id]
    ]


def frames_without_colours() -> QuerySet[Frame]:
    """Frames whose colours nobody looked for yet: each picture has at least one."""
    known = FrameColour.objects.filter(frame=OuterRef("pk"), model_id=MODEL_ID)
    return Frame.objects.filter(~Exists(known)).order_by("pk")


def frames_of_colour(name: str) -> QuerySet[FrameColour]:
    """The rows of frames that have much of this colour."""
    return FrameColour.objects.filter(model_id=MODEL_ID, name=name)


def colours_of(asset_ids: Sequence[int]) -> Iterator[tuple[int, str]]:
    """(asset id, a colour that one of its frames has much of), in no order."""
    # A list of frames: joined to them, SQLite may go through the colours of the whole library.
    frames = Frame.objects.filter(asset_id__in=asset_ids)
    rows = FrameColour.objects.filter(model_id=MODEL_ID, frame__in=frames).order_by()
    return rows.values_list("frame__asset_id", "name").iterator()


def find_missing_colours() -> Iterator[Frame]:
    """Looks at each frame without colours and yields it when it is done, or can't be: its file is gone or damaged.

    Safe to stop and to begin again.
    """
    for frame in one_by_one(frames_without_colours()):
        try:
            with open_frame(frame, at_least_px=INPUT_SIZE_PX) as picture:
                colours = list(dominant_colours(square_pixels(picture)[None]))
        except CorruptMedia:
            colours = []
        with transaction.atomic():
            if colours and kept_from_deletion(frame.pk):
                record_colours([frame.pk], colours)
                mark_changed(frame.asset_id)
        yield frame
