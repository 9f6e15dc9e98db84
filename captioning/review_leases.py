"""Who has which photo before them: a frame is leased to one reviewer at a time, for ten minutes."""

from collections.abc import Collection, Iterator
from datetime import timedelta

from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from captioning.models import Caption, ReviewDecision, ReviewLease
from captioning.review_queue import reviewable, waiting
from core.ids import MAX_ID
from library.frames import kept_from_deletion
from library.media.hashes import bits_apart
from library.models import Asset
from library.selectors import NEAR_DUPLICATE_MAX_BITS, asset_for

LEASE = timedelta(minutes=10)
#: Among so many of the first in the queue, those unlike what was just decided go first.
_WINDOW = 200
_LATELY = 50


@transaction.atomic
def next_for(reviewer: User, besides: Collection[int] = ()) -> Caption | None:
    """The caption that this reviewer should decide next, leased to them; None where nothing waits.

    besides: ids of captions that they have before them already. What they hold a lease of comes first, so that a
    page that is loaded again shows the same photo.
    """
    for caption in _candidates(reviewer, besides):
        if not take(caption.frame_id, reviewer):
            continue
        # Looked at again, now that it is ours: it may have been decided since the list was read.
        if found := waiting(reviewer).filter(pk=caption.pk).first():
            return found
        release(reviewer, caption.frame_id)
    return None


@transaction.atomic
def take(frame_id: int, reviewer: User) -> bool:
    """Lease a frame, or lengthen the lease; False where another reviewer holds it, or it was deleted.

    One conditional update and one insert under a unique constraint: of two reviewers at once the database lets one
    through, whichever database it is.
    """
    now = timezone.now()
    free = Q(reviewer=reviewer) | Q(leased_until__lte=now)
    lease = ReviewLease(frame_id=frame_id, reviewer=reviewer, leased_until=now + LEASE)
    if ReviewLease.objects.filter(free, frame_id=frame_id).update(
        reviewer=reviewer, leased_until=lease.leased_until
    ):
        return True
    if not kept_from_deletion(frame_id):
        return False
    ReviewLease.objects.bulk_create([lease], ignore_conflicts=True)
    return ReviewLease.objects.filter(frame_id=frame_id, reviewer=reviewer).exists()


def renew(reviewer: User, caption_ids: Collection[int]) -> None:
    """Lengthen the leases of photos that this reviewer still has before them."""
    held = ReviewLease.objects.filter(reviewer=reviewer, frame__captions__in=list(caption_ids))
    ReviewLease.objects.filter(pk__in=list(held.values_list("pk", flat=True))).update(
        leased_until=timezone.now() + LEASE
    )


def release(reviewer: User, frame_id: int | None = None) -> None:
    """Let others have a frame, or all that this reviewer holds."""
    leases = ReviewLease.objects.filter(reviewer=reviewer)
    (leases if frame_id is None else leases.filter(frame_id=frame_id)).delete()


def asset_before(reviewer: User | AnonymousUser, asset_id: int) -> Asset:
    """An asset that they may see anyway, or whose caption they may decide and have before them now; else NotFound."""
    held = ReviewLease.objects.filter(reviewer_id=reviewer.pk, leased_until__gt=timezone.now())
    shown = reviewable(reviewer).filter(frame__asset_id=asset_id, frame__in=held.values("frame"))
    caption = shown.first() if 0 < asset_id <= MAX_ID else None
    return asset_for(reviewer, asset_id) if caption is None else caption.frame.asset


def held_by_another(reviewer: User, frame_id: int) -> bool:
    leases = ReviewLease.objects.filter(frame_id=frame_id, leased_until__gt=timezone.now())
    return leases.exclude(reviewer=reviewer).exists()


def _candidates(reviewer: User, besides: Collection[int]) -> Iterator[Caption]:
    """Own leases first, the oldest at the front; then the queue without what others hold, look-alikes last."""
    now = timezone.now()
    queue = waiting(reviewer).exclude(pk__in=list(besides))
    leased = ReviewLease.objects.filter(leased_until__gt=now)
    own = leased.filter(reviewer=reviewer).values("frame")
    yield from queue.filter(frame__in=own).order_by("frame__review_lease__leased_until")
    first = list(queue.exclude(frame__in=leased.values("frame"))[:_WINDOW])
    known = _hashes_lately()
    # Sorting is stable: within both halves the order of the queue stays.
    yield from sorted(first, key=lambda caption: _is_like(caption.frame.asset.perceptual_hash, known))


def _hashes_lately() -> set[str]:
    """Perceptual hashes of the photos that anybody decided last or has before them: their like teaches little now."""
    frame_hash = "frame__asset__perceptual_hash"
    taught = ReviewDecision.objects.filter(undone_by=None).exclude(
        kind__in=[ReviewDecision.Kind.SKIP, ReviewDecision.Kind.UNDO]
    )
    leased = ReviewLease.objects.filter(leased_until__gt=timezone.now())
    return {
        *taught.order_by("-pk").values_list(frame_hash, flat=True)[:_LATELY],
        *leased.values_list(frame_hash, flat=True),
    }


def _is_like(perceptual_hash: str, known: Collection[str]) -> bool:
    return any(bits_apart(perceptual_hash, other) <= NEAR_DUPLICATE_MAX_BITS for other in known)
