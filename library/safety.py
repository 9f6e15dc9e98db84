"""Saying that a photo is safe or unsafe, whatever the model thinks. Search follows in the same transaction."""

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from core.errors import Conflict, InvalidInput, NotAllowed, NotFound
from library.details import checked_line
from library.models import Asset, SafetyStatement
from library.safety_selectors import can_be_taken_back, may_judge, may_say, standing
from library.selectors import asset_for, is_owner

Kind = SafetyStatement.Kind
NOTE_MAX_CHARS = 500


@transaction.atomic
def say(speaker: User, asset_id: int, kind: str, note: str = "") -> SafetyStatement:
    """Keep what somebody says of a photo that they may see, with who and when; from then on it beats every score.

    Said again by the same person it changes nothing. NotFound for what they may not see, NotAllowed for what they may
    not say, Conflict for a request that there is no need of.
    """
    if kind not in Kind.values:
        raise InvalidInput(f"Say one of {', '.join(Kind.values)}, not {kind[:40]!r}.", field="say")
    note = checked_line("note", note, NOTE_MAX_CHARS)
    asset = _locked(speaker, asset_id)
    newest = standing(asset).first()
    if newest is not None and newest.kind == kind and newest.said_by_id == speaker.pk:
        return newest
    if kind == Kind.ASK:
        _refuse_idle_request(speaker, asset)
    elif not may_judge(speaker) and not (kind == Kind.UNSAFE and is_owner(speaker, asset)):
        raise NotAllowed(_refusal(speaker, asset))
    said = SafetyStatement.objects.create(asset=asset, kind=kind, note=note, said_by=speaker)
    _judge_anew(asset)
    return said


@transaction.atomic
def take_back(speaker: User, asset_id: int) -> SafetyStatement:
    """Undo what was said last; what was said before it holds again, or else the model's score.

    A moderator undoes any judgement, an owner only words of their own that nobody has answered: else NotAllowed.
    Conflict where there is nothing to undo.
    """
    asset = _locked(speaker, asset_id)
    said = can_be_taken_back(speaker, asset)
    if said is None:
        if may_judge(speaker) or (is_owner(speaker, asset) and not standing(asset).exists()):
            raise Conflict("Nobody has said anything of this photo's safety that could be taken back.")
        raise NotAllowed(_refusal(speaker, asset))
    said.taken_back_by, said.taken_back_at = speaker, timezone.now()
    said.save(update_fields=["taken_back_by", "taken_back_at"])
    _judge_anew(asset)
    return said


def _locked(speaker: User, asset_id: int) -> Asset:
    """Nobody else speaks of it until the transaction ends. A private photo is its owner's business alone."""
    seen = asset_for(speaker, asset_id)
    asset = Asset.objects.select_for_update(no_key=True).filter(pk=seen.pk).first()
    if asset is None:
        raise NotFound("There is no such asset.")
    return asset


def _refuse_idle_request(speaker: User, asset: Asset) -> None:
    if not is_owner(speaker, asset):
        raise NotAllowed("Only its owner may ask for another look at this photo.")
    if asset.visibility != Asset.Visibility.PUBLIC:
        raise Conflict("Only you see this photo, so there is nothing to ask for. Make it public first.")
    if Kind.ASK not in may_say(speaker, asset):
        raise Conflict("Nothing is held against this photo, or you may decide yourself.")


def _refusal(speaker: User, asset: Asset) -> str:
    if is_owner(speaker, asset):
        return "A moderator decides whether others are offered this photo; you may ask for another look."
    return "Only its owner and moderators may speak of this photo's safety."


def _judge_anew(asset: Asset) -> None:
    """What a person said last decides. `updated_at` stays: no word of the photo has to be read anew."""
    judgement = standing(asset).exclude(kind=Kind.ASK).first()
    asset.judged_unsafe = None if judgement is None else judgement.kind == Kind.UNSAFE
    asset.save(update_fields=["judged_unsafe"])
