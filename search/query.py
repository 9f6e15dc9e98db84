"""What is asked beside the query itself, checked. Plain Python, so that pages, API and commands refuse the same."""

import unicodedata

from core.errors import InvalidInput

MAX_LIMIT = 100
SORTS = BY_RELEVANCE, BY_DATE = ("relevance", "date")


def checked_limit(limit: int) -> int:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"limit must be from 1 to {MAX_LIMIT}, not {limit}.", field="limit")
    return limit


def checked_sort(sort: str) -> str:
    if sort not in SORTS:
        raise InvalidInput(f"sort must be one of {', '.join(SORTS)}.", field="sort")
    return sort


def has_control(text: str) -> bool:
    """Control characters, and halves of characters that no database takes."""
    return any(unicodedata.category(sign) in {"Cc", "Cs"} for sign in text)
