"""The page on which captions are reviewed: one photo after the other, each decided by a key.

With JavaScript a decision is answered by the part of the page that is new (`pages/review_step.html`); without it the
same forms lead from page to page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from captioning import review, review_leases, review_queue
from captioning.models import Caption, ReviewDecision
from captioning.services import CAPTION_MAX_CHARS
from config.errors import problem_of
from core.errors import Conflict, InvalidInput, NotFound
from core.ids import MAX_ID
from library.access import require_session
from library.selectors import visible_assets
from workers import pipeline

Kind = ReviewDecision.Kind
#: The one to decide, and the one after it, so that it is there when the first is decided.
_CARDS = 2
_MENU_COUNTS_TO = 100
_SAID = {
    Kind.ACCEPT: "Accepted.",
    Kind.EDIT: "Saved.",
    Kind.REJECT: "Rejected.",
    Kind.SKIP: "Skipped.",
    Kind.UNDO: "Undone.",
}


@dataclass(frozen=True)
class Card:
    """One photo to decide. text: what stands in the box, which may be what the reviewer typed before."""

    caption: Caption
    text: str
    doubts: Sequence[str]
    linked: bool
    problem: str = ""


@dataclass(frozen=True)
class Asked:
    """What a form asks for. Accepting and editing are one: what stands in the box is what shall stand."""

    kind: Kind
    text: str
    shown: str
    besides: Sequence[int]


def menu(request: HttpRequest) -> dict[str, Any]:
    """Context processor: how many captions wait for who is signed in, asked only where a template wants to know."""
    return {"to_review": partial(_count_for_menu, request)}


@login_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The next two photos, leased to the reviewer; `?caption=` puts one that waits for them in front."""
    reviewer = require_session(request)
    wanted = _ids([request.GET.get("caption", "")])
    return _page(request, reviewer, _held(reviewer, wanted[0]) if wanted else None)


@login_required
@require_POST
def decide(request: HttpRequest, caption_id: int) -> HttpResponse:
    """Accept, edit, reject or skip one caption. 409 says what happened meanwhile, and keeps what was typed."""
    reviewer = require_session(request)
    asked = _asked(request.POST)
    try:
        decision = pipeline.followed_at_once(
            partial(review.decide, reviewer, caption_id, asked.kind, shown=asked.shown, text=asked.text)
        )
    except (Conflict, InvalidInput, NotFound) as error:
        return _refused(request, reviewer, asked, error, _held(reviewer, caption_id, asked, error))
    if _is_scripted(request):
        return _step(request, reviewer, asked.besides, said=_SAID[Kind(decision.kind)])
    return redirect("review")


@login_required
@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """Take the last decision back, and show its photo again."""
    reviewer, besides = require_session(request), _ids(request.POST.getlist("besides"))
    try:
        decision = pipeline.followed_at_once(partial(review.undo, reviewer))
    except (Conflict, NotFound) as error:
        return _refused(request, reviewer, Asked(Kind.UNDO, "", "", besides), error, None)
    caption_id = decision.caption_id or 0
    if not _is_scripted(request):
        return redirect(f"{reverse('review')}?caption={caption_id}")
    first = _held(reviewer, caption_id)
    return _step(request, reviewer, besides, said=_SAID[Kind.UNDO], first=first)


@login_required
@require_POST
def stop(request: HttpRequest) -> HttpResponse:
    """Let others have the photos that were leased, and leave."""
    review_leases.release(require_session(request))
    return redirect("search")


def _page(
    request: HttpRequest, reviewer: User, first: Card | None, *, status: int = 200, **told: Any
) -> HttpResponse:
    cards = _dealt(reviewer, _CARDS, [], first)
    context = {"cards": cards, **_common(reviewer), **told}
    return render(request, "pages/review.html", context, status=status)


def _step(
    request: HttpRequest,
    reviewer: User,
    besides: Sequence[int],
    *,
    first: Card | None = None,
    status: int = 200,
    **told: Any,
) -> HttpResponse:
    """What is new after a decision: counts, and one more photo beside those that the page has already."""
    review_leases.renew(reviewer, besides)
    cards = _dealt(reviewer, 1, besides, first)
    context = {"cards": cards, "in_front": first is not None, **_common(reviewer), **told}
    return render(request, "pages/review_step.html", context, status=status)


def _refused(
    request: HttpRequest, reviewer: User, asked: Asked, error: Exception, first: Card | None
) -> HttpResponse:
    problem = problem_of(error)
    assert problem  # every one of our errors is in the table
    told: dict[str, Any] = {"refusal": problem.detail}
    if first is None and asked.text and asked.text.split() != asked.shown.split():
        told["typed"] = asked.text
    if _is_scripted(request):
        return _step(request, reviewer, asked.besides, first=first, status=problem.status, **told)
    return _page(request, reviewer, first, status=problem.status, **told)


def _common(reviewer: User) -> dict[str, Any]:
    return {"progress": review_queue.progress(reviewer), "max_chars": CAPTION_MAX_CHARS}


def _dealt(reviewer: User, wanted: int, besides: Sequence[int], first: Card | None) -> list[Card]:
    cards = [] if first is None else [first]
    while len(cards) < wanted:
        shown = [*besides, *(card.caption.pk for card in cards)]
        caption = review_leases.next_for(reviewer, shown)
        if caption is None:
            break
        cards.append(_card(reviewer, caption))
    return cards


def _held(
    reviewer: User, caption_id: int, asked: Asked | None = None, error: Exception | None = None
) -> Card | None:
    """The card of one caption that waits for this reviewer and nobody else has; with what was typed before."""
    waiting = review_queue.waiting(reviewer)
    caption = waiting.filter(pk=caption_id).first() if 0 < caption_id <= MAX_ID else None
    if caption is None or not review_leases.take(caption.frame_id, reviewer):
        return None
    typed = asked.text if asked and asked.kind == Kind.EDIT else None
    return _card(reviewer, caption, typed, str(error) if isinstance(error, InvalidInput) else "")


def _card(reviewer: User, caption: Caption, typed: str | None = None, problem: str = "") -> Card:
    return Card(
        caption,
        caption.text if typed is None else typed,
        [review_queue.DOUBTS.get(doubt, doubt) for doubt in caption.doubts],
        linked=visible_assets(reviewer).filter(pk=caption.frame.asset_id).exists(),
        problem=problem,
    )


def _asked(form: QueryDict) -> Asked:
    text, shown = form.get("choice") or form.get("text", ""), form.get("shown", "")
    kinds = {"accept": Kind.EDIT, "edit": Kind.EDIT, "reject": Kind.REJECT, "skip": Kind.SKIP}
    kind = Kind.EDIT if "choice" in form else kinds.get(form.get("decision", ""))
    if kind is None:
        raise InvalidInput("Accept, edit, reject or skip.", field="decision")
    return Asked(kind, text, shown, _ids(form.getlist("besides")))


def _ids(texts: Sequence[str]) -> list[int]:
    return [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) <= 18]


def _is_scripted(request: HttpRequest) -> bool:
    return request.headers.get("X-Requested-With") == "fetch"


def _count_for_menu(request: HttpRequest) -> str:
    count = review_queue.count_waiting(request.user, _MENU_COUNTS_TO)
    return f"{_MENU_COUNTS_TO - 1}+" if count == _MENU_COUNTS_TO else str(count or "")
