"""The search page: by words, by picture, and the latest photos where nothing is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from config.errors import problem_of
from config.pages.filters import panel
from config.pages.paging import PAGE_SIZE, newest
from core.errors import InvalidInput, InvalidQuery, SightlineError
from library.access import viewer_of
from library.selectors import AssetFilters
from search.cards import cards_of, cards_of_matches
from search.services import BY_RELEVANCE, Words, search_picture, search_text
from workers import pipeline

#: Around what is wrong in a long query, so that it is seen at a glance.
_CONTEXT_CHARS = 60
_TOKEN_CHARS = 80


@dataclass(frozen=True)
class MarkedQuery:
    """A query with what can't be understood in it, cut to what fits under the box."""

    before: str
    token: str
    after: str
    message: str

    @classmethod
    def of(cls, query: str, error: InvalidQuery) -> "MarkedQuery":
        start, end = max(error.start - _CONTEXT_CHARS, 0), error.end + _CONTEXT_CHARS
        token = query[error.start : error.end]
        return cls(
            ("…" if start else "") + query[start : error.start],
            token[:_TOKEN_CHARS] + ("…" if len(token) > _TOKEN_CHARS else ""),
            query[error.end : end] + ("…" if end < len(query) else ""),
            str(error),
        )


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Results of `?q=`, else the latest photos. A search that can't be done says so in place of its results."""
    query = request.GET.get("q")
    context: dict[str, Any] = {
        "query": query or "",
        "sort": request.GET.get("sort", BY_RELEVANCE),
    }
    context |= panel(context["query"], context["sort"])
    try:
        context |= _latest(request) if query is None else _found(request, query)
    except InvalidQuery as error:
        context["marked"] = MarkedQuery.of(query or "", error)
        return render_problem(request, error, context)
    except SightlineError as error:
        return render_problem(request, error, context)
    return render(request, "pages/home.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def by_picture(request: HttpRequest) -> HttpResponse:
    """Photos like an uploaded picture, which is not stored. Reading this address (a reload) begins anew."""
    if request.method != "POST":
        return redirect("search")
    words = request.POST.get("q", "")
    context: dict[str, Any] = {"query": "", "by_picture": True, "words": words}
    try:
        context |= _alike(request)
    except InvalidQuery as error:
        context["marked"] = MarkedQuery.of(words, error)
        return render_problem(request, error, context)
    except SightlineError as error:
        return render_problem(request, error, context)
    return render(request, "pages/home.html", context)


def render_problem(request: HttpRequest, error: SightlineError, context: dict[str, Any]) -> HttpResponse:
    """The page itself with the error where the results would be, and the status of the one table."""
    problem = problem_of(error)
    assert problem is not None  # every SightlineError is in the table
    heading = "That can’t be searched" if problem.status < 500 else "Search is away for a moment"
    again_url = request.get_full_path() if problem.status >= 500 and request.method == "GET" else ""
    shown = {"heading": heading, "message": problem.detail, "again_url": again_url}
    response = render(request, "pages/home.html", {**context, "problem": shown}, status=problem.status)
    for name, value in problem.headers().items():
        response.headers[name] = value
    return response


def _latest(request: HttpRequest) -> dict[str, Any]:
    assets, more_url = newest(request, AssetFilters())
    return {"cards": cards_of(assets), "more_url": more_url}


def _found(request: HttpRequest, query: str) -> dict[str, Any]:
    viewer = viewer_of(request)
    sort, exact = request.GET.get("sort", BY_RELEVANCE), request.GET.get("exact") == "1"
    page = search_text(
        viewer,
        query,
        limit=PAGE_SIZE,
        cursor=request.GET.get("cursor"),
        sort=sort,
        exact=exact,
    )
    asked = {"q": query}
    if sort != BY_RELEVANCE:
        asked["sort"] = sort
    if exact:
        asked["exact"] = "1"
    return {
        "corrected": page.corrected,
        "corrected_url": _address({**asked, "q": page.corrected}),
        "exact_url": _address({**asked, "exact": "1"}),
        "cards": cards_of_matches(viewer, page.matches, page.terms),
        "more_url": _address({**asked, "cursor": page.next}) if page.next else "",
        "took_ms": page.took_ms,
        "reason": page.reason,
        "notice": page.notice,
        "far": page.close is False,
        "search_token": page.record,
    }


def _address(asked: Mapping[str, str]) -> str:
    return f"{reverse('search')}?{urlencode(asked)}"


def _alike(request: HttpRequest) -> dict[str, Any]:
    file = request.FILES.get("file")
    if file is None:
        raise InvalidInput("Choose a picture to search with.", field="file")
    viewer = viewer_of(request)
    page = search_picture(
        viewer,
        file,
        pipeline.encode_query_image,
        limit=PAGE_SIZE,
        cursor=request.POST.get("cursor"),
        words=Words(request.POST.get("q", "")),
    )
    return {
        "cards": cards_of_matches(viewer, page.matches, page.terms),
        "more_cursor": page.next,
        "reason": page.reason,
        "took_ms": page.took_ms,
    }
