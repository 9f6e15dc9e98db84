"""Items of a site over HTTP: stored one by one or many at once, read, listed and deleted."""

import json
from datetime import datetime
from typing import IO, Any, Literal, cast

from django.http import HttpRequest, StreamingHttpResponse
from ninja import Field, Query, Router, Schema, Status

from captioning.alt_text import alt_text
from core import cursors
from core.errors import InvalidInput, ModelUnavailable
from core.requests import refuse_unknown
from recommender import items
from recommender.api import doors
from recommender.api.bulk_reports import Report, as_lines, as_object
from recommender.bulk import put_lines, received
from recommender.item_cards import captions_of_items
from recommender.item_content import FIELDS, checked_content, checked_external_id
from recommender.item_vectors import embed_items
from recommender.models import Item
from recommender.pictures import picture_url
from recommender.site_access import SiteAccess
from recommender.site_selectors import item_of, item_page
from workers import pipeline

router = Router(tags=["Items"], auth=SiteAccess())
_MULTIPART = "multipart/form-data"
_NDJSON = "application/x-ndjson"

_CONTENT = {
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in FIELDS},
        "tags": {"type": "array", "items": {"type": "string"}},
        "published_at": {"type": "string", "format": "date-time"},
        "expires_at": {"type": "string", "format": "date-time"},
        "attributes": {"type": "object", "description": "Names to texts, numbers, truths, or lists of these"},
    },
}
_WITH_PICTURE = {
    "type": "object",
    "properties": {"item": _CONTENT, "picture": {"type": "string", "format": "binary"}},
}
_PUT_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _CONTENT}, _MULTIPART: {"schema": _WITH_PICTURE}},
    }
}
_BULK_BODY = {"requestBody": {"required": True, "content": {_NDJSON: {"schema": {"type": "string"}}}}}


class ItemPicture(Schema):
    """state: none, waiting (to be fetched), ready, or refused with the reason in `error`."""

    state: str
    error: str = ""
    asset: int | None = None
    thumbnail: str = ""
    width: int | None = None
    height: int | None = None
    blurhash: str = ""
    caption: str = Field("", description="Empty until it has been described")
    alt_text: str = ""


class ItemOut(Schema):
    external_id: str
    title: str
    text: str
    url: str
    language: str
    tags: list[str]
    image_url: str
    published_at: datetime | None
    expires_at: datetime | None
    attributes: dict[str, Any]
    picture: ItemPicture
    created_at: datetime
    updated_at: datetime


class StoredItem(ItemOut):
    status: Literal["created", "changed", "unchanged"]
    note: str = Field("", description="What to know of its dates")


class ItemList(Schema):
    results: list[ItemOut]
    next: str | None = Field(description="Cursor of the next page; null on the last one")


class ItemQuery(Schema):
    limit: int = Field(20, ge=1, le=100)
    cursor: str | None = None
    picture: Literal["none", "waiting", "ready", "refused"] | None = None


class LineOut(Schema):
    line: int
    external_id: str
    status: Literal["created", "changed", "unchanged", "refused"]
    field: str = ""
    error: str = ""
    note: str = ""


class BulkReport(Schema):
    stored: int
    refused: int
    lines: list[LineOut]


@router.get("/sites/{site}/items", response=ItemList, summary="A site's items, newest first")
def list_items(request: HttpRequest, site: str, asked: Query[ItemQuery]) -> dict[str, Any]:
    refuse_unknown(request, ItemQuery)
    caller = doors.writer(request, site)
    list_name = f"items.{caller.site.pk}"
    found, next_id = item_page(
        caller.site,
        before_id=cursors.read(list_name, asked.cursor),
        limit=asked.limit,
        picture=asked.picture,
    )
    return {"results": _outs(found), "next": cursors.written(list_name, next_id)}


@router.post(
    "/sites/{site}/items",
    response=BulkReport,
    summary="Store many items: NDJSON, a report for each line",
    openapi_extra=_BULK_BODY,
)
def put_many(request: HttpRequest, site: str) -> StreamingHttpResponse:
    """Each line is an object with `external_id` and the fields of an item. Good lines are kept, whatever the others.

    The body may come in chunks. The report is written while lines are stored, each on a line of its own; with
    `Accept: application/x-ndjson` as nothing but these lines, and the totals on the last one.
    """
    caller = doors.writer(request, site)
    lines = put_lines(caller.site, received(*_body(request)))
    if _NDJSON in request.headers.get("Accept", ""):
        return StreamingHttpResponse(Report(lines, as_lines), content_type=_NDJSON)
    return StreamingHttpResponse(Report(lines, as_object), content_type="application/json")


