"""API keys over HTTP."""

from datetime import datetime

from django.http import HttpRequest
from ninja import Field, Router, Schema
from ninja.responses import Status

from library import api_keys
from library.access import Scope, require_session
from library.models import ApiKey

router = Router(tags=["API keys"], auth=Scope(ApiKey.Scope.READ))


class KeyIn(Schema, extra="forbid"):
    name: str = Field(description="What will use the key, so that you know it again")
    scopes: list[str] = Field(description="Some of read, write, admin (staff only)")


class KeyOut(Schema):
    id: int
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None


class KeyMade(KeyOut):
    key: str = Field(description="Send it as `Authorization: Bearer <key>`. It is shown this once only.")


class KeyList(Schema):
    results: list[KeyOut]


@router.get("/api-keys", response=KeyList, summary="Your keys that work")
def list_keys(request: HttpRequest) -> dict[str, object]:
    return {"results": list(api_keys.live_keys(require_session(request)))}


@router.post("/api-keys", response={201: KeyMade}, summary="Make a key; only a signed-in person may")
def create_key(request: HttpRequest, body: KeyIn) -> Status[dict[str, object]]:
    made = api_keys.create_key(require_session(request), name=body.name, scopes=body.scopes)
    return Status(201, {**KeyOut.from_orm(made.key).dict(), "key": made.token})


@router.delete("/api-keys/{int:key_id}", response={204: None}, summary="Revoke a key at once")
def revoke_key(request: HttpRequest, key_id: int) -> Status[None]:
    api_keys.revoke_key(require_session(request), key_id)
    return Status(204, None)
