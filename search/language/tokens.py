"""From the text of a query to its tokens: where each begins and ends, and what it is made of.

A quotation mark opens a phrase only where a word could begin, so that 24" stays a word; a hyphen leaves something
out only there, so that t-shirt stays one. A colon makes an operator only after some Latin letters and before a
value, so that 16:9, "note: dog", a:b and addresses of the web are words.
"""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass

from core.errors import InvalidQuery

#: What opens a phrase, and what closes it then. Telephones write curly marks by themselves.
QUOTES = {'"': '"', "\u201c": "\u201d\u201c", "\u201e": "\u201c\u201d", "\u00ab": "\u00bb"}
_NAME = re.compile(r"([A-Za-z]{2,}):")
_BLANKS = re.compile(r"\s*")
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Token:
    """One word, phrase or operator with its value. start, end: its place in the query, in characters."""

    start: int
    end: int
    raw: str
    value: str
    operator: str = ""
    negative: bool = False
    quoted: bool = False

    def problem(self, message: str, allowed: tuple[str, ...] = ()) -> InvalidQuery:
        """The error that points at this token."""
        return InvalidQuery(message, start=self.start, end=self.end, token=self.raw, allowed=allowed)


def tokens(text: str, known: Container[str]) -> Iterator[Token]:
    """The tokens of a query in order; InvalidQuery at a phrase that is never closed.

    known: the operators that there are. One of those with nothing behind its colon is an operator without a value;
    of other names that is just a word and a colon.
    """
    at = _after_blanks(text, 0)
    while at < len(text):
        token = _token(text, at, known)
        yield token
        at = _after_blanks(text, token.end)


def _token(text: str, start: int, known: Container[str]) -> Token:
    negative = text[start] == "-" and text[start + 1 : start + 2].strip() not in {"", "-"}
    at = start + negative
    operator = _operator(text, at, known)
    at += len(operator) + 1 if operator else 0
    if text[at : at + 1] in QUOTES:
        end, value, quoted = *_phrase(text, at), True
    else:
        found = _WORD.match(text, at)
        end, value, quoted = (found.end(), found.group(), False) if found else (at, "", False)
    return Token(start, end, text[start:end], value, operator.lower(), negative, quoted)


def _operator(text: str, at: int, known: Container[str]) -> str:
    named = _NAME.match(text, at)
    if named is None:
        return ""
    name, behind = named.group(1), text[named.end() : named.end() + 2]
    if name.lower() in known:
        return name
    return "" if not behind[:1].strip() or behind == "//" else name


def _phrase(text: str, start: int) -> tuple[int, str]:
    closing = QUOTES[text[start]]
    for at in range(start + 1, len(text)):
        if text[at] in closing:
            return at + 1, text[start + 1 : at].strip()
    raise InvalidQuery(
        "This quotation mark is never closed: put one behind the phrase too, or leave it out.",
        start=start,
        end=len(text),
        token=text[start:],
        allowed=tuple(sorted(closing)),
    )


def _after_blanks(text: str, at: int) -> int:
    blanks = _BLANKS.match(text, at)
    return blanks.end() if blanks else at
