"""Many of one's photos at once: chosen in the grid, then tagged, shown to everyone or to nobody, deleted."""

from collections.abc import Set

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from config.pages.paging import newest
from core.errors import InvalidInput
from core.ids import MAX_ID
from library.access import require_session
from library.bulk_changes import change_all, delete_all
from library.forms import split_tags
from library.models import Asset
from library.selectors import AssetFilters
from search.cards import cards_of
from workers import pipeline


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def select(request: HttpRequest) -> HttpResponse:
    """One's photos with a box on each. To delete what is chosen is asked about once."""
    owner = require_session(request)
    if request.method != "POST":
        return _page(request)
    try:
        chosen = _chosen(request.POST)
        if request.POST.get("do") == "delete" and "sure" not in request.POST:
            return render(request, "pages/delete_photos.html", {"chosen": sorted(chosen)})
        count, outcome = _done(owner, chosen, request.POST)
    except InvalidInput as error:
        return _page(request, problem=str(error))
    pipeline.wake()
    messages.success(request, f"{count} photo{'' if count == 1 else 's'} {outcome}.")
    return redirect("select-photos")


def _chosen(asked: QueryDict) -> Set[int]:
    numbers = asked.getlist("photo")
    if not all(each.isascii() and each.isdigit() and int(each) <= MAX_ID for each in numbers):
        raise InvalidInput("photo must be the number of a photo.", field="photo")
    if not numbers:
        raise InvalidInput("Choose photos first.", field="photo")
    return {int(each) for each in numbers}


def _done(owner: User, chosen: Set[int], asked: QueryDict) -> tuple[int, str]:
    """How many photos it was done to, and what."""
    tags = split_tags(asked.get("tags", ""))
    match asked.get("do"):
        case "tag" | "untag" if not tags:
            raise InvalidInput("Write the tags first.", field="tags")
        case "tag":
            return change_all(owner, chosen, add_tags=tags), "tagged"
        case "untag":
            return change_all(owner, chosen, remove_tags=tags), "without these tags"
        case "public":
            return change_all(owner, chosen, visibility=Asset.Visibility.PUBLIC), "shown to everyone"
        case "private":
            return change_all(owner, chosen, visibility=Asset.Visibility.PRIVATE), "shown to you alone"
        case "delete":
            return delete_all(owner, chosen), "deleted"
    raise InvalidInput("do must be tag, untag, public, private or delete.", field="do")


def _page(request: HttpRequest, problem: str = "") -> HttpResponse:
    """The newest; with a problem what was chosen and written stands there still."""
    page, more_url = newest(request, AssetFilters(mine=True))
    context = {
        "cards": cards_of(page),
        "more_url": more_url,
        "problem": problem,
        "chosen": request.POST.getlist("photo"),
        "tags": request.POST.get("tags", ""),
    }
    return render(request, "pages/select_photos.html", context, status=400 if problem else 200)
