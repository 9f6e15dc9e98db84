"""The conditions of a query over the database: each narrows what may be found exactly, whatever ranks it."""

from collections.abc import Callable, Sequence

from django.db.models import Q, QuerySet
from django.db.models.lookups import GreaterThanOrEqual, LessThan

from captioning.colours import frames_of_colour
from captioning.selectors import assets_reviewed
from library.models import DATED_AT, Asset
from library.selectors import AssetFilters, Viewer, filtered, people_named, tagged, taken_for_unsafe
from search.keywords.holding import WRITTEN, holding
from search.language import OPERATORS, PHRASE, TYPES, WORD, Condition, beginning_of, term

_MINE = AssetFilters(mine=True)
_DATED = frozenset({"after", "before", "by"})


def narrowed(assets: QuerySet[Asset], viewer: Viewer, conditions: Sequence[Condition]) -> QuerySet[Asset]:
    """The assets of which every condition holds.

    A photo has one owner and one type: of several by: or type: any will do.
    """
    alternatives: dict[str, Q] = {}
    for one in conditions:
        q = _CONDITIONS[one.operator](viewer, one.value)
        if one.without:
            assets = assets.exclude(q)
        elif one.operator in OPERATORS and OPERATORS[one.operator].single:
            alternatives[one.operator] = alternatives.get(one.operator, Q()) | q
        else:
            assets = assets.filter(q)
    for q in alternatives.values():
        assets = assets.filter(q)
    return assets


def are_dated(conditions: Sequence[Condition]) -> bool:
    """Whether an index has what they leave in the order of dates: of some time, or of one person, or of both."""
    people = [one for one in conditions if one.operator == "by"]
    return len(people) < 2 and all(one.operator in _DATED and not one.without for one in conditions)


def reason_for_nothing(
    assets: QuerySet[Asset], viewer: Viewer, conditions: Sequence[Condition], parts: Sequence[QuerySet[Asset]]
) -> str:
    """Why none of these assets, which the viewer may see, is left: one condition, or all of them together.

    parts: the same assets, each part in the order of dates, which are sooner asked for dates.
    """
    if not conditions:
        return ""
    if not assets.exists():
        return "There are no photos here that you may see."
    for one in conditions:
        asked = parts if are_dated([one]) else [assets]
        if not any(narrowed(some, viewer, [one]).exists() for some in asked):
            return f"No photo that you may see fits {_told(one)}."
    together = " and ".join(_told(one) for one in conditions)
    return f"No photo that you may see fits {together} together."


def _told(condition: Condition) -> str:
    return term(condition.operator, condition.value, without=condition.without)


def _word(viewer: Viewer, value: str) -> Q:
    return Q(pk__in=holding(value))


def _tag(viewer: Viewer, value: str) -> Q:
    return tagged(value)


def _text(viewer: Viewer, value: str) -> Q:
    """File names are told to their owner only, so nobody else finds by them."""
    own = filtered(Asset.objects.all(), viewer, _MINE).filter(original_name__icontains=value)
    return Q(pk__in=holding(value, WRITTEN)) | Q(pk__in=own.values("pk"))


def _after(viewer: Viewer, value: str) -> Q:
    return Q(GreaterThanOrEqual(DATED_AT, beginning_of(value)))


def _before(viewer: Viewer, value: str) -> Q:
    return Q(LessThan(DATED_AT, beginning_of(value)))


def _type(viewer: Viewer, value: str) -> Q:
    meant = TYPES[value]
    return Q(mime_type=meant) if "/" in meant else Q(kind=meant)


def _colour(viewer: Viewer, value: str) -> Q:
    return Q(pk__in=frames_of_colour(value).values("frame__asset_id"))


def _camera(viewer: Viewer, value: str) -> Q:
    return Q(camera__icontains=value)


def _by(viewer: Viewer, value: str) -> Q:
    if value.lower() == "me":
        return Q(owner_id=viewer.pk) if viewer is not None and viewer.is_authenticated else Q(pk__in=[])
    # As numbers: only so an index has one's photos in the order of dates.
    return Q(owner_id__in=people_named(value))


def _is(viewer: Viewer, value: str) -> Q:
    if value == "reviewed":
        return Q(pk__in=assets_reviewed())
    if value == "unsafe":
        return taken_for_unsafe()
    return Q(visibility=value)


_CONDITIONS: dict[str, Callable[[Viewer, str], Q]] = {
    WORD: _word,
    PHRASE: _word,
    "tag": _tag,
    "text": _text,
    "after": _after,
    "before": _before,
    "type": _type,
    "colour": _colour,
    "camera": _camera,
    "by": _by,
    "is": _is,
}
