"""How like two things are in each respect, whatever they are: photos, articles, products. Plain numpy: no Django.

Where both have a picture, looks and captions are compared; where both have words, those. Where one has a picture and
the other has words alone, the words meet the caption, and in the space of pictures the look. What only one of them has
says nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recommender.scoring import blend
from recommender.scoring.blend import Measure
from recommender.scoring.words import in_common

Vector = NDArray[np.float32]

#: A caption beside words that people wrote, and a look beside what words would look like.
SAID, PICTURED, TAGS = "said", "pictured", "tags"
#: Usual values and spreads of these over pairs of photos and texts that have nothing to do with each other.
_CROSSED: Mapping[str, Measure] = {
    SAID: Measure(weight=0.8, usual=0.1, spread=0.12),
    PICTURED: Measure(weight=0.5, usual=0.05, spread=0.06),
    TAGS: Measure(weight=0.3, usual=0.0, spread=0.35),
}
#: What signals are about, in words that people use: each aspect may be made to count more or less.
ASPECTS: Mapping[str, str] = {
    **dict.fromkeys((blend.LOOK, blend.TEXTURE, PICTURED), "look"),
    **dict.fromkeys((blend.CAPTION, blend.CAPTION_WORDS, SAID), "caption"),
    **dict.fromkeys((blend.TEXT, blend.TEXT_WORDS), "text"),
    TAGS: "tags",
}
#: What an example that is not wanted takes away, of what a wanted one of the same weight gives.
_AGAINST = 0.5


@dataclass(frozen=True)
class Known:
    """What is known of a thing; vectors are of unit length.

    look, words_look: in the space of pictures, of its picture and of its words. texture: what this backbone saw in its
    picture. caption, words: in the space of sentences, of its picture's caption and of its own words. sentence, title:
    as people read them. shown: the caption as it is shown, also where it is not believed.
    """

    look: Vector | None = None
    words_look: Vector | None = None
    texture: Vector | None = None
    backbone: str = ""
    caption: Vector | None = None
    words: Vector | None = None
    caption_stems: frozenset[str] = frozenset()
    stems: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    sentence: str = ""
    title: str = ""
    shown: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known that anything could be like."""
        return all(one is None for one in (self.look, self.caption, self.words)) and not self.tags


@dataclass(frozen=True)
class Example:
    """What is asked for more of; with a negative weight, what is asked for less of."""

    known: Known
    weight: float = 1.0


@dataclass(frozen=True)
class Related:
    """Scores (N,) of N candidates, and what each signal added to each of them."""

    scores: NDArray[np.float32]
    worths: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


def related(
    examples: Sequence[Example], candidates: Sequence[Known], emphasis: Mapping[str, float] | None = None
) -> Related:
    """How like the wanted examples, and how unlike the others, each candidate is: a weighted mean over the examples.

    emphasis: how many times as much an aspect (of `ASPECTS`) counts as it usually does.
    """
    total = sum(abs(one.weight) for one in examples) or 1.0
    worths: dict[str, NDArray[np.float32]] = {}
    for example in examples:
        share = example.weight / total * (1.0 if example.weight > 0 else _AGAINST)
        for name, values in _worths(example.known, candidates).items():
            counts = share * (emphasis or {}).get(ASPECTS[name], 1.0)
            worths[name] = worths.get(name, np.float32(0.0)) + np.float32(counts) * values
    scores = np.sum(list(worths.values()), axis=0, dtype=np.float32) if worths else np.zeros(len(candidates))
    return Related(np.asarray(scores, dtype=np.float32), worths)


def query_vector(examples: Sequence[Example], of: Callable[[Known], Vector | None]) -> Vector | None:
    """One vector, of unit length, to look for candidates of the wanted examples by; None where none has one."""
    found = [(of(one.known), one.weight) for one in examples if one.weight > 0]
    weighed = [vector * weight for vector, weight in found if vector is not None]
    if not weighed:
        return None
    mean = np.sum(weighed, axis=0)
    length = float(np.linalg.norm(mean))
    return np.asarray(mean / length, dtype=np.float32) if length > 0 else None


def variety(candidates: Sequence[Known]) -> NDArray[np.float32]:
    """(N, D): what candidates repeat of each other, by look and by what is said of them."""
    parts = [_stacked([one.look for one in candidates]), _stacked([_said_of(one) for one in candidates])]
    known = [part for part in parts if part is not None]
    both = np.concatenate(known, axis=1) if known else np.zeros((len(candidates), 1), dtype=np.float32)
    lengths = np.linalg.norm(both, axis=1, keepdims=True)
    return np.asarray(both / np.maximum(lengths, 1e-9), dtype=np.float32)


def _worths(seed: Known, candidates: Sequence[Known]) -> dict[str, NDArray[np.float32]]:
    signals = {
        blend.LOOK: _cosines(seed.look, [one.look for one in candidates]),
        # Vectors of two backbones never meet.
        blend.TEXTURE: _cosines(
            seed.texture, [one.texture if one.backbone == seed.backbone else None for one in candidates]
        ),
        blend.CAPTION: _cosines(seed.caption, [one.caption for one in candidates]),
        blend.CAPTION_WORDS: in_common(seed.caption_stems, [one.caption_stems for one in candidates]),
        blend.TEXT: _cosines(seed.words, [one.words for one in candidates]),
        blend.TEXT_WORDS: in_common(seed.stems, [one.stems for one in candidates]),
        SAID: _best(
            _cosines(seed.caption, [one.words if one.caption is None else None for one in candidates]),
            _cosines(None if seed.caption is not None else seed.words, [one.caption for one in candidates]),
        ),
        PICTURED: _best(
            _cosines(seed.look, [one.words_look if one.look is None else None for one in candidates]),
            _cosines(None if seed.look is not None else seed.words_look, [one.look for one in candidates]),
        ),
        TAGS: in_common(seed.tags, [one.tags for one in candidates]),
    }
    return blend.worths(signals, {**blend.shipped(), **_CROSSED})


def _cosines(one: Vector | None, others: Sequence[Vector | None]) -> NDArray[np.float32]:
    """(N,), NaN where either side has none."""
    values = np.full(len(others), np.nan, dtype=np.float32)
    here = {at: other for at, other in enumerate(others) if other is not None}
    if one is not None and here:
        values[list(here)] = np.stack(list(here.values())) @ one
    return values


def _best(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.fmax(one, other)


def _said_of(known: Known) -> Vector | None:
    return known.words if known.words is not None else known.caption


def _stacked(vectors: Sequence[Vector | None]) -> NDArray[np.float32] | None:
    """(N, D) with zeros for those that are missing; None where all are."""
    dimension = next((len(vector) for vector in vectors if vector is not None), None)
    if dimension is None:
        return None
    missing = np.zeros(dimension, dtype=np.float32)
    return np.stack([missing if vector is None else vector for vector in vectors])
