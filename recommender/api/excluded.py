"""What a question will not have in its answer, as it is named: `item:a-walk`, `asset:3`, or a bare id."""

from collections.abc import Iterable, Sequence

from core.errors import InvalidInput
from core.texts import has_control
from recommender.api.related_questions import EXCLUDED_MAX, Named
from recommender.models import Item, Site
from recommender.refs import Ref

_ITEM, _ASSET = "item:", "asset:"
_ID_DIGITS_MAX = 19


def of_list(site: Site | None, text: str, *, bare_assets: bool) -> frozenset[Ref]:
    """Of one value with commas between the names. InvalidInput for too many, and for what is no photo's id."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    if len(names) > EXCLUDED_MAX:
        raise InvalidInput(f"exclude names at most {EXCLUDED_MAX}.", field="exclude")
    return of_names(site, names, bare_assets=bare_assets)


def of_names(site: Site | None, names: Iterable[str], *, bare_assets: bool = False) -> frozenset[Ref]:
    """Of one name each. Items that the site does not have are left out. InvalidInput for what is no photo's id."""
    bare = _ASSET if bare_assets else _ITEM
    whole = [name if name.startswith((_ITEM, _ASSET)) else bare + name for name in names]
    photos = frozenset(
        Ref(False, _number(name.removeprefix(_ASSET))) for name in whole if name.startswith(_ASSET)
    )
    return photos | _items(site, [name.removeprefix(_ITEM) for name in whole if name.startswith(_ITEM)])


def of_question(site: Site | None, given: Sequence[Named]) -> frozenset[Ref]:
    """Of a question in JSON."""
    assets = frozenset(Ref(False, one.asset) for one in given if one.asset is not None)
    return assets | _items(site, [one.item for one in given if one.item is not None])


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < _ID_DIGITS_MAX):
        raise InvalidInput(f"exclude: {text[:40]!r} is not the id of a photo.", field="exclude")
    return int(text)


def _items(site: Site | None, external_ids: Iterable[str]) -> frozenset[Ref]:
    known = [one for one in external_ids if not has_control(one)]  # which no database looks for
    if site is None or not known:
        return frozenset()
    found = Item.objects.filter(site=site, external_id__in=known).values_list("pk", flat=True)
    return frozenset(Ref(True, pk) for pk in found)
