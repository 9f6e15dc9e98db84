"""The upload page. With JavaScript it posts to the API file by file; without, to itself."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from core.errors import InvalidInput
from library import asset_store
from library.access import require_session
from library.asset_store import Changes
from library.forms import split_tags
from library.models import Asset
from workers import pipeline


@dataclass(frozen=True)
class Answer:
    """What became of one file."""

    name: str
    text: str
    css: str
    asset_id: int | None = None


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    """The form, and after a plain post what became of each file; 400 where none was taken."""
    answers = list(_stored(request)) if request.method == "POST" else []
    taken = any(answer.asset_id for answer in answers)
    max_bytes = settings.UPLOAD_MAX_BYTES
    context = {"answers": answers, "max_bytes": max_bytes, "max_size": f"{max_bytes / 1e6:g} MB"}
    return render(request, "library/upload.html", context, status=200 if taken or not answers else 400)


def _stored(request: HttpRequest) -> Iterator[Answer]:
    """Each file by itself: one that is refused stops no other."""
    files = request.FILES.getlist("files")
    if not files:
        yield Answer("No file", "Choose at least one photo.", "failed")
    words: Changes = {
        "tags": split_tags(request.POST.get("tags", "")),
        "visibility": request.POST.get("visibility", Asset.Visibility.PRIVATE),
    }
    owner = require_session(request)
    added = []
    for file in files:
        answer, asset = _answer(owner, file, words)
        added += [asset] if asset else []
        yield answer
    pipeline.added(added)


def _answer(owner: User, file: UploadedFile[bytes], words: Changes) -> tuple[Answer, Asset | None]:
    """The answer for one file, and its asset if it is new."""
    name = file.name or "unnamed"
    try:
        stored = asset_store.store_upload(owner, file, name=name, **words)
    except InvalidInput as error:
        return Answer(name, str(error), "failed"), None
    if stored.created:
        return Answer(name, "Added", "added", stored.asset.pk), stored.asset
    return Answer(name, "Already in your library", "added", stored.asset.pk), None
