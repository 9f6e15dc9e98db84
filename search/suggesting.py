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
_READ_AT_ONCE = 2000
_ADD = """
    INSERT INTO search_suggestion (audience, kind, text, count) VALUES (%s, %s, %s, %s)
    ON CONFLICT (audience, text, kind) DO UPDATE SET count = search_suggestion.count + excluded.count
"""
#: (audience, kind, text)
_Key = tuple[int, str, str]
_Added = tuple[int, str, str, int]


def count_words(asset_ids: Iterable[int]) -> None:
    """Has the counts follow the documents of these assets. Safe to repeat; call it in a transaction."""
    ids = sorted(set(asset_ids))
    for start in range(0, len(ids), _BATCH_SIZE):
        _count(ids[start : start + _BATCH_SIZE])


def recount() -> int:
    """All counts put right, also of assets that were never counted; returns how many suggestions there are.

    Only what differs is written, in steps that keep nobody waiting. What others count while this one reads may be off
    by that much until the next time.
    """
    never = KeywordDocument.objects.filter(
        Q(asset__suggested_words=None) | Q(asset__suggested_words__others="")
    )
    for asset_ids in _batches(list(never.values_list("asset_id", flat=True))):
        with transaction.atomic():
            count_words(asset_ids)
    stored = Suggestion.objects.values_list("audience", "kind", "text", "count")
    change: Counter[_Key] = Counter()
    for audience, kind, text, count in stored.iterator(chunk_size=_READ_AT_ONCE):
        change[audience, kind, text] = -count
    for row in SuggestedWords.objects.iterator(chunk_size=_READ_AT_ONCE):
        change.update(_keys(row))
    added = _in_order(change)
    for start in range(0, len(added), _BATCH_SIZE):
        with transaction.atomic():
            _add(added[start : start + _BATCH_SIZE])
    _drop_uncounted()
    return Suggestion.objects.count()


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
    if added := _in_order(change):
        _add(added)


def _in_order(change: Counter[_Key]) -> list[_Added]:
    """What is to be added to which count: in one order, so that two writers never wait for each other in a circle."""
    return [(*key, count) for key, count in sorted(change.items()) if count]


def _add(added: Sequence[_Added]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(_ADD, added)


def _drop_uncounted() -> None:
    """Removes what nobody says any more, but for what another is just counting."""
    while True:
        with transaction.atomic():
            none_left = Suggestion.objects.filter(count__lte=0).select_for_update(skip_locked=True)
            keys = list(none_left.values_list("pk", flat=True)[:_BATCH_SIZE])
            Suggestion.objects.filter(pk__in=keys).delete()
        if len(keys) < _BATCH_SIZE:
            return


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
