"""Why two things stand beside each other, in words. Plain Python: no Django."""

import re
from collections.abc import Collection, Mapping
from difflib import SequenceMatcher

from recommender.scoring import blend
from recommender.scoring.relatedness import PICTURED, SAID, TAGS, Known
from recommender.scoring.words import stems

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_OF_LOOKS = frozenset({blend.LOOK, blend.TEXTURE, PICTURED})
_TAGS_SHOWN = 3
_WORDS_SHOWN = 3
#: What a sentence may begin with before it says something.
_ARTICLES = frozenset({"a", "an", "the", "two", "three", "some"})


def reason_for(
    seed: Known, other: Known, worths: Mapping[str, float], stop_words: Collection[str] = frozenset()
) -> str:
    """One short sentence about the strongest thing that the two have in common; what is said is true of both."""
    speaking = [name for name in worths if worths[name] > 0]
    # What can be named tells more than that two things look alike.
    for signal in sorted(speaking, key=lambda name: (name in _OF_LOOKS, -worths[name])):
        if told := _told(signal, seed, other, stop_words):
            return told
    return "about similar things"


def shared_phrase(one: str, other: str, stop_words: Collection[str]) -> str:
    """What two sentences say in the same words and order: "a dog on a beach" of "a dog runs on a beach at dusk" and
    "a dog on a sandy beach" is "a dog on a beach". Empty where they share no word that says something."""
    words, others = _WORD.findall(one), _WORD.findall(other)
    kept: list[str] = []
    alike = SequenceMatcher(
        None, [_key(word) for word in words], [_key(word) for word in others], autojunk=False
    )
    for block in alike.get_matching_blocks():
        piece = words[block.a : block.a + block.size]
        while piece and piece[-1].lower() in stop_words:
            piece = piece[:-1]
        if any(word.lower() not in stop_words and word.lower() not in _ARTICLES for word in piece):
            goes_on = not kept or piece[0].lower() in stop_words
            kept.append((" " if goes_on else ", ") + " ".join(piece))
    phrase = "".join(kept).strip()
    return phrase[:1].lower() + phrase[1:] if phrase[:2].istitle() else phrase


def _key(word: str) -> str:
    """The article says nothing of what is shown."""
    return "a" if word.lower() in {"a", "an", "the"} else word.lower()


def _told(signal: str, seed: Known, other: Known, stop_words: Collection[str]) -> str:
    if signal in (blend.CAPTION, blend.CAPTION_WORDS):
        phrase = shared_phrase(seed.sentence, other.sentence, stop_words)
        return f"both show {phrase}" if phrase else ""
    if signal == TAGS:
        shared = sorted(seed.tags & other.tags)[:_TAGS_SHOWN]
        return f"both are tagged {_listed(shared)}" if shared else ""
    if signal in (blend.TEXT, blend.TEXT_WORDS):
        shared = _in_common(seed.title, other.title, stop_words)
        return f"both are about {_listed(shared)}" if shared else ""
    if signal == SAID:
        shared = _in_common(seed.sentence or seed.title, other.sentence or other.title, stop_words)
        return f"the picture shows what the words are about: {_listed(shared)}" if shared else ""
    if signal == PICTURED:
        return "the picture looks like what the words are about"
    return "they look alike"


def _in_common(one: str, other: str, stop_words: Collection[str]) -> list[str]:
    """Words of the first that the other has too, in the first's order and spelling."""
    known = stems([word.lower() for word in _WORD.findall(other)], stop_words)
    words = (word.lower() for word in _WORD.findall(one))
    shared = [word for word in words if word not in stop_words and stems([word]) & known]
    return list(dict.fromkeys(shared))[:_WORDS_SHOWN]


def _listed(words: Collection[str]) -> str:
    *some, last = words
    return f"{', '.join(some)} and {last}" if some else last
