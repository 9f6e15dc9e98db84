"""What the Chinese encoder learns from: translations, a dictionary, and sentences that people wrote of pictures."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from captioning.training.dataset import CaptionDataset, CaptionedImage
from captioning.training.features import load_pixels
from captioning.vision.backbone import EfficientNetLite2
from captioning.vision.frames import FrameBatch
from search.embedders import e5, minilm, multilingual
from search.embedders.dual import DualEncoder
from search.embedders.minilm import sentence_means
from search.embedders.towers import DualTowers
from search.training.splits import TokenStates, token_states

#: Longer entries are phrases and proper names.
_LONGEST_WORD = 4
#: Longer meanings are explanations, not translations.
_LONGEST_MEANING = 40
_MEANINGS = 2
_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]+")
_NOTES = re.compile(r"\([^)]*\)|\[[^]]*\]")
#: Entries that say how a character is used, not what it means.
_NO_MEANING = (
    "variant of",
    "see ",
    "surname",
    "CL:",
    "abbr.",
    "used in",
    "old name",
    "also written",
    "erhua",
)
_BATCH = 32


@dataclass(frozen=True)
class Corpus:
    """english: captions. translated: their translations, in the same order. written: what Chinese people wrote of the
    same pictures. entries: of a dictionary, with `simplified` and `definitions`, as CC-CEDICT has them.
    """

    english: CaptionDataset
    translated: CaptionDataset
    written: CaptionDataset
    entries: Sequence[Mapping[str, Any]]


class Pair(NamedTuple):
    """A Chinese sentence or word, and its English."""

    chinese: str
    english: str


@dataclass(frozen=True)
class Taught:
    """Sentences with what the teachers say of them: unit vectors sentence (N, 384) and joint (N, joint_dimension)."""

    read: TokenStates
    sentence: Tensor
    joint: Tensor


@dataclass(frozen=True)
class Spoken:
    """Sentences that people wrote, and the row of the picture of each: (N,)."""

    read: TokenStates
    pictures: Tensor


@dataclass(frozen=True)
class Lesson:
    """All of it. pictures: their joint vectors. check: of another split, whose pictures are as they are indexed."""

    translations: Taught
    words: Taught
    spoken: Spoken
    pictures: Tensor
    check: Spoken
    check_pictures: Tensor


def prepared(corpus: Corpus, encoder: DualEncoder, run_dir: Path, layers: int = 0) -> Lesson:
    """Of the splits train and calib (dev where there is no calib). layers: texts are read before E5's last ones.

    What is read and what the teachers say takes long: it is kept in `run_dir`, for the very same texts and models.
    """
    images = corpus.english.split("train")
    check = corpus.english.split("calib" if "calib" in corpus.english.splits else "dev")
    pairs, listed = _translations(images, corpus.translated), dictionary_pairs(corpus.entries)

    def taught(of: Sequence[Pair]) -> Taught:
        told = _kept(run_dir, "told", [encoder.model_id, *of], lambda: _told(of, encoder.towers))
        return Taught(_read([pair.chinese for pair in of], run_dir, layers), *told)

    def seen(of: Sequence[CaptionedImage]) -> Tensor:
        names = [encoder.model_id, *(image.path.name for image in of)]
        vectors: Tensor = _kept(run_dir, "seen", names, lambda: _pictures(of, encoder))
        return vectors

    return Lesson(
        taught(pairs),
        taught(listed),
        _spoken(images, corpus.written, run_dir, layers),
        functional.normalize(seen(images)[:, :-1], dim=-1),
        _spoken(check, corpus.written, run_dir, layers),
        seen(check),
    )


def dictionary_pairs(entries: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """Chinese words with their first meanings; no names of people and places."""
    pairs = []
    for entry in entries:
        word = entry["simplified"]
        if len(word) > _LONGEST_WORD or not _CHINESE.fullmatch(word):
            continue
        meanings = (
            _NOTES.sub("", text).strip()
            for text in entry["definitions"]
            if not text.startswith(_NO_MEANING) and "variant of" not in text
        )
        kept = [
            text.removeprefix("to ")
            for text in meanings
            if 0 < len(text) <= _LONGEST_MEANING and text.isascii()
        ]
        kept = kept[:_MEANINGS]
        if kept and not kept[0][:1].isupper():
            pairs.append(Pair(word, ", ".join(kept)))
    return pairs


def _kept(run_dir: Path, name: str, made_of: Sequence[object], make: Callable[[], Any]) -> Any:
    """What `make` makes, or made before of the same."""
    file = run_dir / f"{name}-{hashlib.sha256(repr(made_of).encode()).hexdigest()[:16]}.pt"
    if not file.is_file():
        scratch = file.with_suffix(".new")
        torch.save(make(), scratch)
        scratch.replace(file)
    return torch.load(file, weights_only=True, mmap=True)


def _read(texts: Sequence[str], run_dir: Path, layers: int) -> TokenStates:
    """Texts as E5 reads them, but for so many of its last layers."""

    def make() -> tuple[Tensor, Tensor]:
        read = token_states(texts, partial(e5.shared().read, layers=layers))
        return read.states, read.lengths

    return TokenStates(*_kept(run_dir, "read", [e5.weights_sha256(), layers, *texts], make))


@torch.no_grad()
def _told(pairs: Sequence[Pair], towers: DualTowers, batch: int = 256) -> tuple[Tensor, Tensor]:
    """What the English encoder and the text towers make of the English side."""
    teacher = multilingual.shared()
    order = sorted(range(len(pairs)), key=lambda at: len(pairs[at].english))
    sentence = torch.empty(len(pairs), minilm.DIMENSION)
    joint = torch.empty(len(pairs), len(towers.querybank.mean))
    for start in tqdm(range(0, len(order), batch), desc="teacher", leave=False):
        chosen = order[start : start + batch]
        read = teacher.read([pairs[at].english for at in chosen], towers.tuned_text)
        sentence[chosen] = sentence_means(read.states, read.mask).cpu()
        joint[chosen] = towers.joint_texts(*read).cpu()
    return sentence, joint


def _pictures(images: Sequence[CaptionedImage], encoder: DualEncoder) -> Tensor:
    """Vectors (N, dimension) of pictures as they are indexed."""
    backbone = EfficientNetLite2(str(encoder.device))
    rows = []
    for start in tqdm(range(0, len(images), _BATCH), desc="pictures", leave=False):
        pixels = np.stack([load_pixels(image.path) for image in images[start : start + _BATCH]])
        rows.append(encoder.embed_frames(FrameBatch(pixels, backbone.encode(pixels)), [()] * len(pixels)))
    return torch.from_numpy(np.concatenate(rows))


def _translations(images: Sequence[CaptionedImage], translated: CaptionDataset) -> list[Pair]:
    there = {image.path.name: image.captions for image in translated.split("train")}
    return [
        Pair(chinese, english)
        for image in images
        for english, chinese in zip(image.captions, there.get(image.path.name, ()), strict=False)
    ]


def _spoken(images: Sequence[CaptionedImage], written: CaptionDataset, run_dir: Path, layers: int) -> Spoken:
    said = {image.path.name: image.captions for split in written.splits.values() for image in split}
    told = [(text, row) for row, image in enumerate(images) for text in said.get(image.path.name, ())]
    return Spoken(_read([text for text, _ in told], run_dir, layers), torch.tensor([row for _, row in told]))
