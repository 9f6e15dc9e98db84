"""What the columns of an index tell of a search's filters, so that a vector engine narrows by itself.

What it finds is asked of the database all the same. As of the last run of the index stage this lets through what is
allowed, and sometimes more.
"""

from collections.abc import Sequence

from library.models import Asset
from library.selectors import AssetFilters, Viewer, people_named
from search import labels
from search.columns import microseconds
from search.index.where import Comparison, Where
from search.keywords import query_words
from search.language import OPERATORS, Condition, beginning_of

#: Nobody's id.
_NOBODY = -1
_OPPOSITES = {"==": "!=", "!=": "==", "<": ">=", ">=": "<"}

AnyOf = tuple[Comparison, ...]


def where(viewer: Viewer, filters: AssetFilters, conditions: Sequence[Condition]) -> Where | None:
    """The set of `answering.allowed`, or a wider one, as a predicate over the columns of an index.

    None where a condition that must hold has no column. What must not hold and has none is left to the database, which
    checks every hit: it leaves few out. None also where nothing but that is asked.
    """
    all_of = [(_visibility(Asset.Visibility.PUBLIC), _owner(viewer)), *_of_filters(viewer, filters)]
    alternatives: dict[str, AnyOf] = {}
    for one in conditions:
        label, any_of = _label(one), _of_condition(viewer, one)
        if one.without:
            all_of += [(_opposite(each),) for each in any_of or ()]
        elif label is not None:
            all_of += [(each,) for each in labels.having(label)]
        elif any_of is None:
            return None
        elif OPERATORS[one.operator].single:
            alternatives[one.operator] = (*alternatives.get(one.operator, ()), *any_of)
        else:
            all_of.append(any_of)
    told = (*all_of, *alternatives.values())
    if conditions and len(told) == 1:  # who may see it, and nothing of what is asked
        return None
    return Where(told, _named(filters, conditions))


def _of_filters(viewer: Viewer, filters: AssetFilters) -> list[AnyOf]:
    all_of: list[Comparison] = []
    if filters.mine is not None:
        all_of.append(_owner(viewer) if filters.mine else _opposite(_owner(viewer)))
    if filters.visibility is not None:
        all_of.append(_visibility(filters.visibility))
    if filters.taken_after is not None:
        all_of.append(Comparison("moment", ">=", microseconds(filters.taken_after)))
    if filters.taken_before is not None:
        all_of.append(Comparison("moment", "<", microseconds(filters.taken_before)))
    if filters.tag is not None:
        all_of += labels.having(labels.of_tag(filters.tag))
    return [(one,) for one in all_of]


def _named(filters: AssetFilters, conditions: Sequence[Condition]) -> tuple[str, ...]:
    """Words of the tags that are asked for; without those of signs alone, which a database may not take for words."""
    tags = [one.value for one in conditions if one.operator == "tag" and not one.without]
    words = query_words(" ".join([*tags, filters.tag or ""]))
    return tuple(word for word in words if any(sign.isalpha() or sign.isdecimal() for sign in word))


def _of_condition(viewer: Viewer, one: Condition) -> AnyOf | None:
    """Of which any must hold; None where no column tells it."""
    match one.operator:
        case "after":
            return (Comparison("moment", ">=", microseconds(beginning_of(one.value))),)
        case "before":
            return (Comparison("moment", "<", microseconds(beginning_of(one.value))),)
        case "by" if one.value.lower() == "me":
            return (_owner(viewer),)
        case "by":
            return tuple(Comparison("owner", "==", pk) for pk in [*people_named(one.value), _NOBODY])
        case "is" if one.value in (Asset.Visibility.PUBLIC, Asset.Visibility.PRIVATE):
            return (_visibility(one.value),)
    return None


def _label(one: Condition) -> str | None:
    """What a photo is labelled with where the condition holds of it; None for others."""
    match one.operator, one.value:
        case "tag", name:
            return labels.of_tag(name)
        case "colour", name:
            return labels.of_colour(name)
        case "is", "reviewed":
            return labels.REVIEWED
    return None


def _owner(viewer: Viewer) -> Comparison:
    own = viewer.pk if viewer is not None and viewer.is_authenticated else None
    return Comparison("owner", "==", _NOBODY if own is None else own)


def _visibility(value: str) -> Comparison:
    return Comparison("public", "==", int(value == Asset.Visibility.PUBLIC))


def _opposite(one: Comparison) -> Comparison:
    return Comparison(one.column, _OPPOSITES[one.operator], one.value)
