"""From an item's words to its vectors: long texts are split, each part is encoded, and the parts are pooled."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice

import numpy as np
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from numpy.typing import NDArray

from recommender.models import Item, ItemPosition, ItemVector
from search.active import ActiveEmbedder, active_embedders, active_models
from search.embedders.base import Embedder
from search.encoding import loaded
from search.index.base import Vectors

#: About the 256 tokens that the sentence encoder reads of a text.
PART_MAX_CHARS = 900
#: Beyond these a text says nothing new of what it is about.
PARTS_MAX = 24
#: What the title and the tags weigh against all parts of the text together.
_HEAD_SHARE = 0.4
_BATCH = 64
#: Longer than one try may take: a worker that dies over an item leaves it to be tried again then. After each further
#: try four times as long, but no longer than a day; nothing tells a site of it, so it is never given up.
_LEASE, _LONGEST = timedelta(minutes=5), timedelta(days=1)
#: Marks vectors of words that have changed since.
_OUTDATED = ""
_PARAGRAPH, _SENTENCE = re.compile(r"\n\s*\n"), re.compile(r"(?<=[.!?。！？])\s+")


def words_of_item(item: Item) -> tuple[str, list[str]]:
    """Title and tags as one line, and the text in parts that an encoder can read whole."""
    head = ". ".join(filter(None, [item.title, ", ".join(item.tags)]))
    return head, list(islice(parts_of(item.text), PARTS_MAX))


def parts_of(text: str, max_chars: int = PART_MAX_CHARS) -> Iterator[str]:
    """A text cut between paragraphs, else sentences, else words, else anywhere; parts are as long as fits."""
    so_far = ""
    for piece in _pieces(text, max_chars):
        if so_far and len(so_far) + 1 + len(piece) > max_chars:
            yield so_far
            so_far = piece
        else:
            so_far = f"{so_far} {piece}" if so_far else piece
    if so_far:
        yield so_far


def encoded(items: Sequence[Item], space: str, model: ActiveEmbedder) -> Vectors:
    """The vectors (N, dimension) of items in one space, by this model, unit length. ModelUnavailable without it."""
    texts: list[str] = []
    shares: list[list[tuple[int, float]]] = []
    for item in items:
        head, parts = words_of_item(item)
        weighed = [(head, _HEAD_SHARE if parts else 1.0)] if head else []
        weighed += [(part, (1.0 - _HEAD_SHARE if head else 1.0) / len(parts)) for part in parts]
        shares.append([(len(texts) + at, weight) for at, (_, weight) in enumerate(weighed)])
        texts += [text for text, _ in weighed]
    known = _in_batches(texts, loaded(space, model))
    return np.stack([_pooled(known, share) for share in shares])


def items_without_vectors(models: Mapping[str, str] | None = None) -> QuerySet[Item]:
    """Items that lack a vector in a space, or whose words changed since. models: the id of each space's model; the
    active ones where it is left out.
    """
    lacking = Item.objects.none()
    for space, model_id in (active_models() if models is None else models).items():
        current = ItemVector.objects.filter(item=OuterRef("pk"), space=space, model_id=model_id).exclude(
            words_sha256=_OUTDATED
        )
        lacking = lacking | Item.objects.filter(~Exists(current))
    return lacking


def due(now: datetime | None = None) -> QuerySet[Item]:
    """Items whose words are to be encoded by now: those that were tried in vain wait for a while."""
    put_off = _tried().filter(words_due_at__gt=now or timezone.now())
    return items_without_vectors().exclude(pk__in=put_off.values("pk"))


def claim(count: int) -> list[int]:
    """Takes up to so many items for this process, by putting off when they are tried again.

    Those that were tried before come last, and each by itself: it may be what the others' try failed for.
    ModelUnavailable where none can be encoded now; then none is taken.
    """
    now = timezone.now()
    fresh = items_without_vectors().exclude(pk__in=_tried().values("pk")).order_by("-pk")
    chosen, attempts = list(fresh.values_list("pk", flat=True)[:count]), 0
    if not chosen:
        again = _tried().filter(words_due_at__lte=now, pk__in=items_without_vectors().values("pk"))
        found = again.order_by("words_due_at").values_list("pk", "words_attempts").first()
        if found is None:
            return []
        chosen, attempts = [found[0]], found[1]
    for space, model in active_embedders().items():
        loaded(space, model)
    with transaction.atomic():
        still = Item.objects.select_for_update(skip_locked=True, no_key=True)
        taken = list(still.filter(pk__in=chosen, words_attempts=attempts).values_list("pk", flat=True))
        Item.objects.filter(pk__in=taken).update(
            words_attempts=attempts + 1, words_due_at=now + min(_LEASE * 4 ** min(attempts, 9), _LONGEST)
        )
    return taken


def embed_items(item_ids: Iterable[int], models: Mapping[str, ActiveEmbedder] | None = None) -> int:
    """Encodes these items and makes them findable; how many. Safe to repeat, and by two at once.

    models: those of some spaces, to be switched to; the active ones where it is left out. A switch meanwhile changes
    nothing of it: vectors go by the id of the model that made them.
    """
    items = list(Item.objects.filter(pk__in=list(item_ids)))
    if not items:
        return 0
    models = active_embedders() if models is None else models
    vectors = {space: encoded(items, space, model) for space, model in models.items()}
    with transaction.atomic():
        position = _locked_position()
        # Read again under the lock: what was deleted or changed meanwhile is left to the next run.
        here = Item.objects.select_for_update(no_key=True).filter(pk__in=[item.pk for item in items])
        unchanged = dict(here.order_by("pk").values_list("pk", "content_sha256"))
        current = [at for at, item in enumerate(items) if unchanged.get(item.pk) == item.content_sha256]
        for space, of_space in vectors.items():
            _record(space, models[space].model_id, [items[at] for at in current], of_space[current], position)
        position.save()
        _try_at_once(items[at].pk for at in current)
    return len(current)


def mark_outdated(item_ids: Iterable[int]) -> None:
    """The words of these items changed: they are encoded again, and found by their old ones until then."""
    item_ids = list(item_ids)
    ItemVector.objects.filter(item_id__in=item_ids).update(words_sha256=_OUTDATED)
    _try_at_once(item_ids)


def _tried() -> QuerySet[Item]:
    """Items that are being encoded, or that were tried in vain."""
    return Item.objects.filter(words_attempts__gt=0)


def _try_at_once(item_ids: Iterable[int]) -> None:
    """What was wrong with former words of these items says nothing of the next. The caller holds their locks."""
    _tried().filter(pk__in=list(item_ids)).update(words_attempts=0, words_due_at=None)


def _record(
    space: str, model_id: str, items: Sequence[Item], vectors: Vectors, position: ItemPosition
) -> None:
    rows = [
        ItemVector(
            item=item,
            space=space,
            model_id=model_id,
            vector=np.ascontiguousarray(vector, dtype="<f4").tobytes(),
            words_sha256=_digest(item),
            number=position.last_number + at,
        )
        for at, (item, vector) in enumerate(zip(items, vectors, strict=True), start=1)
    ]
    ItemVector.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["item", "space", "model_id"],
        update_fields=["vector", "words_sha256", "number"],
        batch_size=500,
    )
    position.last_number += len(rows)


def _locked_position() -> ItemPosition:
    """The one row, held until the commit, so that numbers are committed in the order in which they are given."""
    position, _ = ItemPosition.objects.get_or_create(pk=1)
    return ItemPosition.objects.select_for_update().get(pk=position.pk)


def _digest(item: Item) -> str:
    head, parts = words_of_item(item)
    return sha256("\n".join([head, *parts]).encode()).hexdigest()


def _pieces(text: str, max_chars: int) -> Iterator[str]:
    for paragraph in _PARAGRAPH.split(text):
        for sentence in _SENTENCE.split(paragraph):
            yield from _fitting(" ".join(sentence.split()), max_chars)


def _fitting(text: str, max_chars: int) -> Iterator[str]:
    """One sentence, or an endless one cut between words, or within a word where that is longer than all room."""
    while len(text) > max_chars:
        cut = text.rfind(" ", 1, max_chars + 1)
        cut = cut if cut > 0 else max_chars
        yield text[:cut]
        text = text[cut:].lstrip()
    if text:
        yield text


def _in_batches(texts: Sequence[str], model: Embedder) -> NDArray[np.float32]:
    starts = range(0, len(texts), _BATCH)
    chunks = [model.embed_queries(texts[start : start + _BATCH]) for start in starts]
    return np.concatenate(chunks) if chunks else np.zeros((0, model.dimension), dtype=np.float32)


def _pooled(known: Vectors, share: Sequence[tuple[int, float]]) -> Vectors:
    """The weighted mean, of unit length; zeros for an item without words, which nothing is like."""
    if not share:
        return np.zeros(known.shape[1], dtype=np.float32)
    mean = np.sum([known[at] * weight for at, weight in share], axis=0)
    length = float(np.linalg.norm(mean))
    pooled = mean / length if length > 0 else known[share[0][0]]
    return np.asarray(pooled, dtype=np.float32)
