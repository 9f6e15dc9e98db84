"""What people said of photos' safety, who may say what, and what waits for a moderator."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import OuterRef, QuerySet, Subquery

from library.models import Asset, SafetyStatement
from library.selectors import Viewer, is_owner, is_taken_for_unsafe

Kind = SafetyStatement.Kind
JUDGE = "library.judge_safety"


@dataclass(frozen=True)
class Safety:
    """A photo's safety as one person sees it.

    newest: what was said last and not taken back. may: what this person may say. may_take_back: of what was said, what
    they may undo.
    """

    unsafe: bool
    newest: SafetyStatement | None
    may: tuple[str, ...]
    may_take_back: SafetyStatement | None


def may_judge(viewer: Viewer) -> bool:
    """Whether they are a moderator: their word holds for photos of others, too."""
    return isinstance(viewer, User) and viewer.has_perm(JUDGE)


def may_read(viewer: Viewer, asset: Asset) -> bool:
    """Whether they may know who said what."""
    return is_owner(viewer, asset) or may_judge(viewer)


def may_say(viewer: Viewer, asset: Asset) -> tuple[str, ...]:
    """What there is to say: a moderator judges, an owner hides what is theirs or asks a moderator to look again."""
    if may_judge(viewer):
        return (Kind.SAFE, Kind.UNSAFE)
    if not is_owner(viewer, asset):
        return ()
    return (Kind.ASK,) if is_taken_for_unsafe(asset) else (Kind.UNSAFE,)


def statements_of(asset: Asset) -> QuerySet[SafetyStatement]:
    """All that was ever said, the newest first."""
    return asset.safety_statements.select_related("said_by", "taken_back_by")


def standing(asset: Asset) -> QuerySet[SafetyStatement]:
    """What was said and is not taken back, the newest first."""
    return statements_of(asset).filter(taken_back_at=None)


def can_be_taken_back(viewer: Viewer, asset: Asset) -> SafetyStatement | None:
    """The statement that this person would undo: the newest judgement for a moderator, for an owner the newest of all
    where it is theirs.
    """
    if may_judge(viewer):
        return next((one for one in standing(asset) if one.kind != Kind.ASK), None)
    newest = standing(asset).first()
    theirs = newest is not None and is_owner(viewer, asset) and _is_by(newest, viewer)
    return newest if theirs else None


def safety_of(viewer: Viewer, asset: Asset) -> Safety:
    """What was said is for its owner and for moderators; to all others only what the photo is taken for."""
    newest = standing(asset).first() if may_read(viewer, asset) else None
    back = can_be_taken_back(viewer, asset) if newest else None
    return Safety(is_taken_for_unsafe(asset), newest, may_say(viewer, asset), back)


def asked_to_look_again() -> QuerySet[Asset]:
    """Public photos of which the last that was said is their owner's request."""
    held = SafetyStatement.objects.filter(asset=OuterRef("pk"), taken_back_at=None).order_by("-pk")
    public = Asset.objects.filter(visibility=Asset.Visibility.PUBLIC)
    return public.alias(said=Subquery(held.values("kind")[:1])).filter(said=Kind.ASK)


def _is_by(statement: SafetyStatement, viewer: Viewer) -> bool:
    return viewer is not None and statement.said_by_id == viewer.pk
