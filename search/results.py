"""How matches are told over HTTP, shared by every address that answers with a ranking."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from ninja import Field, Schema

from library.selectors import LIST_THUMBNAIL_PX, thumbnail_url, visible_assets
from search.cards import Card, cards_of
from search.highlights import spans
from search.query import MAX_LIMIT
from search.services import SearchPage

_DECIMALS = 4


class Paging(Schema):
    limit: int = Field(20, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(None, description="`next` of the page before")


class FoundAsset(Schema):
    id: int
    title: str
    caption: str
    thumbnail: str
    width: int
    height: int
    blurhash: str
    picture_text: str = Field(description="What is written in the picture, line by line")


class Result(Schema):
    asset: FoundAsset
    score: float
    why: dict[str, float] = Field(
        description="What each signal (image, caption, keyword, reranker) added to the score"
    )
    matched_words: list[str] = Field(
        description="Words of the photo's texts and tags that were looked for, in lower case without accents"
    )
    highlights: dict[str, list[tuple[int, int]]] = Field(
        description="Where they stand in caption, title and picture_text: start and end, in characters"
    )


class Results(Schema):
    results: list[Result]
    next: str | None = Field(None, description="Cursor of the page after; null on the last one")
    took_ms: int
    search: str | None = Field(
        None, description="Where searches are recorded: names this one for POST /search/clicks"
    )
    reason: str = Field("", description="Why there is nothing, where conditions allow nothing")
    notice: str = Field("", description="What this answer lacks, where a part of the service is away")
    close: bool | None = Field(
        None,
        description="Whether anything comes close to the query. false: nothing does, and the results are only the "
        "nearest: show them under a divider. null: no verdict, as on pages after the first, or by date",
    )
    corrected: str | None = Field(
        None, description="The query as it was read, where words that no photo holds were taken for misspelt"
    )


def as_results(viewer: AbstractBaseUser | AnonymousUser, page: SearchPage) -> dict[str, Any]:
    """A page of matches as `Results`; an asset that is gone since the search is left out."""
    told = visible_assets(viewer).only("title", "width_px", "height_px", "blurhash")
    assets = told.in_bulk([match.asset_id for match in page.matches])
    cards = {card.asset.pk: card for card in cards_of(assets.values(), terms=page.terms)}
    results = [
        {
            "asset": _found_asset(cards[match.asset_id]),
            "score": round(match.score, _DECIMALS),
            "why": {signal: round(worth, _DECIMALS) for signal, worth in match.why.items()},
            "matched_words": sorted(cards[match.asset_id].matched),
            "highlights": _highlights(cards[match.asset_id]),
        }
        for match in page.matches
        if match.asset_id in cards
    ]
    return {
        "results": results,
        "next": page.next,
        "took_ms": page.took_ms,
        "reason": page.reason,
        "notice": page.notice,
        "close": page.close,
        "corrected": page.corrected or None,
        "search": page.record or None,
    }


def _highlights(card: Card) -> dict[str, list[tuple[int, int]]]:
    texts = {"caption": card.caption, "title": card.asset.title, "picture_text": card.picture_text}
    return {name: found for name, text in texts.items() if (found := spans(text, card.matched))}


def _found_asset(card: Card) -> dict[str, Any]:
    return {
        "id": card.asset.pk,
        "title": card.asset.title,
        "caption": card.caption,
        "thumbnail": thumbnail_url(card.asset, LIST_THUMBNAIL_PX),
        "width": card.asset.width_px,
        "height": card.asset.height_px,
        "blurhash": card.asset.blurhash,
        "picture_text": card.picture_text,
    }
