"""Captions on demand, and the style that a person prefers."""

from typing import IO, Annotated, Any, cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from ninja import Field, File, Form, Router, Schema, Status
from ninja.files import UploadedFile

from captioning import preferences
from captioning.captioners.styles import NORMAL, Style
from captioning.on_demand import Wanted, caption_upload
from captioning.vision.context import CONTEXT_MAX_CHARS, context_of
from library.access import Scope, require_scope
from library.models import ApiKey
from workers import pipeline

router = Router(tags=["Captions"])
_MOST_SENTENCES = 5

_EXAMPLE: dict[str, Any] = {
    "caption": "A brown dog runs along the beach.",
    "alternatives": ["A dog is running on the beach."],
    "alt_text": "A brown dog runs along the beach.",
    "style": "normal",
    "confidence": 0.41,
    "model_id": "smollm2-lite2-bb98188f-beam5-agree0.1-match20",
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
    alternatives: list[str] = Field(
        description="Other sentences, the likeliest first; fewer than `n` - 1 where the captioner keeps fewer"
    )
    alt_text: str = Field(
        description="For screen readers, at most 125 characters: the caption where it fits, else one in the short "
        "style where the model knows it; cut between words where it must be"
    )
    style: Style = Field(description="In which the caption is written")
    confidence: float = Field(description="How sure the model was of its words, from 0 to 1")
    model_id: str
    tags: list[TagOut] = Field(description="The surest first; often none")
    frame: str = Field(description="Opaque. Sent with the next picture, it makes an unchanged scene a 204")

    model_config = {"json_schema_extra": {"examples": [_EXAMPLE]}}


_ANSWERS = {
    204: "The picture shows the scene of the token `frame`; keep that token.",
    400: "The picture is damaged, `frame` is no token that was given out, `n` is not from 1 to 5, or the captioner "
    "does not know the style.",
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
    n: Annotated[
        int, Form(ge=1, le=_MOST_SENTENCES, description="So many sentences: the caption and its alternatives")
    ] = 1,
    context: Annotated[
        str,
        Form(
            max_length=CONTEXT_MAX_CHARS,
            description="Title, then tags, as far as known; read by captioners that were trained to",
            examples=["Sunday at the lake; dog, beach"],
        ),
    ] = "",
    style: Annotated[
        Style | None,
        Form(
            description="How much is said. Default: your preference, or normal where the captioner knows no other"
        ),
    ] = None,
) -> Status[Any]:
    """For editors and cameras. An unchanged scene is answered by 204 at once, without asking a model."""
    user = require_scope(request, ApiKey.Scope.READ)
    wanted = Wanted(context_of(context), (style,) if style else (preferences.style_for(user), NORMAL))
    made = caption_upload(cast(IO[bytes], file.file), frame, pipeline.caption_picture, wanted)
    if made is None:
        return Status(204, None)
    seen = made.seen
    return Status(
        200,
        {
            "caption": seen.caption,
            "alternatives": list(seen.alternatives[: n - 1]),
            "alt_text": made.alt_text,
            "style": seen.style,
            "confidence": seen.confidence,
            "model_id": seen.model_id,
            "tags": [{"name": name, "confidence": confidence} for name, confidence in seen.tags],
            "frame": made.frame,
        },
    )


class StylePreference(Schema):
    """What you chose, and the style that your new photos get."""

    style: Style | None = Field(description="null: the site decides")
    effective: Style


class StyleChoice(Schema, extra="forbid"):
    style: Style | None = Field(description="null leaves it to the site")


@router.get(
    "/caption/preference",
    response=StylePreference,
    auth=Scope(ApiKey.Scope.READ),
    summary="The style of your captions",
)
def get_preference(request: HttpRequest) -> dict[str, Any]:
    return _preference(require_scope(request, ApiKey.Scope.READ))


@router.patch(
    "/caption/preference",
    response=StylePreference,
    auth=Scope(ApiKey.Scope.WRITE),
    summary="Choose the style of your captions",
)
def change_preference(request: HttpRequest, choice: StyleChoice) -> dict[str, Any]:
    """For photos to come: those that have a caption keep it until they are captioned again."""
    user = require_scope(request, ApiKey.Scope.WRITE)
    preferences.choose_style(user, choice.style)
    return _preference(user)


def _preference(user: User) -> dict[str, Any]:
    return {"style": preferences.chosen_style(user), "effective": preferences.style_for(user)}
