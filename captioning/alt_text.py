"""A caption as alternative text: short enough for a screen reader's single breath, cut where a reader would pause."""

import re

MAX_CHARS = 125
_CUT = "…"
#: A pause that comes later than this share of the room is worth more than a few words after it.
_LATE_PAUSE = 0.6
#: Words that announce another one: a text that ends in them sounds as if it had been torn off.
_DANGLING = re.compile(
    "(an?|the|and|or|but|nor|of|in|on|at|by|to|for|from|with|without|into|onto|over|under|near|behind|beside|between"
    "|through|across|along|around|above|below|that|which|who|while|as|is|are|was|were|be|being|has|have|its|his|her"
    "|their|this|these|those),?",
    re.IGNORECASE,
)


def alt_text(caption: str) -> str:
    """The caption itself where it fits; else whole sentences, else whole words and `…`. Never half a word.

    Empty where not even the first word fits.
    """
    text = " ".join(caption.split())
    if len(text) <= MAX_CHARS:
        return text
    sentences = [end.end() for end in re.finditer(r"[.!?](?=\s)|[。！？]", text) if end.end() <= MAX_CHARS]
    if sentences:
        return text[: sentences[-1]]
    room = MAX_CHARS - len(_CUT)
    pauses = [pause.start() for pause in re.finditer(r"[,;:](?=\s)|[，；、]", text) if pause.start() <= room]
    if pauses and pauses[-1] >= _LATE_PAUSE * room:
        return text[: pauses[-1]] + _CUT
    words = _whole_words(text, room)
    return words + _CUT if words else ""


def _whole_words(text: str, room: int) -> str:
    """As many words as fit, without those at the end that lead nowhere."""
    fitting = text[: room + 1].rsplit(" ", 1)[0].split() if " " in text[: room + 1] else []
    ending = len(fitting)
    while ending > 1 and _DANGLING.fullmatch(fitting[ending - 1]):
        ending -= 1
    return " ".join(fitting[:ending]).rstrip(",;:-– ")
