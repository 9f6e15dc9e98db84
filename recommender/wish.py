"""What somebody asks to see beside something: of which things, how many, how various."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from django.conf import settings
from django.db.models import QuerySet

from library.models import Asset
from recommender.filters import NO_FILTERS, Filters
from recommender.models import Item, Site
from recommender.refs import Ref
from recommender.related_things import Thing
from recommender.scoring.relatedness import Example
from recommender.site_selectors import shown_items


@dataclass(frozen=True)
class Wish:
    """What to show. assets: photos that may be shown at all; None for a kind that is not asked for. site: whose items.

    shown: what stands on the page already, which is not repeated. exclude: what must not come. emphasis: how many times
    as much an aspect of likeness counts as it usually does.
    """

    examples: Sequence[Example]
    assets: QuerySet[Asset] | None
    site: Site | None
    limit: int
    filters: Filters = NO_FILTERS
    exclude: frozenset[Ref] = frozenset()
    shown: Sequence[Thing] = ()
    diversity: float = field(default_factory=lambda: settings.RELATED_DIVERSITY)
    emphasis: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def photos(self) -> QuerySet[Asset] | None:
        """Photos that may be shown and pass the filters; None where none can."""
        return self.filters.photos(self.assets)

    @cached_property
    def items(self) -> QuerySet[Item] | None:
        """Items that may be shown and pass the filters, as far as the database can tell; None where none can."""
        return None if self.site is None else self.filters.items(shown_items(self.site))

    @property
    def excluded(self) -> frozenset[Ref]:
        """What must not come, with what stands there already."""
        return self.exclude | {one.ref for one in self.shown}
