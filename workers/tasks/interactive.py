"""What a visitor is waiting for."""

from collections.abc import Sequence

from captioning.captioners.styles import NORMAL
from workers import interactive
from workers.celery import app


# Acknowledged early: after a crash nobody waits for this answer any more.
@app.task(name=interactive.TASK, acks_late=False, time_limit=60, soft_time_limit=50)
def encode_query_image(pixels_base64: str, reply_to: str) -> None:
    """Answer a search by image."""
    interactive.answer(pixels_base64, reply_to)


@app.task(name=interactive.CAPTION_TASK, acks_late=False, time_limit=60, soft_time_limit=50)
def caption_picture(
    pixels_base64: str,
    reply_to: str,
    jpeg_base64: str | None = None,
    context: str = "",
    styles: Sequence[str] = (NORMAL,),
) -> None:
    """Caption a picture that is not stored."""
    interactive.answer_caption(pixels_base64, reply_to, jpeg_base64, context, styles)
