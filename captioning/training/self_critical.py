"""Self-critical fine-tuning: the model writes, its captions are scored, the better ones are made likelier.

Cross-entropy teaches the next word of somebody else's sentence. This teaches the whole sentence that people would
agree with: REINFORCE on CIDEr-D (Rennie et al. 2017, "Self-critical Sequence Training for Image Captioning"), with
the mean reward of the picture's other samples as the baseline (Luo 2020, "A Better Variant of Self-Critical
Sequence Training"). It comes after cross-entropy, at a small learning rate and for a fraction of its steps.
"""

import math
import random
import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from operator import mul
from statistics import mean
from typing import NamedTuple

from captioning.captioners.sampling import Sample, sample
from captioning.captioners.visual_lm import VisualLanguageModel
from captioning.training.batches import Batch, BatchSource, Hints, collate, packed
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionedImage
from captioning.training.pictures import Picked
from captioning.training.styles import in_style
from captioning.vision.frames import Features

_LONGEST_NGRAM = 4
_LENGTH_SIGMA = 6.0
#: Counts as a word, so that a sentence broken off ("a dog on a") is worth less than a whole one.
_END = "<end>"
#: In words. CIDEr-D alone forgives twice the length too easily for a style to be learned.
_STYLE_LENGTH_SIGMA = 2.5

NGrams = Counter[tuple[str, ...]]


class CiderD:
    """CIDEr-D (Vedantam et al. 2015) of single captions, document frequencies from a corpus of references.

    The same figures as pycocoevalcap's scorer, which only scores a whole corpus at once. 1.0 is the "100" of papers.
    """

    def __init__(self, references: Sequence[Sequence[str]]) -> None:
        """`references`: for each picture the words, separated by blanks, of every human caption."""
        self._references = references
        counted = [[_ngrams(text) for text in texts] for texts in references]
        self._documents = Counter(gram for counts in counted for gram in set().union(*counts))
        self._log_corpus = math.log(len(references))

    def score(self, picture: int, text: str, style: str = "normal") -> float:
        """How well `text` says what people said of the picture with this number.

        In another style than `normal` it is held against the captions that show it, and has to be about as long.
        """
        references = in_style(self._references[picture], style)
        guess = self._weighed(_ngrams(text))
        truths = [self._weighed(_ngrams(reference)) for reference in references]
        cider = 10.0 * sum(guess.likeness(truth) for truth in truths) / len(truths)
        if style == "normal":
            return cider
        off = len(text.split()) - sum(len(reference.split()) for reference in references) / len(references)
        return cider * math.exp(-(off**2) / (2 * _STYLE_LENGTH_SIGMA**2))

    def _weighed(self, counts: NGrams) -> "_Weighed":
        vectors: list[dict[tuple[str, ...], float]] = [{} for _ in range(_LONGEST_NGRAM)]
        for gram, count in counts.items():
            vectors[len(gram) - 1][gram] = count * (
                self._log_corpus - math.log(max(1, self._documents[gram]))
            )
        norms = [math.sqrt(sum(weight * weight for weight in vector.values())) for vector in vectors]
        return _Weighed(vectors, norms, sum(count for gram, count in counts.items() if len(gram) == 2))


class _Weighed(NamedTuple):
    """TF-IDF vectors of the n-grams of each size, their norms, and the length the reference scorer goes by: bigrams."""

    vectors: list[dict[tuple[str, ...], float]]
    norms: list[float]
    length: int

    def likeness(self, truth: "_Weighed") -> float:
        """Mean of the clipped cosines over the sizes, times the penalty for another length."""
        cosines = 0.0
        for mine, theirs, norm in zip(
            self.vectors, truth.vectors, map(mul, self.norms, truth.norms), strict=True
        ):
            if norm:
                cosines += sum(min(w, theirs[g]) * theirs[g] for g, w in mine.items() if g in theirs) / norm
        penalty = math.exp(-((self.length - truth.length) ** 2) / (2 * _LENGTH_SIGMA**2))
        return penalty * cosines / _LONGEST_NGRAM


class SelfCriticalBatches(BatchSource):
    """Batches whose captions are the model's own samples, each weighed by how much better it is than the others."""

    def __init__(
        self,
        images: Sequence[CaptionedImage],
        views: dict[str, Features],
        hints: Hints,
        model: VisualLanguageModel,
        config: FinetuneConfig,
        reviewed: int = 0,
    ) -> None:
        super().__init__(images, views, hints, model, config, reviewed)
        self.reward = CiderD([[words_of(text) for text in image.captions] for image in self.images])

    def _batch(self, chosen: Sequence[int], choose: random.Random) -> Batch:
        picked = self._picked(chosen, choose)
        seen = self.pictures.read(picked)
        styles = [self._style(choose) for _ in picked]
        hints = [self._hints_of(index, view, choose) for index, view in picked]
        self.model.eval()
        with self.model.merged():
            samples = sample(
                self.model,
                seen.to(self.model.projector.place.device),
                hints,
                styles,
                count=self.config.captions_per_image,
                max_new_tokens=self.config.max_caption_tokens,
            )
        self.model.train()
        sequences, weights = [], []
        rewards = self._rewards(picked, styles, samples, choose)
        for words, style, written, rewarded in zip(hints, styles, samples, rewards, strict=True):
            prompt, ids = self.model.prompt_ids(words, style), [each.ids for each in written]
            sequences.append(packed(prompt, ids, self.model.projector.count, self._pad))
            for drawn, gain in zip(written, advantages(rewarded), strict=True):
                weights += [gain] * len(drawn.ids) + [gain if drawn.ended else 0.0]
        return collate(seen, sequences, self._pad, weights)

    def _rewards(
        self,
        picked: Picked,
        styles: Sequence[str],
        samples: Sequence[Sequence[Sample]],
        choose: random.Random,
    ) -> list[list[float]]:
        """What each sample of each picture is worth."""
        ciders = [
            [self._cider(index, each, style) for each in written]
            for (index, _), style, written in zip(picked, styles, samples, strict=True)
        ]
        self.figures["cider_of_samples"] = mean(chain.from_iterable(ciders))
        return ciders

    def _cider(self, index: int, sample: Sample, style: str) -> float:
        text = self.model.tokenizer.decode(sample.ids, skip_special_tokens=True)
        return self.reward.score(index, words_of(text, ended=sample.ended), style)


def advantages(rewards: Sequence[float]) -> list[float]:
    """Each reward less the mean of the others; of one alone, nothing can be said."""
    if len(rewards) < 2:
        return [0.0] * len(rewards)
    total = sum(rewards)
    return [reward - (total - reward) / (len(rewards) - 1) for reward in rewards]


def words_of(text: str, *, ended: bool = True) -> str:
    """Lower-case words without punctuation, and a mark where the sentence was ended."""
    return " ".join([*re.findall(r"\w+", text.lower()), *([_END] if ended else [])])


def _ngrams(text: str) -> NGrams:
    words = text.split()
    return Counter(
        tuple(words[at : at + size])
        for size in range(1, _LONGEST_NGRAM + 1)
        for at in range(len(words) - size + 1)
    )
