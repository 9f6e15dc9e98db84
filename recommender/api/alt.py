"""Words for pictures of a site's pages that have none."""

from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema

from core.errors import NotFound
from recommender.alternative_texts import alternative_text
from recommender.api import answers, doors
from recommender.site_access import SiteAccess

router = Router(tags=["Related"], auth=SiteAccess())


class AltAnswer(Schema):
    alt: str
    source: Literal["model", "human", "imported"] = Field(description="model: a machine wrote it; say so")
    reviewed: bool = Field(description="A person wrote it, or accepted what the machine wrote")


class AltQuery(Schema):
    url: str = Field(max_length=2000, description="Of the picture, as the page names it")
    key: str = Field("", description="The site's publishable key, where no header is sent")


@router.get("/alt", response=AltAnswer, summary="Alternative text for a picture of the site")
def alt(request: HttpRequest, asked: Query[AltQuery]) -> HttpResponse:
    """Of pictures of the site's items, by the address that the site gave; of these and of public photos that the site
    may show by the one that we serve, or by the SHA-256 that an address ends in. 404 for others.
    """
    caller = doors.page_or_person(request)
    if caller is None:
        raise NotFound("Only a site's key is answered here.")
    found = alternative_text(caller.site, asked.url, request.get_host())
    answer: dict[str, Any] = {"alt": found.text, "source": found.source, "reviewed": found.reviewed}
    return answers.cached(request, answer, public=caller.is_page)
