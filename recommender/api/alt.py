"""Words for pictures of a site's pages that have none."""

from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema

from core.errors import NotFound
from recommender.alternative_texts import AlternativeText, alternative_text, alternative_texts
from recommender.api import answers, doors
from recommender.site_access import SiteAccess, SiteCaller

router = Router(tags=["Related"], auth=SiteAccess())
_URLS_MAX, _URL_MAX_CHARS = 100, 2000


class AltAnswer(Schema):
    alt: str
    source: Literal["model", "human", "imported"] = Field(description="model: a machine wrote it; say so")
    reviewed: bool = Field(description="A person wrote it, or accepted what the machine wrote")


class AltQuery(Schema):
    url: str = Field(max_length=_URL_MAX_CHARS, description="Of the picture, as the page names it")
    key: str = Field("", description="The site's publishable key, where no header is sent")


class AltQuestion(Schema, extra="forbid"):
    urls: list[Annotated[str, Field(max_length=_URL_MAX_CHARS)]] = Field(
        min_length=1, max_length=_URLS_MAX, description="Of the pictures, as the page names them"
    )


class PictureAlt(AltAnswer):
    url: str = Field(description="As it was asked for")


class AltAnswers(Schema):
    results: list[PictureAlt] = Field(description="Of the pictures that there is a description of")


@router.get("/alt", response=AltAnswer, summary="Alternative text for a picture of the site")
def alt(request: HttpRequest, asked: Query[AltQuery]) -> HttpResponse:
    """Of pictures of the site's items, by the address that the site gave; of these and of public photos that the site
    may show by the one that we serve, or by the SHA-256 that an address ends in. 404 for others.
    """
    caller = _caller(request)
    answer = _told(alternative_text(caller.site, asked.url, request.get_host()))
    return answers.cached(request, answer, public=caller.is_page)


@router.post("/alt", response=AltAnswers, summary="Alternative texts for many pictures of the site")
def alts(request: HttpRequest, asked: AltQuestion) -> dict[str, Any]:
    """For all pictures of a page at once; those that `GET` answers with 404 are left out."""
    found = alternative_texts(_caller(request).site, asked.urls, request.get_host())
    return {"results": [{"url": url, **_told(text)} for url, text in found.items()]}


def _caller(request: HttpRequest) -> SiteCaller:
    caller = doors.page_or_person(request)
    if caller is None:
        raise NotFound("Only a site's key is answered here.")
    return caller


def _told(text: AlternativeText) -> dict[str, Any]:
    return {"alt": text.text, "source": text.source, "reviewed": text.reviewed}
