"""Things that photos of a dataset show, by the words of the people who described them."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from captioning.training.dataset import CaptionedImage
from core.errors import InvalidInput
from search.keywords.words import STOP_WORDS, words_of

#: Fewer photos are chance; of what more show nobody would say that it is missing.
_LEAST_PHOTOS, _LARGEST_SHARE = 3, 0.2
#: In how many of its uses a thing is counted ("a kite", "two kites") and ends its phrase ("a kite in the air").
_COUNTED, _ENDS = 0.25, 0.5
#: Of those who describe a photo of it so many name it, so that who names it not mostly does not see it.
_AGREED = 0.3
_COUNTING = frozenset(["a", "an", "two", "three", "some", "several", "many"])
#: Three letters are left, so that a ring stays one.
_ENDING = re.compile(r"(?<=\w{3})(ies|ing|es|ed|s|e|y)$")


@dataclass(frozen=True)
class Concept:
    """word: in its commonest form. phrase: as it is counted mostly ("two women"). sentence: one that names it.

    shown: (N,) the photos of which anybody used the word in any form.
    """

    word: str
    phrase: str
    sentence: str
    shown: NDArray[np.bool_]


@dataclass
class _Uses:
    """of: how often each form is used. phrases: how often each form is counted, with what counts it."""

    of: Counter[str] = field(default_factory=Counter)
    phrases: Counter[str] = field(default_factory=Counter)
    ending: int = 0

    @property
    def is_thing(self) -> bool:
        return self.phrases.total() >= _COUNTED * self.of.total() and self.ending >= _ENDS * self.of.total()


def concepts_of(images: Sequence[CaptionedImage]) -> list[Concept]:
    """Concepts of N photos in alphabetical order of their stems; InvalidInput where there are none.

    A photo shows a concept where any of its captions has the word in any form. Words are taken for things by how they
    are used, so some that are none slip in ("a trick"), and some things are left out.
    """
    said = [[_stems(caption) for caption in image.captions] for image in images]
    shown = Counter(stem for of_image in said for stem in set().union(*map(set, of_image)))
    uses = _uses(images)
    concepts = [
        _concept(stem, uses[stem], images, said)
        for stem, photos in sorted(shown.items())
        if _LEAST_PHOTOS <= photos <= _LARGEST_SHARE * len(images)
        and uses[stem].is_thing
        and _agreement(stem, said) >= _AGREED
    ]
    if not concepts:
        raise InvalidInput("No thing is named in the captions of three photos or more.", field="dataset")
    return concepts


def _concept(
    stem: str, uses: _Uses, images: Sequence[CaptionedImage], said: Sequence[Sequence[Sequence[str]]]
) -> Concept:
    shown = np.array([any(stem in caption for caption in of_image) for of_image in said])
    at = int(np.argmax(shown))
    sentence = next(text for text, stems in zip(images[at].captions, said[at], strict=True) if stem in stems)
    return Concept(_commonest(uses.of), _commonest(uses.phrases), sentence, shown)


def _agreement(stem: str, said: Sequence[Sequence[Sequence[str]]]) -> float:
    """Of those who described a photo of it the mean share that named it."""
    shares = [np.mean([stem in caption for caption in of_image]) for of_image in said]
    return float(np.mean([share for share in shares if share]))


def _uses(images: Sequence[CaptionedImage]) -> dict[str, _Uses]:
    uses: dict[str, _Uses] = {}
    for caption in (caption for image in images for caption in image.captions):
        words = words_of(caption)
        for before, word, after in zip(["", *words], words, [*words[1:], ""], strict=False):
            used = uses.setdefault(_stem(word), _Uses())
            used.of[word] += 1
            used.ending += not after or after in STOP_WORDS
            if before in _COUNTING:
                used.phrases[f"{before} {word}"] += 1
    return uses


def _commonest(counts: Counter[str]) -> str:
    """The first in the alphabet among equals."""
    return min(counts, key=lambda text: (-counts[text], text))


def _stems(caption: str) -> list[str]:
    return [_stem(word) for word in words_of(caption)]


def _stem(word: str) -> str:
    """Crude, and the same for all forms of most words: kite and kites, surf and surfing."""
    return _ENDING.sub("", word)
