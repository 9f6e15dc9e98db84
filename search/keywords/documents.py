"""The words of each asset, gathered from all who wrote some."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from captioning.models import AutoTag, Caption
from captioning.picture_text import texts_of
from captioning.selectors import auto_tags_of, sentences_of
from library.models import Asset, Frame
from search.keywords.words import normalised
from search.models import KeywordDocument

_WRITTEN = ["names", "captions", "auto_tags", "description", "asset_updated_at", "captions_updated_at"]
_BATCH_SIZE = 500


def refresh(asset_ids: Iterable[int]) -> int:
    """Writes the documents of these assets afresh; returns how many. Safe to repeat; deleted assets are left out.

    File names are no words of a picture: "IMG_2041" and "cat_final_2" find nothing that was meant.
    """
    ids = sorted(set(asset_ids))
    written = 0
    for start in range(0, len(ids), _BATCH_SIZE):
        with transaction.atomic():
            documents = _documents(ids[start : start + _BATCH_SIZE])
            KeywordDocument.objects.bulk_create(
                documents, update_conflicts=True, unique_fields=["asset"], update_fields=_WRITTEN
            )
        written += len(documents)
    return written


def stale_asset_ids() -> QuerySet[KeywordDocument, int]:
    """Assets whose title, description, tags or caption changed after their document was written.

    The time of the asset itself is kept and compared for equality: a transaction that began before the document
    was written and committed after it would slip past a comparison with the time of writing.
    """
    newer = Caption.objects.filter(
        frame__asset_id=OuterRef("asset_id"), updated_at__gt=OuterRef("captions_updated_at")
    )
    first = Caption.objects.filter(frame__asset_id=OuterRef("asset_id"))
    changed = Q(asset_updated_at=None) | ~Q(asset_updated_at=F("asset__updated_at"))
    spoken = Exists(newer) | (Q(captions_updated_at=None) & Exists(first))
    return KeywordDocument.objects.filter(changed | spoken).values_list("asset_id", flat=True)


def _documents(asset_ids: Sequence[int]) -> list[KeywordDocument]:
    # Locked, so that none is deleted between being read and being named by a foreign key.
    assets = list(
        Asset.objects.select_for_update(no_key=True)
        .filter(pk__in=asset_ids)
        .order_by("pk")
        .prefetch_related("tags")
    )
    frames: dict[int, list[int]] = {asset.pk: [] for asset in assets}
    for frame_id, asset_id in Frame.objects.filter(asset_id__in=frames).values_list("pk", "asset_id"):
        frames[asset_id].append(frame_id)
    frame_ids = [frame_id for ids in frames.values() for frame_id in ids]
    sentences, auto_tags, spoken = sentences_of(frame_ids), auto_tags_of(frame_ids), _last_captions(frame_ids)
    texts = texts_of(frame_ids)
    return [
        _document(
            asset,
            [sentences[frame_id].text for frame_id in frames[asset.pk] if frame_id in sentences],
            [tag for frame_id in frames[asset.pk] for tag in auto_tags.get(frame_id, ())],
            [texts[frame_id] for frame_id in frames[asset.pk] if frame_id in texts],
            max((spoken[frame_id] for frame_id in frames[asset.pk] if frame_id in spoken), default=None),
        )
        for asset in assets
    ]


def _document(
    asset: Asset,
    captions: Sequence[str],
    auto_tags: Sequence[AutoTag],
    texts: Sequence[str],
    captions_updated_at: datetime | None,
) -> KeywordDocument:
    return KeywordDocument(
        asset=asset,
        names=normalised([asset.title, *(tag.name for tag in asset.tags.all())]),
        captions=normalised(captions),
        auto_tags=normalised(text for tag in auto_tags for text in (tag.name, tag.synonyms)),
        description=normalised([asset.description, *texts]),
        asset_updated_at=asset.updated_at,
        captions_updated_at=captions_updated_at,
    )


def _last_captions(frame_ids: Sequence[int]) -> dict[int, datetime]:
    """When the newest caption of each frame was written, whoever wrote it and whether or not it stands."""
    times: dict[int, datetime] = {}
    for frame_id, at in Caption.objects.filter(frame_id__in=frame_ids).values_list("frame_id", "updated_at"):
        times[frame_id] = max(at, times.get(frame_id, at))
    return times
