"""Saying on a photo's page that it is safe or unsafe."""

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from core.errors import Conflict, InvalidInput, NotAllowed
from library import safety
from library.access import require_session, viewer_of
from library.models import Asset, SafetyStatement
from library.safety_selectors import safety_of
from library.selectors import asset_for

Kind = SafetyStatement.Kind
_UNDO = "undo"
_BUTTONS = {
    Kind.SAFE: "It is safe: offer it to everyone",
    Kind.UNSAFE: "Leave it out of others’ searches",
    Kind.ASK: "It is safe: ask a moderator to look",
}
_SAID = {
    Kind.SAFE: "Everyone is offered this photo from now on.",
    Kind.UNSAFE: "Others’ searches and lists leave this photo out from now on.",
    Kind.ASK: "A moderator will look at this photo.",
}
_TOLD = {
    Kind.SAFE: "said that it is safe",
    Kind.UNSAFE: "said that it is unsafe",
    Kind.ASK: "asked for another look",
}


@dataclass(frozen=True)
class SafetyCard:
    """What the page shows under "Safety": what was said last, and buttons, each with what it says."""

    told: str
    note: str
    buttons: list[tuple[str, str]]


@login_required
@require_POST
def say(request: HttpRequest, asset_id: int) -> HttpResponse:
    """Says or takes back, and leads back to the photo, with the reason where it was refused."""
    speaker, said = require_session(request), request.POST.get("say", "")
    asset_for(speaker, asset_id)
    try:
        if said == _UNDO:
            safety.take_back(speaker, asset_id)
            told = "Taken back."
        else:
            told = _SAID[Kind(safety.say(speaker, asset_id, said, request.POST.get("note", "")).kind)]
    except (Conflict, InvalidInput, NotAllowed) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, told)
    return redirect("asset", asset_id)


def safety_card(request: HttpRequest, asset: Asset) -> SafetyCard | None:
    """None for who has nothing to say of it, and for private photos, which nobody else is offered anyway."""
    known = safety_of(viewer_of(request), asset)
    if not known.may or asset.visibility != Asset.Visibility.PUBLIC:
        return None
    buttons = [(kind.value, _BUTTONS[kind]) for kind in map(Kind, known.may) if kind != _stands(known.newest)]
    if known.may_take_back:
        buttons.append((_UNDO, "Take back what was said"))
    return SafetyCard(_told(known.newest), known.newest.note if known.newest else "", buttons)


def _stands(newest: SafetyStatement | None) -> str | None:
    return newest.kind if newest else None


def _told(newest: SafetyStatement | None) -> str:
    if newest is None:
        return ""
    who = newest.said_by.get_username() if newest.said_by else "Somebody whose account is gone"
    return f"{who} {_TOLD[Kind(newest.kind)]} on {newest.said_at:%-d %B %Y}."
