"""Stills of assets: what everything after storage works on."""

from collections.abc import Iterator

from django.db.models import QuerySet

from library.models import Asset, Frame

_READ_AT_ONCE = 500


def make_frames(asset: Asset) -> list[Frame]:
    """An image has exactly one frame, number 0. Safe to run again, and by two at once."""
    frame, _ = Frame.objects.get_or_create(asset=asset, number=0)
    return [frame]


def kept_from_deletion(frame_id: int) -> bool:
    """Whether it is still there, and then it stays until the caller's transaction ends."""
    return Frame.objects.select_for_update(no_key=True).filter(pk=frame_id).first() is not None


def one_by_one(frames: QuerySet[Frame]) -> Iterator[Frame]:
    """All that were there to begin with, with their assets; who writes between two of them is in nobody's way.

    A cursor over them would be: SQLite lets nobody write from a connection that still reads what another has changed.
    """
    ids = list(frames.values_list("pk", flat=True))
    for start in range(0, len(ids), _READ_AT_ONCE):
        yield from (
            frames.model.objects.select_related("asset")
            .filter(pk__in=ids[start : start + _READ_AT_ONCE])
            .order_by("pk")
        )
