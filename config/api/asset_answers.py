"""An asset as the API shows it: the library's rows, with captions, tags and stages from the rooms above it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import prefetch_related_objects
from ninja import Field, Schema

from captioning.models import AutoTag
from captioning.picture_text import texts_of
from captioning.selectors import Sentence, auto_tags_of, behind, sentences_of
from library.models import Asset
from library.selectors import (
    LIST_THUMBNAIL_PX,
    is_hidden,
    is_owner,
    is_taken_for_unsafe,
    original_url,
    thumbnail_url,
    thumbnail_urls,
)
from workers.selectors import stages_of

Viewer = User | AnonymousUser


class AutoTagOut(Schema):
    """A class that the vision model saw."""

    name: str
    confidence: float


class CaptionOut(Schema):
    """Who wrote the sentence: human, imported or model; the model's id and how sure it was; what was decided of it."""

    text: str
    source: str
    model_id: str
    confidence: float | None
    match_score: float | None
    state: str = Field(
        description="draft, auto_accepted, to_review, accepted or edited; rejected ones are not shown"
    )


class LocationOut(Schema):
    latitude: float
    longitude: float


class AssetBrief(Schema):
    """An asset in a list. `caption` is null until a model or a person has written one."""

    id: int
    caption: str | None
    title: str
    visibility: str
    mine: bool
    width_px: int
    height_px: int
    blurhash: str
    thumbnail: str
    tags: list[str]
    created_at: datetime
    taken_at: datetime | None


class AssetOut(AssetBrief):
    """An asset with all that is known of it."""

    description: str
    kind: str
    mime_type: str
    size_bytes: int
    camera: str
    thumbnails: dict[str, str] = Field(description="Addresses by width in pixels")
    original: str = Field(description="The untouched file for its owner, for others a copy without metadata")
    caption_details: CaptionOut | None
    auto_tags: list[AutoTagOut] = Field(description="Machine-made, the surest first")
    unsafe_score: float | None = Field(
        description="How likely it is pornographic, from 0 to 1, as a model has it; null: not scored"
    )
    unsafe: bool = Field(description="What it is taken for: a person's word, else whether the score is high")
    hidden: bool = Field(description="Whether lists and searches of others leave it out for that")
    picture_text: str = Field(description="What is written in the picture, line by line, as a model read it")
    stages: dict[str, str] = Field(description="done, waiting, running, retry, failed or parked")
    updated_at: datetime
    original_name: str | None = Field(description="For the owner only")
    location: LocationOut | None = Field(description="For the owner only")


def briefs(viewer: Viewer, assets: Sequence[Asset]) -> list[dict[str, Any]]:
    """In order, in a few queries however many there are."""
    prefetch_related_objects(list(assets), "tags", "frames")
    sentences = sentences_of(_frame_ids(assets))
    return [_brief(viewer, asset, _first(asset, sentences)) for asset in assets]


def full(viewer: Viewer, asset: Asset) -> dict[str, Any]:
    prefetch_related_objects([asset], "tags", "frames")
    frame_ids = _frame_ids([asset])
    sentence = _first(asset, sentences_of(frame_ids))
    owner = is_owner(viewer, asset)
    return {
        **_brief(viewer, asset, sentence),
        "description": asset.description,
        "kind": asset.kind,
        "mime_type": asset.mime_type,
        "size_bytes": asset.size_bytes,
        "camera": asset.camera,
        "thumbnails": {str(width_px): url for width_px, url in thumbnail_urls(asset).items()},
        "original": original_url(asset),
        "caption_details": behind(sentence),
        "auto_tags": _unique(tag for tags in auto_tags_of(frame_ids).values() for tag in tags),
        "picture_text": "\n".join(texts_of(frame_ids).values()),
        "unsafe_score": asset.unsafe_score,
        "unsafe": is_taken_for_unsafe(asset),
        "hidden": is_hidden(asset),
        "stages": stages_of(asset),
        "updated_at": asset.updated_at,
        "original_name": asset.original_name if owner else None,
        "location": _location(asset) if owner else None,
    }


def _brief(viewer: Viewer, asset: Asset, sentence: Sentence | None) -> dict[str, Any]:
    return {
        "id": asset.pk,
        "caption": sentence.text if sentence else None,
        "title": asset.title,
        "visibility": asset.visibility,
        "mine": is_owner(viewer, asset),
        "width_px": asset.width_px,
        "height_px": asset.height_px,
        "blurhash": asset.blurhash,
        "thumbnail": thumbnail_url(asset, LIST_THUMBNAIL_PX),
        "tags": [tag.name for tag in asset.tags.all()],
        "created_at": asset.created_at,
        "taken_at": asset.taken_at,
    }


def _frame_ids(assets: Iterable[Asset]) -> list[int]:
    return [frame.pk for asset in assets for frame in asset.frames.all()]


def _first(asset: Asset, sentences: Mapping[int, Sentence]) -> Sentence | None:
    """The sentence of the first frame that has one."""
    return next((sentences[frame.pk] for frame in asset.frames.all() if frame.pk in sentences), None)


def _unique(tags: Iterable[AutoTag]) -> list[AutoTag]:
    surest: dict[str, AutoTag] = {}
    for tag in sorted(tags, key=lambda tag: -tag.confidence):
        surest.setdefault(tag.name, tag)
    return list(surest.values())


def _location(asset: Asset) -> dict[str, float] | None:
    if asset.latitude is None or asset.longitude is None:
        return None
    return {"latitude": asset.latitude, "longitude": asset.longitude}
