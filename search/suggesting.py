"""Counting the words of captions, people's tags and all other words, by who may see them.

The first two are suggested while typing; all words are what spelling knows.

Counts follow the documents, in the transaction that writes these. What is deleted meanwhile leaves counts that are
too high, which only spoils the order until the nightly count.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from django.db import connection, transaction
from django.db.models import Q

from library.models import Asset
from search.keywords.holding import EVERYWHERE
from search.keywords.words import STOP_WORDS
from search.models import KeywordDocument, SuggestedWords, Suggestion

_MIN_CHARS, _MAX_CHARS = 2, 64
_BATCH_SIZE = 500
_ADD = """
    INSERT INTO search_suggestion (audience, kind, text, count) VALUES (%s, %s, %s, %s)
    ON CONFLICT (audience, text, kind) DO UPDATE SET count = search_suggestion.count + excluded.count
"""
#: (audience, kind, text)
_Key = tuple[int, str, str]


def count_words(asset_ids: Iterable[int]) -> None:
    """Has the counts follow the documents of these assets. Safe to repeat; call it in a transaction."""
    ids = sorted(set(asset_ids))
    for start in range(0, len(ids), _BATCH_SIZE):
        _count(ids[start : start + _BATCH_SIZE])


def recount() -> int:
    """All counts afresh, also of assets that were never counted; returns how many suggestions there are.

    Meanwhile what is there goes on being suggested.
    """
    never = KeywordDocument.objects.filter(
        Q(asset__suggested_words=None) | Q(asset__suggested_words__others="")
    )
    for asset_ids in _batches(list(never.values_list("asset_id", flat=True))):
        with transaction.atomic():
            count_words(asset_ids)
    with transaction.atomic():
        counts: Counter[_Key] = Counter()
        for row in SuggestedWords.objects.iterator(chunk_size=2000):
            counts.update(_keys(row))
        Suggestion.objects.all().delete()
        Suggestion.objects.bulk_create(
            (
                Suggestion(audience=audience, kind=kind, text=text, count=count)
                for (audience, kind, text), count in counts.items()
            ),
            batch_size=_BATCH_SIZE,
        )
    return len(counts)


def _count(asset_ids: Sequence[int]) -> None:
    documents = {
        document["asset_id"]: document
        for document in KeywordDocument.objects.filter(asset_id__in=asset_ids).values("asset_id", *EVERYWHERE)
    }
    assets = Asset.objects.filter(pk__in=documents).prefetch_related("tags")
    rows = [_row(asset, documents[asset.pk]) for asset in assets]
    before = SuggestedWords.objects.filter(asset_id__in=asset_ids)
    change: Counter[_Key] = Counter()
    change.update(key for row in rows for key in _keys(row))
    change.subtract(key for row in before for key in _keys(row))
    SuggestedWords.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["asset"],
        update_fields=["audience", "words", "tags", "others"],
    )
    # In order, so that two writers never wait for each other in a circle.
    added = [(*key, count) for key, count in sorted(change.items()) if count]
    if added:
        with connection.cursor() as cursor:
            cursor.executemany(_ADD, added)


def _row(asset: Asset, document: Mapping[str, str]) -> SuggestedWords:
    public = asset.visibility == Asset.Visibility.PUBLIC
    words = _telling(document["captions"])
    others = _telling(" ".join(document[name] for name in EVERYWHERE))
    tags = dict.fromkeys(tag.name.lower() for tag in asset.tags.all())
    return SuggestedWords(
        asset=asset,
        audience=SuggestedWords.EVERYBODY if public else asset.owner_id,
        words=f" {' '.join(words)} ",
        tags="\n" + "".join(f"{tag}\n" for tag in tags),
        others=f" {' '.join(word for word in others if word not in words)} ",
    )


def _telling(text: str) -> dict[str, None]:
    return dict.fromkeys(word for word in text.split() if _is_telling(word))


def _is_telling(word: str) -> bool:
    return word not in STOP_WORDS and _MIN_CHARS <= len(word) <= _MAX_CHARS and not word.isdigit()


def _keys(row: SuggestedWords) -> list[_Key]:
    words = [(row.audience, Suggestion.Kind.WORD.value, word) for word in row.words.split()]
    tags = [(row.audience, Suggestion.Kind.TAG.value, tag) for tag in row.tags.split("\n") if tag]
    others = [(row.audience, Suggestion.Kind.OTHER.value, word) for word in row.others.split()]
    return words + tags + others


def _batches(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[start : start + _BATCH_SIZE] for start in range(0, len(ids), _BATCH_SIZE))
