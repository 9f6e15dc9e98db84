"""Frames of stored pictures, what models wrote of them, and what was decided on it."""

import io

from django.contrib.auth.models import User
from PIL import Image

from captioning import services
from captioning.captioners.base import CaptionDraft
from captioning.models import Caption
from library.asset_store import store_upload
from library.frames import make_frames
from library.models import Frame

MODEL = "fake-captioner"


def frame_of(owner: User, shade: int) -> Frame:
    """Of a stored picture of one shade of red."""
    file = io.BytesIO()
    Image.new("RGB", (32, 32), (shade, 0, 0)).save(file, "PNG")
    file.seek(0)
    return make_frames(store_upload(owner, file, name="a.png").asset)[0]


def describe(frame: Frame, text: str, model_id: str = MODEL) -> None:
    services.record_captions([(frame.pk, CaptionDraft(text, 0.5))], model_id)


def decided(frame: Frame, state: Caption.State, model_id: str = MODEL) -> None:
    Caption.objects.filter(frame=frame, model_id=model_id).update(state=state)
