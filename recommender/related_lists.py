"""One list of related things as the API and the pages give it out: with the id by which later clicks name it, and the
cursor of the page after.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.core import signing

from core.errors import InvalidInput
from recommender import experiments, recommendation_ids
from recommender.models import Site
from recommender.recommendation_ids import Recommendation
from recommender.refs import Ref
from recommender.related import Suggestion, suggestions
from recommender.related_things import named_things
from recommender.scoring.relatedness import ASPECTS
from recommender.wish import Wish

#: So many things can be paged through; nobody reads further.
_PAGED_MAX = 300


@dataclass(frozen=True)
class Place:
    """Where a list stands. site: on whose pages; None: in the gallery. about: beside what, such as `item:17`.

    scenario: the site's name for the place on the page. visitor: to whom it is shown, if that is known: who sees which
    variant of an experiment hangs on it.
    """

    site: Site | None = None
    about: str = ""
    scenario: str = ""
    visitor: str = ""


@dataclass(frozen=True)
class RelatedList:
    """made: what the list is. variant: of the experiment that runs, if any. next: cursor of the page after, None on the
    last one.
    """

    suggestions: Sequence[Suggestion]
    made: Recommendation
    variant: str
    next: str | None

    @property
    def recommendation(self) -> str:
        """The id of the list."""
        return recommendation_ids.written(self.made)

    @property
    def fallbacks(self) -> list[str]:
        """How the list was filled where too little is alike; usually empty."""
        return sorted({one.fallback for one in self.suggestions if one.fallback})


def related_list(wish: Wish, place: Place, before: Sequence[Ref] = ()) -> RelatedList:
    """before: what stood on the pages before, of which nothing comes again, nor a copy of it."""
    if before:
        there = [*wish.shown, *named_things(before)]
        wish = replace(wish, shown=there, exclude=wish.exclude | set(before))
    arm = variant = ""
    if place.site is not None and place.visitor:
        wish, arm, variant = _varied(wish, place.site, place)
    found = suggestions(wish)
    made = Recommendation(place.site.pk if place.site else 0, "related", place.scenario, place.about, arm)
    shown = [*before, *(one.thing.ref for one in found)]
    more = len(found) == wish.limit and len(shown) < _PAGED_MAX
    return RelatedList(found, made, variant, _cursor_after(shown, place.about) if more else None)


def _varied(wish: Wish, site: Site, place: Place) -> tuple[Wish, str, str]:
    """As the visitor's variant of the experiment that runs there has it, with its arm and name."""
    running = experiments.running(site, place.scenario)
    if running is None:
        return wish, "", ""
    variant = experiments.variant_for(running, place.visitor)
    changes = variant.changes
    emphasis = {aspect: changes[aspect] for aspect in set(ASPECTS.values()) & changes.keys()}
    varied = replace(wish, diversity=changes.get("diversity", wish.diversity), emphasis=emphasis)
    return varied, experiments.arm_of(running, variant), variant.name


def shown_before(cursor: str | None, about: str) -> list[Ref]:
    """What stood on the pages before. InvalidInput for a cursor that was not given out for this list."""
    if not cursor:
        return []
    try:
        return [Ref(bool(is_item), int(pk)) for is_item, pk in signing.loads(cursor, salt=_salt(about))]
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise InvalidInput("cursor is not one that this list gave out.", field="cursor") from error


def _cursor_after(shown: Sequence[Ref], about: str) -> str:
    """A page goes on without what was on those before it: the cursor holds it."""
    return signing.dumps([[int(one.is_item), one.pk] for one in shown], salt=_salt(about), compress=True)


def _salt(about: str) -> str:
    return f"related.{about}"
