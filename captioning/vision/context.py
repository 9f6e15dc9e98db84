"""What is known of a picture without looking at it, as the words that a captioner reads."""

from collections.abc import Iterable

CONTEXT_MAX_CHARS = 200


def context_of(title: str, tags: Iterable[str] = ()) -> str:
    """Title, then tags, on one line of at most CONTEXT_MAX_CHARS; empty where nothing is known."""
    known = ", ".join(words for tag in tags if (words := " ".join(tag.split())))
    parts = [part for part in (" ".join(title.split()), known) if part]
    return "; ".join(parts)[:CONTEXT_MAX_CHARS]
