"""The language of the search box: words, "a phrase", -without, and operators such as tag:sea. No Django here."""

from search.language.controls import CONTROLS, controls_of, refined
from search.language.dates import beginning_of
from search.language.operators import OPERATORS, PHRASE, STATES, TYPES, WORD
from search.language.parsing import MAX_CHARS, MAX_CONDITIONS, Condition, Query, parse, parse_optional
from search.language.writing import edited, term

__all__ = [
    "CONTROLS",
    "MAX_CHARS",
    "MAX_CONDITIONS",
    "OPERATORS",
    "PHRASE",
    "STATES",
    "TYPES",
    "WORD",
    "Condition",
    "Query",
    "beginning_of",
    "controls_of",
    "edited",
    "parse",
    "parse_optional",
    "refined",
    "term",
]
