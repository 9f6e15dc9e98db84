"""The words of a text that matched, as places in it: whoever shows them escapes the text, as any other."""

from collections.abc import Collection
from dataclasses import dataclass

from search.keywords.words import places_of_words


@dataclass(frozen=True)
class Piece:
    """A part of a text. `matched`: it is a word that was looked for."""

    text: str
    matched: bool = False


def spans(text: str, words: Collection[str]) -> list[tuple[int, int]]:
    """Start and end of each word of the text that is one of these normalised ones."""
    wanted = frozenset(words)
    if not wanted:
        return []
    return [(start, end) for start, end, forms in places_of_words(text) if not wanted.isdisjoint(forms)]


def pieces(text: str, words: Collection[str]) -> tuple[Piece, ...]:
    """The whole text, cut where matching words begin and end."""
    cut: list[Piece] = []
    at = 0
    for start, end in spans(text, words):
        if start > at:
            cut.append(Piece(text[at:start]))
        cut.append(Piece(text[start:end], matched=True))
        at = end
    if at < len(text):
        cut.append(Piece(text[at:]))
    return tuple(cut)
