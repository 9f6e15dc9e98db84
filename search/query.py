"""What a person asked, checked. Plain Python, so that pages, API and commands refuse the same things."""

import unicodedata

from core.errors import InvalidInput

MAX_CHARS = 1000
MAX_LIMIT = 100
#: What pasting leaves around a text. Not str.strip's own list, which takes control characters for blanks.
_BLANKS = " \t\r\n\u00a0\u3000"


def checked_text(text: str) -> str:
    """The query without the blanks around it; InvalidInput where there is nothing to look for or too much."""
    # Length first: what is too long is not looked at any further.
    if len(text) > MAX_CHARS:
        raise InvalidInput(f"The query is too long: at most {MAX_CHARS:,} characters.", field="q")
    text = text.strip(_BLANKS)
    if has_control(text):
        raise InvalidInput("The query holds control characters; use plain text on one line.", field="q")
    if not text.strip():
        raise InvalidInput("Say what to look for: the query is empty.", field="q")
    return text


def checked_limit(limit: int) -> int:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"limit must be from 1 to {MAX_LIMIT}, not {limit}.", field="limit")
    return limit


def has_control(text: str) -> bool:
    """Control characters, and halves of characters that no database takes."""
    return any(unicodedata.category(sign) in {"Cc", "Cs"} for sign in text)
