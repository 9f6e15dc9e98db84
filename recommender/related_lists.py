"""One list of related things as the API and the pages give it out: with the id by which later clicks name it, and the
cursor of the page after.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.core import signing

from core.errors import InvalidInput
from recommender import recommendation_ids
from recommender.recommendation_ids import Recommendation
from recommender.related import Suggestion, Wish, suggestions
from recommender.related_things import Ref

#: So many things can be paged through; nobody reads further.
_PAGED_MAX = 300


@dataclass(frozen=True)
class RelatedList:
    """recommendation: the id of the list. next: cursor of the page after, None on the last one."""

    suggestions: Sequence[Suggestion]
    recommendation: str
    next: str | None

    @property
    def fallbacks(self) -> list[str]:
        """How the list was filled where too little is alike; usually empty."""
        return sorted({one.fallback for one in self.suggestions if one.fallback})


def related_list(
    wish: Wish, *, about: str = "", scenario: str = "", before: Sequence[Ref] = ()
) -> RelatedList:
    """about: what it stands beside, such as `item:17`. scenario: the caller's name for the place on the page.

    before: what stood on the pages before, which the wish excludes.
    """
    found = suggestions(wish)
    made = Recommendation(wish.site.pk if wish.site else 0, "related", scenario, about)
    shown = [*before, *(one.thing.ref for one in found)]
    more = len(found) == wish.limit and len(shown) < _PAGED_MAX
    return RelatedList(found, recommendation_ids.written(made), _cursor_after(shown, about) if more else None)


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
