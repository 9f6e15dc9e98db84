"""More to learn from the same sentences: noise in what the model is shown, and other ways to say them.

What is noisy is only what the model reads; the word that it has to say next stays right.
"""

import importlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import torch
from tqdm import tqdm

from captioning.training.dataset import CaptionedImage, tidy_caption
from core.errors import InvalidInput

_BATCH = 64
#: A completion keeps so much of the sentence that people wrote.
_KEPT_SHARE = 0.6


class Translator(Protocol):
    """Any machine translation: a class behind a dotted path, made without arguments."""

    def __call__(self, texts: Sequence[str]) -> Sequence[str]:
        """The same sentences in the other language, in order."""


class Paraphrase(Protocol):
    """Says sentences in another way."""

    def __call__(self, texts: Sequence[str]) -> Sequence[str]:
        """One other sentence for each, in order; the same one where there is no other way."""


class BackTranslation:
    """There and back through another language (Sennrich et al. 2016)."""

    def __init__(self, there: Translator, back: Translator) -> None:
        self.there = there
        self.back = back

    def __call__(self, texts: Sequence[str]) -> Sequence[str]:
        return self.back(self.there(texts))


class Completion:
    """The language model ends what people began. It has not seen the picture: use it sparingly."""

    def __init__(self, lm: Any, tokenizer: Any, *, seed: int = 0, max_new_tokens: int = 16) -> None:
        self.lm = lm
        self.tokenizer = tokenizer
        self.seed = seed
        self.max_new_tokens = max_new_tokens

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> Sequence[str]:
        beginnings = [_beginning(text) for text in texts]
        pad = self.tokenizer.eos_token_id
        ids = [self.tokenizer.encode(text, add_special_tokens=False) for text in beginnings]
        longest = max(map(len, ids))
        padded = torch.tensor([[pad] * (longest - len(row)) + row for row in ids], device=self.lm.device)
        mask = torch.tensor(
            [[0] * (longest - len(row)) + [1] * len(row) for row in ids], device=self.lm.device
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            output = self.lm.generate(
                padded,
                attention_mask=mask,
                do_sample=True,
                top_p=0.9,
                max_new_tokens=self.max_new_tokens,
                pad_token_id=pad,
            )
        endings = self.tokenizer.batch_decode(output[:, longest:], skip_special_tokens=True)
        return [
            _first_sentence(begun + ending) or text
            for text, begun, ending in zip(texts, beginnings, endings, strict=True)
        ]


def with_paraphrases(
    images: Sequence[CaptionedImage], paraphrase: Paraphrase, cache_file: Path
) -> tuple[CaptionedImage, ...]:
    """The same pictures with what `paraphrase` makes of each caption behind their own; kept in `cache_file`."""
    texts = list(dict.fromkeys(text for image in images for text in image.captions))
    known: dict[str, str] = json.loads(cache_file.read_text("utf-8")) if cache_file.is_file() else {}
    wanted = [text for text in texts if text not in known]
    for start in tqdm(range(0, len(wanted), _BATCH), desc="paraphrases", disable=not wanted):
        batch = wanted[start : start + _BATCH]
        known |= zip(batch, paraphrase([tidy_caption(text) for text in batch]), strict=True)
        cache_file.write_text(json.dumps(known, ensure_ascii=False), encoding="utf-8")
    return tuple(
        replace(
            image,
            captions=tuple(dict.fromkeys((*image.captions, *(known[text] for text in image.captions)))),
        )
        for image in images
    )


def noisy(ids: Sequence[int], share: float, vocabulary: int, choose: random.Random) -> list[int]:
    """Word dropout (Bowman et al. 2016): about this share of the tokens replaced by any other."""
    return [choose.randrange(vocabulary) if choose.random() < share else token for token in ids]


def paraphrase_named(name: str, load: Callable[[], tuple[Any, Any]], seed: int) -> Paraphrase:
    """`completion`, or `translate:THERE,BACK` with the dotted paths of two translators.

    load: gives tokenizer and language model. InvalidInput where the name or a path means nothing.
    """
    if name == "completion":
        tokenizer, lm = load()
        return Completion(lm, tokenizer, seed=seed)
    there, _, back = name.removeprefix("translate:").partition(",")
    return BackTranslation(_translator(there.strip()), _translator(back.strip()))


def _translator(path: str) -> Translator:
    module, _, kind = path.rpartition(".")
    try:
        made: Translator = getattr(importlib.import_module(module), kind)()
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidInput(
            f"There is no translator {path!r} ({error}). paraphrase is completion, or translate:THERE,BACK with the "
            "dotted paths of two classes.",
            field="set",
        ) from error
    return made


def _beginning(text: str) -> str:
    words = text.split()
    return " ".join(words[: max(2, round(len(words) * _KEPT_SHARE))])


def _first_sentence(text: str) -> str:
    for at, character in enumerate(text):
        if character in ".!?\n":
            return tidy_caption(text[:at])
    return ""
