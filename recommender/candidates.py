"""The first look: what may be shown and is near what is asked for, by vectors. The rest of the likeness comes after."""

from collections.abc import Callable, Mapping, Set
from concurrent.futures import Future
from functools import partial

from django.db.models import Exists, OuterRef, QuerySet

from core.ids import Prepared, any_of
from library.models import Asset
from recommender.item_index import item_index
from recommender.models import Item
from recommender.refs import Ref
from recommender.related_things import ASSET_FIELDS, LOOKS, SENTENCES, Thing, things_of
from recommender.scoring.relatedness import Vector, query_vector
from recommender.wish import Wish
from search.active import active_models
from search.candidates import nearest
from search.engines import engine_of
from search.index.base import Hits
from search.scope import Scope
from search.signals import VectorSignal

#: How much more widely is asked where too few of what is near may be shown.
WIDENING = 4
_ITEM_FIELDS = (
    *("site", "external_id", "title", "url", "language", "tags", "attributes"),
    "asset",
)


def things_near(wish: Wish, depth: int) -> list[Thing]:
    """Of what may be shown and is not excluded the nearest of each kind and in each space: at least so many of each,
    where there are. First the photos, then the items, the newest first.
    """
    look = query_vector(wish.examples, lambda one: one.look if one.look is not None else one.words_look)
    words = query_vector(wish.examples, lambda one: one.words if one.words is not None else one.caption)
    said = query_vector(wish.examples, lambda one: one.caption if one.caption is not None else one.words)
    models, excluded = active_models(), wish.excluded
    begin = partial(_begin_by_words, wish, _asked({LOOKS: look, SENTENCES: words}), models)
    begun = begin(depth)
    photos, of_photos = _by_pictures(wish, _asked({LOOKS: look, SENTENCES: said}), models, depth)
    items = {item.pk: item for item in [*_by_words(wish, begin, begun, depth), *of_photos]}
    return things_of(
        [asset for asset in photos if Ref(False, asset.pk) not in excluded],
        [items[pk] for pk in sorted(items, reverse=True) if Ref(True, pk) not in excluded],
        models,
    )


def told_items(items: QuerySet[Item], *more: str) -> QuerySet[Item]:
    """In no order, with their pictures, without their texts, for which their vectors stand. more: further columns."""
    pictures = [f"asset__{name}" for name in ASSET_FIELDS]
    return items.select_related("asset").only(*_ITEM_FIELDS, *pictures, *more).order_by()


def _asked(vectors: Mapping[str, Vector | None]) -> dict[str, Vector]:
    return {space: vector for space, vector in vectors.items() if vector is not None}


def _by_pictures(
    wish: Wish, vectors: Mapping[str, Vector], models: Mapping[str, str], depth: int
) -> tuple[list[Asset], list[Item]]:
    """Photos that may be shown and items by their pictures: both are looked for together."""
    if not vectors or (wish.photos is None and wish.items is None):
        return [], []
    pictures = _Pictures(wish)
    signals = [VectorSignal(space, engine_of(space, models[space]), vectors, pictures) for space in vectors]
    near, _ = nearest(signals, pictures, depth)
    photos = [
        pictures.photos[asset_id] for asset_id in sorted(near, reverse=True) if asset_id in pictures.photos
    ]
    of_photos = [item for item in pictures.items if item.asset_id in near]
    return photos, [item for item in of_photos if wish.filters.admits(item)]


class _Pictures(Scope):
    """Photos that may be shown, and pictures of items that may. What is found is read at once, and kept."""

    def __init__(self, wish: Wish) -> None:
        super().__init__(lambda: _pictures(wish))
        self._wish = wish
        self.photos: dict[int, Asset] = {}
        self.items: list[Item] = []

    def among(self, asset_ids: Set[int]) -> set[int]:
        wish, these = self._wish, any_of(asset_ids)
        seen = Asset.objects.none() if wish.photos is None else wish.photos.filter(pk__in=these)
        photos = list(seen.only(*ASSET_FIELDS).order_by())
        items: list[Item] = []
        # Few photos are an item's picture. Which are, tells a query that need not be put together each time.
        if wish.items is not None and (with_these := _WITH_PICTURES.rows(asset_ids)):
            shown = told_items(wish.items.filter(pk__in=any_of(pk for (pk,) in with_these)))
            items = list(shown)
        self.photos |= {asset.pk: asset for asset in photos}
        self.items += items
        return {asset.pk for asset in photos} | {item.asset_id for item in items if item.asset_id is not None}


_WITH_PICTURES = Prepared(
    lambda asset_ids: Item.objects.filter(asset_id__in=asset_ids).order_by().values_list("pk")
)


def _pictures(wish: Wish) -> QuerySet[Asset]:
    if wish.items is None:
        assert wish.photos is not None
        return wish.photos
    # Conditions of one row each: a list of all items would be made anew for every search.
    of_items = Asset.objects.filter(Exists(wish.items.filter(asset=OuterRef("pk"))))
    return of_items if wish.photos is None else wish.photos | of_items


def _begin_by_words(
    wish: Wish, vectors: Mapping[str, Vector], models: Mapping[str, str], width: int
) -> list[Future[Hits]]:
    """Searches for the nearest items, one in each space: they take the longest, and photos are looked for meanwhile."""
    if wish.site is None or wish.items is None:
        return []
    return [
        item_index(space, models[space]).begin_search(vector, wish.site.pk, width)
        for space, vector in vectors.items()
    ]


def _by_words(
    wish: Wish, begin: Callable[[int], list[Future[Hits]]], begun: list[Future[Hits]], depth: int
) -> list[Item]:
    """What these searches found and may be shown and passes; they are begun anew, more widely, until it is enough."""
    width = depth
    while wish.items is not None and begun:
        hits = [search.result() for search in begun]
        near = {item_id for of_space in hits for item_id in of_space.frame_ids.tolist()}
        shown = told_items(wish.items.filter(pk__in=any_of(near)))
        kept = [item for item in shown if wish.filters.admits(item)]
        if all(len(of_space) < width for of_space in hits) or len(kept) >= depth:
            return kept
        width *= WIDENING
        begun = begin(width)
    return []
