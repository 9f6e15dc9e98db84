"""Reviewing captions."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse
from ninja import Field, Query, Router, Schema, Status

from captioning import review, review_leases, review_queue
from captioning.models import Caption, ReviewDecision
from core.errors import InvalidInput
from core.ids import MAX_ID
from library.access import Scope, require_scope
from library.models import ApiKey
from workers import pipeline

router = Router(tags=["Review"])

_PICTURE_PX = 960
_BESIDES_MAX = 100
_REVIEW_EXAMPLE: dict[str, Any] = {
    "caption_id": 812,
    "asset_id": 640,
    "picture": f"/review/photos/640/{_PICTURE_PX}",
    "text": "A brown dog runs along the beach.",
    "alternatives": ["A brown dog is running on the beach.", "A dog runs through the water."],
    "doubts": ["confidence"],
    "confidence": 0.21,
    "match_score": 0.34,
    "left": 57,
    "decided_today": 120,
    "per_minute": 14.2,
}
_DECISION_EXAMPLE: dict[str, Any] = {
    "id": 3107,
    "caption_id": 812,
    "decision": "edit",
    "before": "A brown dog runs along the beach.",
    "after": "A fox runs along the beach.",
    "state": "edited",
    "decided_at": "2026-11-24T10:15:00Z",
}


class ReviewQuery(Schema):
    besides: list[Annotated[int, Field(ge=1, le=MAX_ID)]] = Field(
        [],
        max_length=_BESIDES_MAX,
        description="Captions that you have before you already; repeated. For fetching the next one ahead",
    )


class ReviewItem(Schema):
    """A caption that waits for a decision, and how far you are."""

    caption_id: int
    asset_id: int
    picture: str = Field(
        description="Address of the photo, which is yours to see while you have it before you"
    )
    text: str
    alternatives: list[str] = Field(description="Other sentences of the model, the likeliest first")
    doubts: list[str] = Field(description="Why a person should look at it")
    confidence: float | None
    match_score: float | None
    left: int = Field(description=f"Captions that wait for you, counted to {review_queue.COUNTED}")
    decided_today: int
    per_minute: float | None = Field(description="Over your last ten decisions")

    model_config = {"json_schema_extra": {"examples": [_REVIEW_EXAMPLE]}}


class DecisionIn(Schema, extra="forbid"):
    """What you decide of a caption."""

    decision: Literal["accept", "edit", "reject", "skip"]
    shown: str = Field(description="The caption as you saw it: a decision on other words is refused")
    text: str | None = Field(None, description="Your words, for `edit` only")

    model_config = {
        "json_schema_extra": {
            "examples": [{"decision": "edit", "shown": "A brown dog.", "text": "A fox on the beach."}]
        }
    }


class DecisionOut(Schema):
    """A decision as it is kept. `after` is empty where nothing stands any more."""

    id: int
    caption_id: int
    decision: str = Field(
        description="accept, edit, reject, skip or undo; an edit that changes nothing accepts"
    )
    before: str
    after: str
    state: str = Field(description="Of the model's caption now")
    decided_at: datetime

    model_config = {"json_schema_extra": {"examples": [_DECISION_EXAMPLE]}}


def _described(**answers: str) -> dict[str, Any]:
    common = {"401": "Neither a session nor a valid API key.", "403": "The key lacks the scope `write`."}
    told = {**common, **{status.removeprefix("s"): text for status, text in answers.items()}}
    return {"responses": {int(status): {"description": text} for status, text in told.items()}}


@router.get(
    "/review/next",
    response={200: ReviewItem, 204: None},
    auth=Scope(ApiKey.Scope.WRITE),
    summary="The caption to review next; it takes both scopes, `read` and `write`",
    openapi_extra=_described(s204="Nothing waits for you."),
)
def next_to_review(request: HttpRequest, query: Annotated[ReviewQuery, Query()]) -> Status[Any]:
    """Of your own photos, and with permission of others'. It is leased to you: nobody else gets it for ten minutes."""
    require_scope(request, ApiKey.Scope.READ)
    reviewer = require_scope(request, ApiKey.Scope.WRITE)
    caption = review_leases.next_for(reviewer, query.besides)
    return Status(204, None) if caption is None else Status(200, _item(reviewer, caption))


@router.post(
    "/review/undo",
    response=DecisionOut,
    auth=Scope(ApiKey.Scope.WRITE),
    summary="Undo your last decision",
    openapi_extra=_described(
        s404="The photo of your last decision is no longer yours to review.",
        s409="There is nothing to undo, or somebody has changed the caption since.",
    ),
)
def undo_review(request: HttpRequest) -> dict[str, Any]:
    """Restores what was before, and leases you the photo again. May be repeated, back to your first decision."""
    reviewer = require_scope(request, ApiKey.Scope.WRITE)
    return _decision(pipeline.followed_at_once(lambda: review.undo(reviewer)))


@router.post(
    "/review/{int:caption_id}",
    response=DecisionOut,
    auth=Scope(ApiKey.Scope.WRITE),
    summary="Decide a caption",
    openapi_extra=_described(
        s400="The words are empty or too long, or came with another decision than `edit`.",
        s404="There is no such caption, or it is not yours to review.",
        s409="It was decided or changed meanwhile, or another reviewer has it now.",
    ),
)
def decide(request: HttpRequest, caption_id: int, body: DecisionIn) -> dict[str, Any]:
    """Search follows at once: a rejected caption is found by nobody any more, an edited one by its new words."""
    reviewer = require_scope(request, ApiKey.Scope.WRITE)
    if body.text is not None and body.decision != "edit":
        raise InvalidInput("Words go with the decision `edit` only.", field="text")

    def made() -> ReviewDecision:
        return review.decide(reviewer, caption_id, body.decision, shown=body.shown, text=body.text or "")

    return _decision(pipeline.followed_at_once(made))


def _item(reviewer: User, caption: Caption) -> dict[str, Any]:
    progress = review_queue.progress(reviewer)
    asset_id = caption.frame.asset_id
    return {
        "caption_id": caption.pk,
        "asset_id": asset_id,
        "picture": reverse("review-picture", args=[asset_id, _PICTURE_PX]),
        "text": caption.text,
        "alternatives": caption.alternatives,
        "doubts": caption.doubts,
        "confidence": caption.confidence,
        "match_score": caption.match_score,
        "left": progress.left,
        "decided_today": progress.decided_today,
        "per_minute": progress.per_minute,
    }


def _decision(decision: ReviewDecision) -> dict[str, Any]:
    caption = decision.caption
    assert caption  # decided a moment ago, in this very request
    return {
        "id": decision.pk,
        "caption_id": caption.pk,
        "decision": decision.kind,
        "before": decision.before,
        "after": decision.after,
        "state": caption.state,
        "decided_at": decision.decided_at,
    }
