"""Searching over HTTP."""

from datetime import datetime
from typing import IO, Annotated, Any, Literal, cast

from django.http import HttpRequest
from ninja import Field, File, Query, Router, Schema, Status
from ninja.files import UploadedFile
from pydantic import AfterValidator, StringConstraints

from core.errors import InvalidInput
from core.moments import Moment
from core.requests import refuse_unknown
from core.texts import has_control
from library.access import Anyone, Scope, require_scope, viewer_of
from library.details import TAG_MAX_CHARS
from library.models import ApiKey, Asset
from library.selectors import AssetFilters, asset_for
from search import saved
from search.language import MAX_CHARS
from search.models import SavedSearch
from search.query import MAX_LIMIT, MAX_WEIGHT
from search.recording import record_click
from search.results import Paging, Results, as_results
from search.services import MOST_TERMS, Term, Words, facets, search_picture, search_terms, search_text
from search.suggestions import LIMIT, completions
from workers import pipeline

router = Router(tags=["Search"], auth=Anyone())
_WRITE = Scope(ApiKey.Scope.WRITE)


def _as_tag(tag: str) -> str:
    if has_control(tag):
        raise ValueError("a tag holds no control characters")
    return tag


Tag = Annotated[str, StringConstraints(max_length=TAG_MAX_CHARS), AfterValidator(_as_tag)]


class Narrowing(Paging):
    mine: bool | None = Field(None, description="true: only your own; false: only other people's")
    visibility: Asset.Visibility | None = None
    tag: Tag | None = Field(None, description="Only assets that people gave this tag")
    taken_after: Moment | None = Field(None, description="Without a time zone it is UTC")
    taken_before: Moment | None = Field(None, description="Without a time zone it is UTC")

    def filters(self) -> AssetFilters:
        return AssetFilters(
            mine=self.mine,
            visibility=self.visibility,
            tag=self.tag,
            taken_after=self.taken_after,
            taken_before=self.taken_before,
        )


class TextSearch(Narrowing):
    q: str = Field(
        description='Plain words, "a phrase", -without, tag:, text:, after:, before:, type:, colour:, camera:, by:, '
        f"is:; at most {MAX_CHARS} characters. Conditions alone list the newest photos first"
    )
    sort: Literal["relevance", "date"] = Field(
        "relevance", description="date: the newest first, of the 200 that fit best"
    )
    exact: bool = Field(False, description="true: the words as they are typed, never taken for misspelt")


@router.get("/search", response=Results, summary="Photos that fit a text")
def by_text(request: HttpRequest, asked: Query[TextSearch]) -> dict[str, Any]:
    """By look, caption and words in one ranking; `why` says what each added.

    A word that no photo holds is read as the nearest one that some do; `corrected` then says what was looked for.
    A query that can't be understood is answered with 400, whose error names the token and its place.
    """
    refuse_unknown(request, TextSearch)
    viewer = viewer_of(request)
    page = search_text(
        viewer,
        asked.q,
        limit=asked.limit,
        cursor=asked.cursor,
        filters=asked.filters(),
        sort=asked.sort,
        exact=asked.exact,
    )
    return as_results(viewer, page)


class PictureSearch(Narrowing):
    q: str = Field("", description="A query beside the picture: its words rank, its conditions narrow")
    words_weight: float = Field(
        1.0,
        description=f"How much the words count beside the picture, up to {MAX_WEIGHT}; below 0 they are unwanted",
    )


class TermIn(Schema, extra="forbid"):
    text: str = Field("", description="Plain words; nothing in them is an operator")
    like: int | None = Field(None, description="Instead of a text the id of a photo: more like it")
    weight: float = Field(
        1.0, description=f"From -{MAX_WEIGHT} to {MAX_WEIGHT}; below 0 the term is unwanted"
    )


