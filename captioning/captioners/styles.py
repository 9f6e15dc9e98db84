"""Styles of captions: how much is said of a picture, known without loading anything.

short       for alternative text, at most 125 characters
normal      what a captioner writes unless it is asked otherwise
detailed    as much as the longest human captions tell
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from captioning.captioners.decoding import DEFAULT_MAX_NEW_TOKENS
from core.errors import InvalidInput

Style = Literal["short", "normal", "detailed"]
STYLES: tuple[str, ...] = get_args(Style)
SHORT, NORMAL, DETAILED = STYLES
#: Those that a model has to be taught.
LEARNED = (SHORT, DETAILED)


def checked_style(style: str, known: Sequence[str] = STYLES) -> str:
    """The style, if it is one of those known; InvalidInput names them."""
    return first_known((style,), known)


def first_known(wanted: Sequence[str], known: Sequence[str]) -> str:
    """The first style wanted that is known; InvalidInput names those that are."""
    for style in wanted:
        if style in known:
            return style
    raise InvalidInput(f"There is no style {wanted[0]!r} here; allowed: {', '.join(known)}.", field="style")


def decoded_in(style: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `generate` for a style: a detailed caption may be twice as long as others."""
    longest = arguments.get("max_new_tokens", DEFAULT_MAX_NEW_TOKENS)
    return {**arguments, "max_new_tokens": 2 * longest if style == DETAILED else longest}
