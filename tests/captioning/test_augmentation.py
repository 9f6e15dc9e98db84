"""Noise and other ways to say the same."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioning.captioners.language_model import load_base
from captioning.training.augmentation import (
    BackTranslation,
    Completion,
    noisy,
    paraphrase_named,
    with_paraphrases,
)
from captioning.training.batches import packed
from captioning.training.dataset import CaptionedImage
from captioning.training.features import load_pixels
from core.errors import InvalidInput
from tests.captioning.tiny import save_tiny_lm


class ToGerman:
    """A translator, as far as this test goes."""

    words = {"A": "Ein", "dog": "Hund", "runs.": "rennt."}

    def __call__(self, texts: Sequence[str]) -> Sequence[str]:
        return [" ".join(self.words.get(word, word) for word in text.split()) for text in texts]


class ToEnglish(ToGerman):
    words = {"Ein": "One", "Hund": "dog", "rennt.": "is running."}


IMAGES = [
    CaptionedImage(Path("a.jpg"), ("A dog runs.", "A cat.")),
    CaptionedImage(Path("b.jpg"), ("A dog runs.",)),
]


def test_back_translation_adds_other_ways_to_say_it_and_asks_once(tmp_path: Path) -> None:
    path = f"{__name__}.ToGerman, {__name__}.ToEnglish"
    paraphrase = paraphrase_named(f"translate:{path}", lambda: (None, None), 0)
    assert isinstance(paraphrase, BackTranslation)
    asked: list[str] = []

    def counting(texts: Sequence[str]) -> Sequence[str]:
        asked.extend(texts)
        return paraphrase(texts)

    for _ in range(2):
        images = with_paraphrases(IMAGES, counting, tmp_path / "kept.json")
        assert images[0].captions == ("A dog runs.", "A cat.", "One dog is running.", "One cat.")
        assert images[1].captions == ("A dog runs.", "One dog is running.")
    assert asked == ["A dog runs.", "A cat."]


def test_the_language_model_ends_what_people_began(tmp_path: Path) -> None:
    tokenizer, lm = load_base(str(save_tiny_lm(tmp_path / "lm")), tmp_path)
    texts = ["Two children play with a red ball.", "A dog runs on the beach."]
    again = [Completion(lm, tokenizer, seed=seed)(texts) for seed in (1, 1, 2)]
    assert again[0] == again[1]
    assert again[0] != again[2]
    for made in again:
        assert made[0].startswith("Two children play with")
        assert made[1].startswith("A dog runs")


def test_an_unknown_translator_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"no translator 'no\.such\.Thing'"):
        paraphrase_named("translate:no.such.Thing,no.other", lambda: (None, None), 0)


def test_noise_is_in_what_is_read_and_never_in_what_is_to_be_said() -> None:
    ids = list(range(100, 200))
    read = noisy(ids, 0.3, 50, random.Random(0))
    assert 15 <= sum(token < 50 for token in read) <= 45
    assert noisy(ids, 0.0, 50, random.Random(0)) == ids
    one = packed([1], [ids], 0, 7, [read])
    assert one.ids == [1, *read]
    assert one.targets == [*ids, 7]


def test_colours_change_in_strength_and_keep_their_hue(tmp_path: Path) -> None:
    Image.new("RGB", (300, 300), (180, 60, 40)).save(tmp_path / "a.png")
    plain, other, again = (load_pixels(tmp_path / "a.png", view) for view in ("plain", "colour", "colour"))
    assert not np.array_equal(plain, other)
    assert np.array_equal(other, again)
    red, green, blue = other[100, 100].astype(int)
    assert red > green > blue
