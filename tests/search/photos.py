"""Photos for tests of searching: rows as the stages before would have written them, without any file."""

import hashlib
from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
from django.contrib.auth.models import User

from captioning.models import AutoTag, Caption
from library.models import Asset, AssetTag, Frame
from library.selectors import Viewer
from search import embeddings
from search.active import active_model_id
from search.encoding import embedder
from search.services import index, index_frames, search_text

_serial = count(1)


def _as_stored(serial: int) -> dict[str, Any]:
    """What storing says of a file. perceptual_hash: 64 bits in hex, far from those of every other photo."""
    return {
        "sha256": f"{serial:064x}",
        "mime_type": "image/jpeg",
        "original_key": f"originals/{serial}.jpg",
        "size_bytes": 1,
        "width_px": 400,
        "height_px": 300,
        "perceptual_hash": hashlib.blake2b(str(serial).encode(), digest_size=8).hexdigest(),
    }


def person(name: str) -> User:
    return User.objects.create_user(name)


def stored(owner: User, *, tags: Sequence[str] = (), visibility: str = "public", **fields: Any) -> Asset:
    """An asset with its frame, not yet described."""
    serial = next(_serial)
    asset = Asset.objects.create(owner=owner, visibility=visibility, **{**_as_stored(serial), **fields})
    AssetTag.objects.bulk_create(AssetTag(asset=asset, name=name) for name in tags)
    Frame.objects.create(asset=asset)
    return asset


def describe(
    asset: Asset, *, caption: str, looks: str | None = None, auto_tags: Sequence[tuple[str, str]] = ()
) -> None:
    """Caption, tags and vectors, not yet indexed. `looks` names the colour that the image vector sees."""
    frame = asset.frames.get()
    Caption.objects.update_or_create(
        frame=frame, source=Caption.Source.MODEL, model_id="fake-captioner", defaults={"text": caption}
    )
    for name, synonyms in auto_tags:
        AutoTag.objects.create(
            frame=frame, model_id="fake-backbone", name=name, synonyms=synonyms, confidence=0.9
        )
    for space, text in (("image", looks or caption), ("caption", caption)):
        embeddings.record(space, active_model_id(space), [frame.pk], embedder(space).embed_queries([text]))


def many(owner: User, count: int, caption: str, *, visibility: str = "public") -> list[Asset]:
    """So many photos of one kind, indexed, in a few queries."""
    first = next(_serial) + 1_000_000
    assets = Asset.objects.bulk_create(
        Asset(owner=owner, visibility=visibility, **_as_stored(first + at)) for at in range(count)
    )
    for _ in range(count):
        next(_serial)
    frames = Frame.objects.bulk_create(Frame(asset=asset) for asset in assets)
    ids = [frame.pk for frame in frames]
    Caption.objects.bulk_create(
        Caption(frame=frame, source=Caption.Source.MODEL, model_id="fake-captioner", text=caption)
        for frame in frames
    )
    for space in ("image", "caption"):
        vectors = np.repeat(embedder(space).embed_queries([caption]), count, axis=0)
        embeddings.record(space, active_model_id(space), ids, vectors)
    index_frames(ids)
    return assets


def photo(
    owner: User,
    caption: str = "a red picture",
    *,
    looks: str | None = None,
    auto_tags: Sequence[tuple[str, str]] = (),
    **fields: Any,
) -> Asset:
    """A photo that has gone through every stage."""
    asset = stored(owner, **fields)
    describe(asset, caption=caption, looks=looks, auto_tags=auto_tags)
    index_frames([asset.frames.get().pk])
    return asset


def found(viewer: Viewer, query: str, **asked: Any) -> list[int]:
    """The photos of the first page, best first."""
    return [match.asset_id for match in search_text(viewer, query, **asked).matches]


def on_all_pages(viewer: Viewer, query: str, *, limit: int) -> list[int]:
    """What a query finds, page after page."""
    seen: list[int] = []
    cursor = None
    while True:
        page = search_text(viewer, query, limit=limit, cursor=cursor)
        seen += [match.asset_id for match in page.matches]
        if (cursor := page.next) is None:
            return seen


def described(space: str) -> str:
    """The index of a space in one line."""
    about = index(space).describe()
    return f"{about.engine}, {about.sealed_count} sealed and {about.tail_count} newer"
