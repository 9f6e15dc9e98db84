"""What is asked beside the query itself, checked. Plain Python, so that pages, API and commands refuse the same."""

from core.errors import InvalidInput
from core.texts import has_control

MAX_LIMIT = 100
MAX_WEIGHT = 4.0
MAX_WORDS_CHARS = 1000
SORTS = BY_RELEVANCE, BY_DATE = ("relevance", "date")


def checked_limit(limit: int) -> int:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"limit must be from 1 to {MAX_LIMIT}, not {limit}.", field="limit")
    return limit


def checked_sort(sort: str) -> str:
    if sort not in SORTS:
        raise InvalidInput(f"sort must be one of {', '.join(SORTS)}.", field="sort")
    return sort


def checked_weight(weight: float) -> float:
    """How much one part of a question counts beside the others; InvalidInput also for what is no number."""
    if not 0 < abs(weight) <= MAX_WEIGHT:
        raise InvalidInput(
            f"A weight lies between -{MAX_WEIGHT} and {MAX_WEIGHT} and is not 0.", field="weight"
        )
    return weight


def checked_words(text: str) -> str:
    """Plain words, in which nothing is an operator."""
    text = text.strip()
    if len(text) > MAX_WORDS_CHARS:
        raise InvalidInput(f"A text holds at most {MAX_WORDS_CHARS:,} characters.", field="text")
    if has_control(text):
        raise InvalidInput("A text holds no control characters.", field="text")
    return text
