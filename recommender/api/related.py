"""What belongs beside a photo, an item, or what somebody sends, over HTTP."""

from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from core.errors import InvalidInput, NotFound
from core.ids import MAX_ID
from core.requests import refuse_unknown
from library.access import Anyone, viewer_of
from library.models import Asset
from library.selectors import asset_for, listed_assets
from recommender.api import answers, doors, excluded
from recommender.api.answers import RelatedAnswer
from recommender.api.related_questions import (
    QUESTION_BODY,
    ExampleIn,
    RelatedQuery,
    RelatedQuestion,
    read_question,
)
from recommender.interactions import checked_visitor
from recommender.models import Site
from recommender.related import ASSET, ITEM, examples_of
from recommender.related_lists import Place, related_list, shown_before
from recommender.related_things import Thing, fresh_item, things_of, told
from recommender.scoring.relatedness import Example, Known
from recommender.site_access import SiteAccess, SiteCaller, site_key_caller_of
from recommender.site_selectors import assets_shown_by, item_of, own_site
from recommender.wish import Wish

router = Router(tags=["Related"])


class AnyoneOrSite(Anyone):
    """For operations that strangers and people use, and sites by their keys."""

    def __call__(self, request: HttpRequest) -> Any:
        return site_key_caller_of(request) or super().__call__(request)


@router.get(
    "/assets/{int:asset_id}/related",
    response=RelatedAnswer,
    auth=AnyoneOrSite(),
    summary="What belongs beside a photo",
)
def of_asset(request: HttpRequest, asset_id: int, asked: Query[RelatedQuery]) -> HttpResponse:
    """Like it in what they show, how they look and what people call them; varied, without copies."""
    refuse_unknown(request, RelatedQuery)
    caller = doors.page_or_person(request)
    asset = _shown_asset(request, caller, asset_id)
    ((seed),) = things_of([asset], [])
    site = caller.site if caller else _named_site(request, asked.site)
    return _beside(request, seed, asked, kind=asked.kind or ASSET, site=site)


@router.get(
    "/sites/{site}/items/{external_id}/related",
    response=RelatedAnswer,
    auth=SiteAccess(),
    summary="What belongs beside an item",
)
def of_item(request: HttpRequest, site: str, external_id: str, asked: Query[RelatedQuery]) -> HttpResponse:
    """Works for an item that came this moment. Pages call it with the publishable key."""
    refuse_unknown(request, RelatedQuery)
    caller = doors.reader(request, site)
    seed = fresh_item(item_of(caller.site, external_id))
    return _beside(request, seed, asked, kind=asked.kind or ITEM, site=caller.site)


@router.post(
    "/related",
    response=RelatedAnswer,
    auth=AnyoneOrSite(),
    summary="What belongs beside a text, a picture, or several examples",
    openapi_extra=QUESTION_BODY,
)
def of_question(request: HttpRequest) -> dict[str, Any]:
    """JSON, or a form with the JSON as `question` and a file as `picture`, which is not stored."""
    caller = doors.page_or_person(request)
    question, look = read_question(request)
    site = caller.site if caller else _named_site(request, question.site)
    things, examples = _examples(request, caller, site, question)
    if question.text or look is not None:
        examples.insert(0, Example(told(question.text, look)))
    if not any(one.weight > 0 for one in examples):
        raise InvalidInput("Send a text, a picture or examples: there is nothing to relate to.", field="text")
    wish = Wish(
        examples,
        *_candidates(request, site, question.kind),
        limit=question.limit,
        filters=question.filters.as_filters(),
        exclude=excluded.of_question(site, question.exclude),
        shown=things,
        diversity=_diversity(question.diversity, site),
    )
    visitor = _visitor(question.visitor, question.diversity)
    place = Place(site, scenario=question.scenario, visitor=visitor)
    return answers.told(related_list(wish, place)) | {"next": None}


