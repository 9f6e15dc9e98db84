"""Taking one's photos away, with what is known of them."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods

from captioning.picture_text import texts_of
from captioning.selectors import sentences_of
from library.access import require_session
from library.models import Asset
from library.selectors import stored_by
from library.takeout import takeout
from workers import pipeline

#: Each keeps a thread of this process busy for as long as it is sent.
_MOST, _WINDOW_S = 6, 3600


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def download(request: HttpRequest) -> HttpResponseBase:
    """All photos of a person in one zip file: by a form, so that no other site can have them sent."""
    user = require_session(request)
    if request.method != "POST":
        return _page(request)
    if pipeline.spend(f"takeout:{user.pk}", 1, window_s=_WINDOW_S) > _MOST:
        return _page(request, too_often=True)
    response = StreamingHttpResponse(takeout(user, _told), content_type="application/zip")
    name = f"{user.get_username()}-{timezone.localdate().isoformat()}.zip"
    response.headers["Content-Disposition"] = str(
        content_disposition_header(as_attachment=True, filename=name)
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _page(request: HttpRequest, *, too_often: bool = False) -> HttpResponse:
    told = {"stored": stored_by(require_session(request)), "too_often": too_often}
    return render(request, "pages/takeout.html", told, status=429 if too_often else 200)


def _told(assets: Sequence[Asset]) -> list[dict[str, Any]]:
    """Of each photo its caption, what was decided of it, and what is written in it."""
    frame_ids = [frame.pk for asset in assets for frame in asset.frames.all()]
    sentences, texts = sentences_of(frame_ids), texts_of(frame_ids)
    told = []
    for asset in assets:
        own = [frame.pk for frame in asset.frames.all()]
        sentence = next((sentences[pk] for pk in own if pk in sentences), None)
        told.append(
            {
                "caption": sentence.text if sentence else None,
                "caption_state": sentence.state if sentence else None,
                "picture_text": "\n".join(texts[pk] for pk in own if pk in texts),
            }
        )
    return told
