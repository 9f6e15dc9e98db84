"""Which things may come into a list. What is asked of photos alone lets no item through, and the other way round."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from library.models import Asset, AssetTag
from recommender.models import Item
from search.conditions import narrowed
from search.language import Condition, beginning_of


@dataclass(frozen=True)
class Filters:
    """What is empty does not narrow.

    after, before: dates in the normal form of the search box: of photos when they were taken or else added, of items
    when they were published or else stored. owner, type, colour: of photos, as in the search box. language: of items;
    en admits en-GB. attributes: of items, each equal or, of a list, one of it.
    """

    tag: str = ""
    after: str = ""
    before: str = ""
    owner: str = ""
    type: str = ""
    colour: str = ""
    language: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def photos(self, assets: QuerySet[Asset] | None) -> QuerySet[Asset] | None:
        """Those of these photos that pass; None where none can."""
        if assets is None or self.language or self.attributes:
            return None
        if self.tag:
            # Of one row: a list of all photos with the tag would be made anew for every search.
            named = AssetTag.objects.filter(asset=OuterRef("pk"), name__iexact=self.tag)
            assets = assets.filter(Exists(named))
        return narrowed(assets, None, list(self._conditions()))

    def items(self, items: QuerySet[Item]) -> QuerySet[Item] | None:
        """Those of these items that pass as far as the database can tell; None where none can. See `admits`."""
        if self.owner or self.type or self.colour:
            return None
        for comparison, date in [("gte", self.after), ("lt", self.before)]:
            if date:
                moment = beginning_of(date)
                stored = Q(published_at=None, **{f"created_at__{comparison}": moment})
                items = items.filter(Q(**{f"published_at__{comparison}": moment}) | stored)
        return items

    @property
    def looks_inside(self) -> bool:
        """Whether `admits` has anything to say."""
        return bool(self.tag or self.language or self.attributes)

    def admits(self, item: Item) -> bool:
        """Whether an item passes whose words databases do not compare alike."""
        if self.tag and self.tag.casefold() not in {tag.casefold() for tag in item.tags}:
            return False
        if self.language and not _speaks(item.language, self.language):
            return False
        return all(_has(item.attributes.get(name), value) for name, value in self.attributes.items())

    def _conditions(self) -> Iterable[Condition]:
        given = {
            "after": self.after,
            "before": self.before,
            "by": self.owner,
            "type": self.type,
            "colour": self.colour,
        }
        return (Condition(operator, value) for operator, value in given.items() if value)


NO_FILTERS = Filters()


def _speaks(language: str, wanted: str) -> bool:
    """en admits en-GB; en-GB admits no other."""
    return language.casefold() == wanted.casefold() or language.casefold().startswith(f"{wanted.casefold()}-")


def _has(value: Any, wanted: Any) -> bool:
    return bool(wanted in value if isinstance(value, list) else value == wanted)