@router.put(
    "/sites/{site}/items/{external_id}",
    response={200: StoredItem, 201: StoredItem},
    summary="Store one item as it is now",
    openapi_extra=_PUT_BODY,
)
def put_item(request: HttpRequest, site: str, external_id: str) -> Status[dict[str, Any]]:
    """JSON; or a form with the JSON as `item` and a file as `picture`. What is left out is empty.

    The same content again changes nothing. A picture that can't be had is told in the answer, now or later, and the
    item is kept without it.
    """
    caller = doors.writer(request, site)
    given, picture = _read(request)
    content = checked_content(given)
    stored = items.put_item(caller.site, checked_external_id(external_id), content, picture)
    if stored.outcome != items.UNCHANGED:
        _find_at_once(stored.item)
    pipeline.wake_items()
    if stored.item.asset is not None:
        pipeline.added([stored.item.asset])
    (out,) = _outs([stored.item])
    status = 201 if stored.outcome == items.CREATED else 200
    return Status(status, {**out, "status": stored.outcome, "note": content.note()})


@router.get("/sites/{site}/items/{external_id}", response=ItemOut, summary="One item")
def get_item(request: HttpRequest, site: str, external_id: str) -> dict[str, Any]:
    """With what became of its picture, and its caption."""
    caller = doors.writer(request, site)
    (out,) = _outs([item_of(caller.site, external_id)])
    return out


@router.delete("/sites/{site}/items/{external_id}", response={204: None}, summary="Delete an item")
def delete_item(request: HttpRequest, site: str, external_id: str) -> Status[None]:
    """With its picture, unless another item or the owner's gallery has it."""
    items.delete_item(doors.writer(request, site).site, external_id)
    return Status(204, None)


def _body(request: HttpRequest) -> tuple[IO[bytes], int | None]:
    """A body and its size in bytes; None of one in chunks, where the server passes these on.

    Django reads no further than Content-Length says, and so nothing of a body in chunks: that is the server's to end.
    """
    announced = request.headers.get("Content-Length", "")
    if announced.isdecimal():
        return cast(IO[bytes], request), int(announced)
    environ = getattr(request, "environ", {"wsgi.input_terminated": True, "wsgi.input": request})
    if "Transfer-Encoding" in request.headers and environ.get("wsgi.input_terminated"):
        return environ["wsgi.input"], None
    return cast(IO[bytes], request), 0


def _read(request: HttpRequest) -> tuple[dict[str, Any], IO[bytes] | None]:
    """The fields of an item, and the file that came with them."""
    if request.content_type != _MULTIPART:
        return _object(request.body), None
    form, files = request.parse_file_upload(request.META, request)
    picture = files.get("picture")
    return _object(str(form.get("item", "{}")).encode()), cast("IO[bytes] | None", picture and picture.file)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        given = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The item is not JSON: {error}.", field="item") from error
    if not isinstance(given, dict):
        raise InvalidInput("The item is not a JSON object.", field="item")
    return given


def _find_at_once(item: Item) -> None:
    """One item costs a moment, and its site wants to see it; where the model is away, a worker does it later."""
    try:
        embed_items([item.pk])
    except ModelUnavailable:
        return


def _outs(found: list[Item]) -> list[dict[str, Any]]:
    captions = captions_of_items(found)
    return [{**_fields(item), "picture": _picture(item, captions.get(item.pk, ""))} for item in found]


def _fields(item: Item) -> dict[str, Any]:
    names = ("external_id", *FIELDS, "created_at", "updated_at")
    return {name: getattr(item, name) for name in names}


def _picture(item: Item, caption: str) -> dict[str, Any]:
    asset = item.asset
    if asset is None:
        lost = item.picture_state == Item.Picture.READY
        return {"state": Item.Picture.NONE if lost else item.picture_state, "error": item.picture_error}
    return {
        "state": item.picture_state,
        "error": item.picture_error,
        "asset": asset.pk,
        "thumbnail": picture_url(asset),
        "width": asset.width_px,
        "height": asset.height_px,
        "blurhash": asset.blurhash,
        "caption": caption,
        "alt_text": alt_text(caption),
    }
