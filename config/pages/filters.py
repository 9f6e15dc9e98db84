"""The filters beside the search box, as form controls and as counts to choose from. The query is the only truth."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from core.errors import InvalidQuery
from library.access import viewer_of
from search.facets import FACETS, Choice, Facet
from search.language import (
    CONTROLS,
    OPERATORS,
    STATES,
    TYPES,
    Query,
    controls_of,
    edited,
    parse_optional,
    refined,
    term,
)
from search.services import BY_RELEVANCE, facets

#: One name for each type.
KINDS = tuple({meant: name for name, meant in reversed(TYPES.items())}.values())[::-1]


@dataclass(frozen=True)
class Chip:
    """A condition of the query, and the address of the search without it."""

    label: str
    without_url: str


@dataclass(frozen=True)
class FacetLink:
    """A value to choose, and the address of the search that is narrowed to it; where it is chosen, of that without."""

    label: str
    count: int
    url: str
    chosen: bool


def address(query: str, sort: str = BY_RELEVANCE) -> str:
    """The search page of a query."""
    asked = {"q": query} if query.strip() else {}
    if sort != BY_RELEVANCE:
        asked["sort"] = sort
    return f"{reverse('search')}?{urlencode(asked)}" if asked else reverse("search")


def panel(text: str, sort: str) -> dict[str, Any]:
    """What the controls show for a query. Empty controls where it can't be understood: the box says what is wrong."""
    try:
        query = parse_optional(text)
    except InvalidQuery:
        query = Query("")
    chips = [
        Chip(
            term(one.operator, one.value, without=one.without),
            address(edited(text, [one]), sort),
        )
        for one in query.conditions
    ]
    mine_url = "" if "me" in query.values("by") else address(f"{text} by:me".strip(), sort)
    return {
        "controls": controls_of(query),
        "chips": chips,
        "mine_url": mine_url,
        "types": KINDS,
        "states": STATES,
        "colours": OPERATORS["colour"].allowed,
    }


@require_safe
def refine(request: HttpRequest) -> HttpResponse:
    """From the controls back to the query: a redirect to its search, which also tells what is wrong with it."""
    text = request.GET.get("q", "")
    chosen = {name: request.GET[name] for name in CONTROLS if name in request.GET}
    with suppress(InvalidQuery):  # the search page points at it
        text = refined(text, chosen)
    return redirect(address(text, request.GET.get("sort", BY_RELEVANCE)))


@require_safe
def counts(request: HttpRequest) -> HttpResponse:
    """How many photos each year, tag, type, colour and owner has: a page of its own, or a part of the search page."""
    text, sort = request.GET.get("q", ""), request.GET.get("sort", BY_RELEVANCE)
    try:
        counted = facets(viewer_of(request), text)
    except InvalidQuery:
        return redirect(address(text, sort))
    groups = [(facet.name, _links(facet, counted[facet.name], text, sort)) for facet in FACETS]
    return render(
        request, "pages/facets.html", {"query": text, "groups": groups, "back_url": address(text, sort)}
    )


def _links(facet: Facet, choices: Iterable[Choice], text: str, sort: str) -> list[FacetLink]:
    query = parse_optional(text)
    drop = [one for one in query.conditions if one.operator in facet.replaces and not one.without]
    written = {term(one.operator, one.value).casefold(): one for one in query.conditions if not one.without}
    links = []
    for choice in choices:
        terms = {one.casefold() for one in choice.terms}
        chosen = terms <= written.keys()
        url = edited(text, [written[one] for one in terms]) if chosen else edited(text, drop, choice.terms)
        links.append(FacetLink(choice.label, choice.count, address(url, sort), chosen))
    return links
