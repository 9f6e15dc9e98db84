"""Searches that people keep to ask again: each their own, by name."""

from django.contrib.auth.models import User

from core.errors import Conflict, InvalidInput, NotFound
from core.ids import MAX_ID
from library.details import checked_line
from search.language import parse
from search.models import SavedSearch
from search.query import BY_RELEVANCE, checked_sort

NAME_MAX_CHARS = 80
MOST = 100


def saved_searches(owner: User) -> list[SavedSearch]:
    """By name."""
    return list(owner.saved_searches.order_by("name"))


def save_search(owner: User, query: str, *, name: str = "", sort: str = BY_RELEVANCE) -> SavedSearch:
    """Keeps a query under a name, which is the query itself where none is given; the same name is overwritten.

    InvalidQuery where nobody could ask it.
    """
    parse(query)
    name = checked_line("name", name or query[:NAME_MAX_CHARS], NAME_MAX_CHARS)
    if not name:
        raise InvalidInput("name must not be empty.", field="name")
    if owner.saved_searches.exclude(name=name).count() >= MOST:
        raise Conflict(f"You have {MOST} saved searches already; remove one first.")
    saved, _ = SavedSearch.objects.update_or_create(
        owner=owner, name=name, defaults={"query": query.strip(), "sort": checked_sort(sort)}
    )
    return saved


def forget_search(owner: User, saved_id: int) -> None:
    """NotFound for one that is somebody else's, as for one that there is not."""
    if saved_id > MAX_ID or not owner.saved_searches.filter(pk=saved_id).delete()[0]:
        raise NotFound("There is no such saved search.")
