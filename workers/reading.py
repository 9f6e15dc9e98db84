"""Reading the text in pictures that can be searched already, and having searches find them by it."""

from collections.abc import Mapping, Sequence

from django.db import transaction

import search.indexing
from captioning.picture_text import active_reader_id, read_text, record_texts
from captioning.vision.text_reader import PictureText
from library.models import Frame
from workers.claims import HEALS


def read_frames(frame_ids: Sequence[int]) -> dict[int, Exception]:
    """Reads these frames by the active reader; why some could not be read, by frame id.

    ModelUnavailable where the reader can't be loaded. What was read before an error that will heal is read again.
    """
    reader_id = active_reader_id()
    texts: dict[int, PictureText] = {}
    errors: dict[int, Exception] = {}
    if reader_id is None:
        return errors
    for frame in Frame.objects.select_related("asset").filter(pk__in=frame_ids):
        try:
            texts[frame.pk] = read_text(frame)
        except HEALS:
            raise
        except Exception as error:  # a reader may trip over any picture: it is this one's business alone
            errors[frame.pk] = error
    _record(texts, reader_id)
    return errors


@transaction.atomic
def _record(texts: Mapping[int, PictureText], reader_id: str) -> None:
    # Locked, so that none is deleted between being seen and being named by a foreign key.
    here = Frame.objects.select_for_update(no_key=True).filter(pk__in=list(texts)).order_by("pk")
    changed = record_texts({frame.pk: texts[frame.pk] for frame in here}, reader_id)
    if changed:
        search.indexing.index_within(changed)
