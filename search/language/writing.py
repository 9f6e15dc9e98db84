"""Writing queries: a term for a value, and a query with some conditions taken out and others put in."""

from collections.abc import Iterable

from search.language.operators import PHRASE, WORD
from search.language.parsing import Condition
from search.language.tokens import QUOTES


def term(operator: str, value: str, *, without: bool = False) -> str:
    """How a condition is written in a query, so that parsing gives it back."""
    sign = "-" if without else ""
    if operator == WORD:
        return f"{sign}{value}"
    if operator == PHRASE:
        return f"{sign}{_quoted(value)}"
    plain = value and value[0] not in QUOTES and not any(char.isspace() for char in value)
    return f"{sign}{operator}:{value if plain else _quoted(value)}"


def edited(text: str, drop: Iterable[Condition], add: Iterable[str] = ()) -> str:
    """The query without some of its own conditions and with these terms behind; what else it says stays as it is."""
    for condition in sorted(drop, key=lambda one: one.start, reverse=True):
        text = f"{text[: condition.start]} {text[condition.end :]}"
    return " ".join([*text.split(), *add])


def _quoted(value: str) -> str:
    return f"\u201c{value}\u201d" if '"' in value else f'"{value}"'