class TermSearch(Schema, extra="forbid"):
    terms: list[TermIn] = Field(description=f"At most {MOST_TERMS}, of which one is wanted")
    conditions: str = Field("", description="A query of operators, phrases and words left out")
    limit: int = Field(20, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(None, description="`next` of the page before")
    sort: Literal["relevance", "date"] = "relevance"


class FacetChoice(Schema):
    label: str
    count: int = Field(description="Photos that are left where this is chosen")
    terms: list[str] = Field(description="What to add to the query for it")


class Facets(Schema):
    year: list[FacetChoice]
    tag: list[FacetChoice]
    type: list[FacetChoice]
    colour: list[FacetChoice]
    owner: list[FacetChoice]


class FacetQuery(Schema):
    q: str = Field("", description="A query; empty for all photos")


@router.get("/search/facets", response=Facets, summary="Photos by year, tag, type, colour and owner")
def by_facet(request: HttpRequest, asked: Query[FacetQuery]) -> dict[str, Any]:
    """Of the photos that the conditions of the query allow; its words rank and leave nothing out.

    For year, type and owner the query's own choice of these is left aside, so that others can be chosen instead.
    """
    refuse_unknown(request, FacetQuery)
    return dict(facets(viewer_of(request), asked.q))


class CompletionOut(Schema):
    query: str = Field(description="All that was typed, completed")
    text: str = Field(description="The word or tag by itself")
    kind: Literal["word", "tag", "operator"]


class Completions(Schema):
    suggestions: list[CompletionOut]


class Typed(Schema):
    q: str = Field(description="A query as far as it is typed: its last word is completed")
    limit: int = Field(LIMIT, ge=1, le=20)


@router.get("/suggest", response=Completions, summary="What a query that is being typed may become")
def suggest(request: HttpRequest, asked: Query[Typed]) -> dict[str, Any]:
    """From captions and tags of photos that you may see, the commonest first."""
    refuse_unknown(request, Typed)
    if has_control(asked.q):
        raise InvalidInput("The query holds control characters.", field="q")
    return {"suggestions": completions(viewer_of(request), asked.q, asked.limit)}


@router.post(
    "/search/image", response=Results, summary="Photos that look like a picture, which is not stored"
)
def by_picture(request: HttpRequest, file: File[UploadedFile], asked: Query[PictureSearch]) -> dict[str, Any]:
    """With a query also like its words: "this, but at night". For the page after, send the picture again."""
    refuse_unknown(request, PictureSearch)
    viewer = viewer_of(request)
    page = search_picture(
        viewer,
        cast(IO[bytes], file.file),
        pipeline.encode_query_image,
        limit=asked.limit,
        cursor=asked.cursor,
        filters=asked.filters(),
        words=Words(asked.q, asked.words_weight),
    )
    return as_results(viewer, page)


@router.post("/search", response=Results, summary="Photos by several texts and photos, each with its weight")
def by_terms(request: HttpRequest, asked: TermSearch) -> dict[str, Any]:
    """Terms below zero push away what fits them; `why` tells as `unwanted` what they took from a score."""
    refuse_unknown(request)
    viewer = viewer_of(request)
    page = search_terms(
        viewer,
        [Term(one.text, one.like, one.weight) for one in asked.terms],
        conditions=asked.conditions,
        limit=asked.limit,
        cursor=asked.cursor,
        sort=asked.sort,
    )
    return as_results(viewer, page)


class SavedOut(Schema):
    id: int
    name: str
    query: str
    sort: str
    created_at: datetime


class SavedList(Schema):
    """All of them: an account keeps a limited number."""

    results: list[SavedOut]


class SavedIn(Schema, extra="forbid"):
    query: str
    name: str = Field("", description="The query itself where it is left out; the same name is overwritten")
    sort: Literal["relevance", "date"] = "relevance"


class Click(Schema, extra="forbid"):
    search: str = Field(description="`search` of the answer")
    asset: int
    place: int = Field(description="Its place among all results, from 1")


@router.get("/searches", response=SavedList, auth=Scope(ApiKey.Scope.READ), summary="Your saved searches")
def list_saved(request: HttpRequest) -> dict[str, Any]:
    return {"results": saved.saved_searches(require_scope(request, ApiKey.Scope.READ))}


@router.post("/searches", response={201: SavedOut}, auth=_WRITE, summary="Keep a search to ask it again")
def save(request: HttpRequest, asked: SavedIn) -> Status[SavedSearch]:
    owner = require_scope(request, ApiKey.Scope.WRITE)
    return Status(201, saved.save_search(owner, asked.query, name=asked.name, sort=asked.sort))


@router.delete("/searches/{int:saved_id}", response={204: None}, auth=_WRITE, summary="Forget a saved search")
def forget(request: HttpRequest, saved_id: int) -> Status[None]:
    saved.forget_search(require_scope(request, ApiKey.Scope.WRITE), saved_id)
    return Status(204, None)


@router.post("/search/clicks", response={204: None}, summary="Say that a result was opened")
def clicked(request: HttpRequest, click: Click) -> Status[None]:
    """Kept without who it was. Only where searches are recorded: else no answer names a `search`."""
    record_click(click.search, asset_for(viewer_of(request), click.asset), click.place)
    return Status(204, None)