def _beside(
    request: HttpRequest, seed: Thing, asked: RelatedQuery, *, kind: str, site: Site | None
) -> HttpResponse:
    about = str(seed.ref)
    before = shown_before(asked.cursor, about)
    caller = site_key_caller_of(request)
    wish = Wish(
        examples_of(seed),
        *_candidates(request, site, kind),
        limit=asked.limit,
        filters=asked.as_filters(),
        exclude=excluded.of_list(site, asked.exclude, bare_assets=kind == ASSET),
        shown=[seed],
        diversity=_diversity(asked.diversity, site),
    )
    place = Place(site, about, asked.scenario, _visitor(asked.visitor, asked.diversity))
    found = related_list(wish, place, before)
    public = caller.is_page if caller else not viewer_of(request).is_authenticated
    # What one visitor is shown is nobody else's.
    return answers.cached(
        request, answers.told(found), public=public and not asked.visitor, arm=found.made.arm
    )


def _visitor(name: str, diversity: float | None) -> str:
    """Who takes part in an experiment: nobody where the caller chose what an experiment would."""
    visitor = checked_visitor(name) if name else ""
    return visitor if diversity is None else ""


def _candidates(request: HttpRequest, site: Site | None, kind: str) -> tuple[Any, Site | None]:
    """Which photos may be shown, and whose items. A site shows what its pages may show, whoever asks for it."""
    if kind == ITEM and site is None:
        raise InvalidInput(
            "kind=item needs a site: send a site's key, or name a site of yours.", field="kind"
        )
    if site is None:
        return listed_assets(viewer_of(request)), None
    return None if kind == ITEM else assets_shown_by(site), None if kind == ASSET else site


def _shown_asset(request: HttpRequest, caller: SiteCaller | None, asset_id: int) -> Asset:
    """A photo that the caller may ask about; a site also about pictures of its own items."""
    if caller is None:
        return asset_for(viewer_of(request), asset_id)
    pictures = Asset.objects.filter(items__site=caller.site)
    for shown in (assets_shown_by(caller.site), pictures):
        if 0 < asset_id <= MAX_ID and (asset := shown.filter(pk=asset_id).first()):
            return asset
    raise NotFound("There is no such asset.")


def _named_site(request: HttpRequest, slug: str) -> Site | None:
    """The site that its owner names; NotFound for somebody else's."""
    if not slug:
        return None
    viewer = viewer_of(request)
    if not viewer.is_authenticated:
        raise NotFound("There is no such site.")
    return own_site(cast(Any, viewer), slug)


def _examples(
    request: HttpRequest, caller: SiteCaller | None, site: Site | None, question: RelatedQuestion
) -> tuple[list[Thing], list[Example]]:
    """What is named, and what is asked for more and less of."""
    things: list[Thing] = []
    examples: list[Example] = []
    for sign, given in [(1.0, question.examples), (-1.0, question.negatives)]:
        for one in given:
            thing = _thing(request, caller, site, one)
            if thing is not None:
                things.append(thing)
            known = thing.known if thing is not None else _told_text(one)
            if not known.is_empty:
                examples.append(Example(known, sign * one.weight))
    return things, examples


def _thing(
    request: HttpRequest, caller: SiteCaller | None, site: Site | None, named: ExampleIn
) -> Thing | None:
    if sum(one is not None for one in (named.item, named.asset, named.text)) != 1:
        raise InvalidInput("An example is one of item, asset and text.", field="examples")
    if named.asset is not None:
        asset = _shown_asset(request, caller, named.asset)
        return things_of([asset], [])[0]
    if named.item is None:
        return None
    if site is None:
        raise InvalidInput("Items belong to a site: send its key, or name it.", field="examples")
    return fresh_item(item_of(site, named.item))


def _told_text(one: ExampleIn) -> Known:
    text = (one.text or "").strip()
    if not text:
        raise InvalidInput("An example's text must not be empty.", field="examples")
    return told(text)


def _diversity(asked: float | None, site: Site | None) -> float:
    if asked is not None:
        return asked
    usual: float = settings.RELATED_DIVERSITY
    return usual if site is None else site.diversity
