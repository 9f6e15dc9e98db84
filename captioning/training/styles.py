"""Which human captions show a style, and whether a caption is told as styles are: in present tense and active voice."""

import re
from collections.abc import Sequence

from captioning.captioners.styles import DETAILED, NORMAL

#: Past forms that are rarely anything else in a caption ("covered", "dressed" and "held" are), and the passive.
_PAST = re.compile(
    r"\b(was|were|had|did|went|ran|sat|stood|took|wore|threw|rode|flew|swam|fell|gave|came|saw|began"
    r"|jumped|played|walked|watched|looked|climbed|smiled)\b",
    re.IGNORECASE,
)
_PASSIVE = re.compile(
    r"\bbeing (\w+ly )?\w+(ed|en|wn|eld)\b|\b(is|are|gets?) (\w+ly )?\w+(ed|en|wn|eld) by\b", re.IGNORECASE
)
_SHOWN = 2


def in_style(captions: Sequence[str], style: str) -> list[str]:
    """Those of a picture's captions that show a style: the two shortest, the two longest, or all for `normal`."""
    if style == NORMAL:
        return list(captions)
    return sorted(captions, key=len, reverse=style == DETAILED)[:_SHOWN]


def taught_in_style(captions: Sequence[str], style: str) -> list[str]:
    """The same for training: learned from captions in present tense and active voice, where there are any."""
    if style == NORMAL:
        return list(captions)
    return in_style([text for text in captions if is_present_and_active(text)] or captions, style)


def is_present_and_active(caption: str) -> bool:
    """Whether a caption holds neither a common past form nor a passive ("is being held", "are chased by").

    A check of words, not of grammar: it misses rare past forms, and "was" within a quotation counts.
    """
    return not (_PAST.search(caption) or _PASSIVE.search(caption))
