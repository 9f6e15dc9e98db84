"""Which captions wait for a person, who may decide them, and how far a reviewer is."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from captioning.models import Caption, ReviewDecision
from captioning.selectors import spoken_over, standing_of_models
from library.models import Asset, Frame

Reviewer = User | AnonymousUser
Kind = ReviewDecision.Kind

#: What the screen may hold against a caption, in words for reviewers.
DOUBTS = {
    "confidence": "the model was unsure",
    "match": "caption and picture do not match well",
    "repetition": "it repeats itself",
    "length": "it is unusually short or long",
    "words": "it uses words that may offend",
}
#: Nobody plans by the exact length of a longer queue, and counting it would keep every decision waiting.
COUNTED = 1000
#: Of so many decisions the pace is told; a pause longer than a lease begins anew.
_PACE_OF = 10
_PAUSE = timedelta(minutes=10)


@dataclass(frozen=True)
class Progress:
    """How far a reviewer is.

    left: captions that wait for them, at most COUNTED. per_minute: over their last ten decisions without a long
    pause; None for fewer than two.
    """

    left: int
    decided_today: int
    per_minute: float | None

    @property
    def left_at_least(self) -> bool:
        return self.left >= COUNTED


def reviewable(reviewer: Reviewer) -> QuerySet[Caption]:
    """Captions of models that this person may decide of: of their own photos, and by permission of others'.

    None for who is not signed in. What is not in here does not exist for them.
    """
    captions = Caption.objects.filter(_allowed(reviewer), source=Caption.Source.MODEL)
    return captions.select_related("frame__asset")


def waiting(reviewer: Reviewer) -> QuerySet[Caption]:
    """What waits for this reviewer, the most instructive first: standing sentences that the screen doubts.

    Without photos that a person spoke of, and without what this reviewer has skipped since it was written.
    """
    skipped = ReviewDecision.objects.filter(
        caption=OuterRef("pk"),
        reviewer_id=reviewer.pk,
        kind=Kind.SKIP,
        undone_by=None,
        decided_at__gte=OuterRef("updated_at"),
    )
    doubted = standing_of_models().filter(_allowed(reviewer), state=Caption.State.TO_REVIEW)
    left = doubted.filter(~spoken_over("frame"), ~Exists(skipped))
    return left.select_related("frame__asset").order_by("-review_priority", "pk")


def stands(caption: Caption) -> bool:
    """Whether a model's caption is what stands for its frame: no person spoke of it, and no other model before it."""
    return standing_of_models().filter(~spoken_over("frame"), pk=caption.pk).exists()


def count_waiting(reviewer: Reviewer, at_most: int = COUNTED) -> int:
    """How many captions wait for this reviewer, counted no further than `at_most`."""
    return waiting(reviewer).order_by()[:at_most].count()


def last_decision(reviewer: Reviewer) -> ReviewDecision | None:
    """The reviewer's newest decision that is not undone, of captions that are not gone since."""
    decisions = ReviewDecision.objects.filter(reviewer_id=reviewer.pk, undone_by=None, caption__isnull=False)
    return decisions.exclude(kind=Kind.UNDO).order_by("-pk").first()


def progress(reviewer: Reviewer) -> Progress:
    """Counts and pace for the reviewer's page."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    decided = ReviewDecision.objects.filter(reviewer_id=reviewer.pk, undone_by=None).exclude(
        kind__in=[Kind.SKIP, Kind.UNDO]
    )
    times = list(decided.order_by("-pk").values_list("decided_at", flat=True)[:_PACE_OF])
    return Progress(
        left=count_waiting(reviewer),
        decided_today=decided.filter(decided_at__gte=midnight).count(),
        per_minute=_pace(times),
    )


def _allowed(reviewer: Reviewer) -> Q | Exists:
    """Whose photos: fails closed, since nothing is allowed that is not named here.

    Who may review those of others is asked of each caption by itself: joined, a database would begin with all public
    photos and sort their captions, instead of reading the queue from its front. One's own are few, and found first.
    """
    if not reviewer.is_authenticated:
        return Q(pk__in=[])
    permitted = [
        visibility
        for permission, visibility in (
            ("captioning.review_caption", Asset.Visibility.PUBLIC),
            ("captioning.review_private_caption", Asset.Visibility.PRIVATE),
        )
        if reviewer.has_perm(permission)
    ]
    if not permitted:
        return Q(frame__asset__owner_id=reviewer.pk)
    allowed = Q(asset__owner_id=reviewer.pk) | Q(asset__visibility__in=permitted)
    return Exists(Frame.objects.filter(allowed, pk=OuterRef("frame")))


def _pace(newest_first: list[datetime]) -> float | None:
    """Decisions per minute from the first to the last of one sitting."""
    sitting = newest_first[:1]
    for earlier in newest_first[1:]:
        if sitting[-1] - earlier > _PAUSE:
            break
        sitting.append(earlier)
    took_s = (sitting[0] - sitting[-1]).total_seconds() if sitting else 0.0
    return (len(sitting) - 1) * 60 / took_s if took_s > 0 else None
