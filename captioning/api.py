"""Captions over HTTP."""

from typing import IO, Annotated, Any, cast

from django.http import HttpRequest
from ninja import Field, File, Form, Router, Schema, Status
from ninja.files import UploadedFile

from captioning.on_demand import caption_upload
from captioning.vision.context import CONTEXT_MAX_CHARS, context_of
from library.access import Scope
from library.models import ApiKey
from workers import pipeline

router = Router(tags=["Captions"])

_EXAMPLE: dict[str, Any] = {
    "caption": "A brown dog runs along the beach.",
    "alt_text": "A brown dog runs along the beach.",
    "confidence": 0.41,
    "model_id": "smollm2-lite2-01fa4c5e-beam3-agree0.1",
    "tags": [{"name": "golden retriever", "confidence": 0.62}],
    "frame": "AYaGh4iJ...:x3vQ",
}


class TagOut(Schema):
    """A class that the vision model saw."""

    name: str
    confidence: float = Field(description="Probability, from 0 to 1")


class CaptionAnswer(Schema):
    """What the models say of a picture, and the token to send with the next one of the same camera."""

    caption: str
    alt_text: str = Field(description="The caption in at most 125 characters, cut between words")
    confidence: float = Field(description="How sure the model was of its words, from 0 to 1")
    model_id: str
    tags: list[TagOut] = Field(description="The surest first; often none")
    frame: str = Field(description="Opaque. Sent with the next picture, it makes an unchanged scene a 204")

    model_config = {"json_schema_extra": {"examples": [_EXAMPLE]}}


_ANSWERS = {
    204: "The picture shows the scene of the token `frame`; keep that token.",
    400: "The picture is damaged, or `frame` is no token that was given out.",
    401: "Neither a session nor a valid API key.",
    403: "The key lacks the scope `read`.",
    413: "Over a limit on bytes or pixels.",
    415: "Not a kind of file that Sightline reads.",
    503: "Workers, queue or model are away, or too slow; `Retry-After` says when to come back.",
}


@router.post(
    "/caption",
    response={200: CaptionAnswer, 204: None},
    auth=Scope(ApiKey.Scope.READ),
    summary="Caption a picture, which is not stored",
    openapi_extra={
        "responses": {status: {"description": description} for status, description in _ANSWERS.items()}
    },
)
def caption(
    request: HttpRequest,
    file: Annotated[UploadedFile, File(description="One picture; limits and formats are those of uploads")],
    frame: Annotated[
        str | None,
        Form(description="The token that came with this camera's last caption", examples=["AYaG...:x3vQ"]),
    ] = None,
    context: Annotated[
        str,
        Form(
            max_length=CONTEXT_MAX_CHARS,
            description="Title, then tags, as far as known; read by captioners that were trained to",
            examples=["Sunday at the lake; dog, beach"],
        ),
    ] = "",
) -> Status[Any]:
    """For editors and cameras. An unchanged scene is answered by 204 at once, without asking a model."""
    known = context_of(context)
    made = caption_upload(cast(IO[bytes], file.file), frame, pipeline.caption_picture, known)
    if made is None:
        return Status(204, None)
    seen = made.seen
    return Status(
        200,
        {
            "caption": seen.caption,
            "alt_text": made.alt_text,
            "confidence": seen.confidence,
            "model_id": seen.model_id,
            "tags": [{"name": name, "confidence": confidence} for name, confidence in seen.tags],
            "frame": made.frame,
        },
    )
