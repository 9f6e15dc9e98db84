"""Saying over HTTP that a photo is safe or unsafe."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Field, Router, Schema

from core.errors import NotAllowed
from library import safety
from library.access import Scope, require_scope, viewer_of
from library.models import ApiKey, Asset, SafetyStatement
from library.safety_selectors import may_read, may_say, statements_of
from library.selectors import Viewer, asset_for, is_hidden, is_taken_for_unsafe

router = Router(tags=["Safety"])
_READ, _WRITE = Scope(ApiKey.Scope.READ), Scope(ApiKey.Scope.WRITE)
_PATH = "/assets/{int:asset_id}/safety"


class Saying(Schema, extra="forbid"):
    """What you say of a photo."""

    say: Literal["safe", "unsafe", "ask"] = Field(
        description="`safe` is for moderators, `unsafe` for owners, too, `ask` (for another look) for owners"
    )
    note: str = Field("", description=f"Why; at most {safety.NOTE_MAX_CHARS} characters")

    model_config = {"json_schema_extra": {"examples": [{"say": "safe", "note": "a marble statue"}]}}


class StatementOut(Schema):
    """Something that was said. Users are told by name; null where the account is gone."""

    say: str
    note: str
    said_by: str | None
    said_at: datetime
    taken_back_by: str | None
    taken_back_at: datetime | None


class SafetyOut(Schema):
    """What a photo is taken for, and all that was said of it."""

    unsafe: bool
    hidden: bool = Field(description="Whether lists and searches of others leave it out")
    judged: bool = Field(description="Whether that is a person's word, and not a model's score")
    unsafe_score: float | None
    statements: list[StatementOut] = Field(description="The newest first")
    may_say: list[str] = Field(description="What there is for you to say")


@router.get(_PATH, response=SafetyOut, auth=_READ, summary="What a photo is taken for, and who said so")
def get_safety(request: HttpRequest, asset_id: int) -> dict[str, Any]:
    """For its owner, and for moderators (the permission `library.judge_safety`)."""
    viewer = viewer_of(request)
    asset = asset_for(viewer, asset_id)
    if not may_read(viewer, asset):
        raise NotAllowed("Only its owner and moderators are told what was said of this photo.")
    return _told(viewer, asset)


@router.post(_PATH, response=SafetyOut, auth=_WRITE, summary="Say that a photo is safe or unsafe")
def say(request: HttpRequest, asset_id: int, body: Saying) -> dict[str, Any]:
    """It beats the model's score, also that of later models; searches and lists follow at once. 409 for a request that
    there is no need of.
    """
    speaker = require_scope(request, ApiKey.Scope.WRITE)
    return _told(speaker, safety.say(speaker, asset_id, body.say, body.note).asset)


@router.delete(_PATH, response=SafetyOut, auth=_WRITE, summary="Take back what was said last")
def take_back(request: HttpRequest, asset_id: int) -> dict[str, Any]:
    """What was said before holds again, else the model's score. Owners take back their own words only."""
    speaker = require_scope(request, ApiKey.Scope.WRITE)
    return _told(speaker, safety.take_back(speaker, asset_id).asset)


def _told(viewer: Viewer, asset: Asset) -> dict[str, Any]:
    return {
        "unsafe": is_taken_for_unsafe(asset),
        "hidden": is_hidden(asset),
        "judged": asset.judged_unsafe is not None,
        "unsafe_score": asset.unsafe_score,
        "statements": _statements(list(statements_of(asset))),
        "may_say": may_say(viewer, asset),
    }


def _statements(statements: Sequence[SafetyStatement]) -> list[dict[str, Any]]:
    return [
        {
            "say": one.kind,
            "note": one.note,
            "said_by": one.said_by.get_username() if one.said_by else None,
            "said_at": one.said_at,
            "taken_back_by": one.taken_back_by.get_username() if one.taken_back_by else None,
            "taken_back_at": one.taken_back_at,
        }
        for one in statements
    ]
