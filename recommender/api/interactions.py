"""What visitors did, and what is known of one of them."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Body, Field, Router, Schema, Status

from core.errors import NotAllowed
from recommender import interactions
from recommender.api import doors
from recommender.interactions import BATCH_MAX, VISITOR_MAX_CHARS
from recommender.models import Interaction
from recommender.site_access import SiteAccess, SiteCaller, site_key_caller_of

router = Router(tags=["Interactions"], auth=SiteAccess())

_EXAMPLE: dict[str, Any] = {
    "visitor": "v-8f3a61",
    "kind": "click",
    "item": "article-17",
    "recommendation": "WzEsInJlbGF0ZWQi...",
    "at": "2026-11-25T10:15:00Z",
    "key": "5b0c",
}
_LINE = {
    "type": "object",
    "required": ["visitor", "kind"],
    "properties": {
        "visitor": {
            "type": "string",
            "maxLength": VISITOR_MAX_CHARS,
            "description": "A random id that your site gave the visitor; never an address of the network",
        },
        "kind": {"enum": list(Interaction.Kind.values)},
        "item": {"type": "string", "description": "external_id of an item; or else"},
        "asset": {"type": "integer", "description": "id of a photo"},
        "recommendation": {"type": "string", "description": "The id of the answer that it came from"},
        "at": {"type": "string", "format": "date-time", "description": "When it happened; now if absent"},
        "key": {"type": "string", "description": "The same again is the same interaction"},
        "seconds": {"type": "number", "description": "How long, for dwell alone"},
    },
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [
                        _LINE,
                        {
                            "type": "object",
                            "required": ["interactions"],
                            "properties": {
                                "interactions": {"type": "array", "maxItems": BATCH_MAX, "items": _LINE}
                            },
                        },
                    ]
                },
                "examples": {"single": {"value": _EXAMPLE}, "batch": {"value": {"interactions": [_EXAMPLE]}}},
            }
        },
    }
}


class RefusedLine(Schema):
    """A line that was not taken, from 0 as it stood in the batch."""

    line: int
    field: str
    reason: str


class Received(Schema):
    """What became of the lines. All that is accepted is in the database."""

    accepted: int = Field(description="Kept now")
    repeated: int = Field(description="Known before, or twice in the batch")
    refused: list[RefusedLine]


class Forgotten(Schema):
    interactions: int = Field(description="So many were known of the visitor")


#: So many visitors at least it takes to use up what all of a key's may tell in a minute.
_VISITORS_SHARE = 10


@router.post("/interactions", response={202: Received}, summary="Tell what visitors did", openapi_extra=_BODY)
def receive(request: HttpRequest, told: Body[Any]) -> Status[Any]:
    """One interaction, or up to 1,000 as `interactions`, with either key of the site; in any order, as often as you
    like. Of a batch, lines that are wrong are named and the others kept.
    """
    caller = _site_of(request)
    batch = isinstance(told, dict) and "interactions" in told
    lines = told["interactions"] if batch else [told]
    if not isinstance(lines, list):
        lines = []
    if caller.key is not None:
        many, limit = max(1, len(lines)), settings.INTERACTIONS_PER_MINUTE
        if caller.is_page:
            visitor = doors.visitor_of(request)
            doors.spend(caller.key, many, max(1, limit // _VISITORS_SHARE), purse=f"interactions:{visitor}")
        doors.spend(caller.key, many, limit, purse="interactions")
    received = interactions.receive(caller.site, lines)
    return Status(
        202,
        {
            "accepted": received.accepted,
            "repeated": received.repeated,
            "refused": [refused._asdict() for refused in received.refused],
        },
    )


@router.delete("/visitors/{visitor}", response=Forgotten, summary="Forget a visitor")
def forget(request: HttpRequest, visitor: str) -> dict[str, int]:
    """Everything that your site told of this visitor goes at once, with the site's secret key."""
    caller = _site_of(request)
    if caller.is_page:
        raise NotAllowed(
            "A publishable key can't forget a visitor; use the site's secret key, from its server."
        )
    return {"interactions": interactions.forget(caller.site, visitor)}


def _site_of(request: HttpRequest) -> SiteCaller:
    caller = site_key_caller_of(request)
    if caller is None:
        raise NotAllowed("Only a site does this: send one of its keys.")
    return caller
