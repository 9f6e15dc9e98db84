"""The page of one photo, its owner's changes, and the owner's own photos."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from captioning.selectors import auto_tags_of, caption_of
from captioning.services import edit_caption
from config.pages.image_object import image_object
from config.pages.paging import newest
from config.pages.safety import safety_card
from core.errors import InvalidInput, Unavailable
from library import asset_store
from library.access import require_session, viewer_of
from library.forms import AssetForm, add_problem
from library.models import Asset, Frame
from library.selectors import AssetFilters, asset_for, editable_asset_for, frames_of, is_hidden, is_owner
from search.cards import cards_of
from search.language import term
from workers import pipeline
from workers.selectors import stages_of

_STAGE_NAMES = {"frames": "Opened", "describe": "Caption and tags", "index": "Found by searches"}
_STATE_NAMES = {
    "done": "done",
    "waiting": "waiting",
    "asked": "waiting",
    "running": "at work",
    "retry": "will be tried again",
    "failed": "failed",
    "parked": "failed",
}
_FAILED = frozenset({"failed", "parked"})


@dataclass(frozen=True)
class StageLine:
    """One stage of a photo's preparation, in words for its owner."""

    name: str
    state: str
    css: str


@login_required
@require_safe
def my_photos(request: HttpRequest) -> HttpResponse:
    """Everything the signed-in person uploaded, newest first."""
    page, more_url = newest(request, AssetFilters(mine=True))
    context = {"cards": cards_of(page), "more_url": more_url}
    return render(request, "pages/my_photos.html", context)


@require_safe
def asset(request: HttpRequest, asset_id: int) -> HttpResponse:
    """One photo with all that is known of it. 404 for a stranger's private one, as for none.

    While it is prepared the page asks again with `?seen=` what it shows: 204 where nothing is new, so that
    nobody's focus or selection is lost to a redrawn page.
    """
    found = asset_for(viewer_of(request), asset_id)
    stages = _stages(found)
    progress = _progress(stages)
    if stages and request.GET.get("seen") == progress:
        return HttpResponse(status=204)
    told = _told(request, found, stages)
    return render(
        request,
        "pages/asset.html",
        {**told, "progress": progress, "image_object": image_object(request, found)},
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, asset_id: int) -> HttpResponse:
    """The owner's form; the words of a photo and who sees it."""
    found = editable_asset_for(require_session(request), asset_id)
    frame = _first_frame(found)
    form = AssetForm(request.POST or None, initial=_initial(found, frame))
    if request.method == "POST" and form.is_valid():
        try:
            _save(request, found, frame, form)
        except InvalidInput as error:
            add_problem(form, error)
        else:
            messages.success(request, "Saved.")
            return redirect("asset", found.pk)
    status = 400 if form.is_bound else 200
    context = {"asset": found, "card": cards_of([found])[0], "form": form}
    return render(request, "pages/asset_edit.html", context, status=status)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, asset_id: int) -> HttpResponse:
    """Asks once, then removes the photo for good."""
    found = editable_asset_for(require_session(request), asset_id)
    if request.method != "POST":
        return render(request, "pages/asset_delete.html", {"asset": found, "card": cards_of([found])[0]})
    asset_store.delete_asset(found)
    messages.success(request, "The photo is deleted.")
    return redirect("my-assets")


def _told(request: HttpRequest, found: Asset, stages: Mapping[str, str]) -> dict[str, Any]:
    frame = _first_frame(found)
    states = set(stages.values())
    return {
        "asset": found,
        "card": cards_of([found])[0],
        "caption": caption_of(frame) if frame else None,
        "is_owner": is_owner(viewer_of(request), found),
        "hidden": is_hidden(found),
        "safety": safety_card(request, found),
        "tags": found.tags.all(),
        "camera_term": term("camera", found.camera),
        "auto_tags": auto_tags_of([frame.pk]).get(frame.pk, []) if frame else [],
        "stages": [_line(name, state) for name, state in stages.items()],
        "working": bool(states - {"done"} - _FAILED),
        "failed": bool(states & _FAILED),
        "searchable": stages.get("index") == "done",
    }


def _first_frame(found: Asset) -> Frame | None:
    """A picture has one frame; none yet while its first stage waits."""
    return next(iter(frames_of(found)), None)


def _stages(found: Asset) -> dict[str, str]:
    """No stages where no model is configured: the photo can be looked at all the same."""
    try:
        return stages_of(found)
    except Unavailable:
        return {}


def _progress(stages: Mapping[str, str]) -> str:
    return " ".join(stages.values())


def _line(name: str, state: str) -> StageLine:
    css = "failed" if state in _FAILED else state
    return StageLine(_STAGE_NAMES.get(name, name.capitalize()), _STATE_NAMES.get(state, state), css)


def _initial(found: Asset, frame: Frame | None) -> dict[str, Any]:
    caption = caption_of(frame) if frame else None
    text = caption.text if caption else ""
    return {
        "title": found.title,
        "caption": text,
        "shown": text,
        "description": found.description,
        "tags": ", ".join(tag.name for tag in found.tags.all()),
        "visibility": found.visibility,
    }


@transaction.atomic
def _save(request: HttpRequest, found: Asset, frame: Frame | None, form: AssetForm) -> None:
    """All of the form or nothing of it. An untouched caption stays whose it is, also where it is another by now."""
    changes = {name: value for name, value in form.cleaned_data.items() if name != "shown"}
    caption = changes.pop("caption")
    # The caption first: reviewing locks frames before assets, too.
    if frame is not None and form.says_otherwise():
        edit_caption(frame, caption, require_session(request))
        transaction.on_commit(lambda: pipeline.caption_changed(frame))
    asset_store.update_asset(found, **changes)
    transaction.on_commit(pipeline.wake)
