"""What the Chinese encoder learns from: translations, a dictionary, and sentences that people wrote of pictures."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from captioning.training.dataset import CaptionDataset, CaptionedImage
from captioning.training.features import cached_features
from search.embedders import minilm
from search.embedders.chinese import UNKNOWN
from search.embedders.towers import DualTowers, sentence_means

#: Longer entries are phrases and proper names.
_LONGEST_WORD = 4
#: Longer meanings are explanations, not translations.
_LONGEST_MEANING = 40
_MEANINGS = 2
_NOT_CHINESE = re.compile("[^\u3400-\u4dbf\u4e00-\u9fff]")
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


@dataclass(frozen=True)
class Corpus:
    """english: captions. translated: their translations, in the same order. written: what Chinese people wrote of the
    same pictures. entries: of a dictionary, with `simplified`, `traditional`, `definitions`, as CC-CEDICT has them.
    """

    english: CaptionDataset
    translated: CaptionDataset
    written: CaptionDataset
    entries: Sequence[Mapping[str, Any]]


class Pair(NamedTuple):
    """A Chinese sentence or word, and its English."""

    chinese: str
    english: str


class Spoken(NamedTuple):
    """A Chinese sentence that somebody wrote, and the row of its picture."""

    text: str
    picture: int


@dataclass(frozen=True)
class Taught:
    """Sentences with what the teachers say of them: unit vectors sentence (N, 384) and joint (N, joint_dimension)."""

    texts: list[str]
    sentence: Tensor
    joint: Tensor


@dataclass(frozen=True)
class Lesson:
    """All of it as vectors. ids: of the characters. check: of another split, whose pictures are as they are indexed."""

    ids: dict[str, int]
    translations: Taught
    words: Taught
    spoken: list[Spoken]
    pictures: Tensor
    check: list[Spoken]
    check_pictures: Tensor


def prepared(
    corpus: Corpus, most_characters: int, towers: DualTowers, run_dir: Path, cache_dir: Path
) -> Lesson:
    """Of the splits train and calib (dev where there is no calib).

    What the teachers say takes long: it is kept in `run_dir`, for the very same sentences and towers.
    """
    images = corpus.english.split("train")
    check = corpus.english.split("calib" if "calib" in corpus.english.splits else "dev")
    pairs = _translations(images, corpus.translated)
    spoken = _spoken(images, corpus.written)
    said = [pair.chinese for pair in pairs] + [one.text for one in spoken]
    ids = characters_for(said, corpus.entries, most_characters)
    listed = dictionary_pairs(corpus.entries, set(ids))
    kept = run_dir / f"teachers-{_digest([*pairs, *listed], towers)}.pt"
    if not kept.is_file():
        scratch = kept.with_suffix(".new")
        torch.save({"translations": _told(pairs, towers), "words": _told(listed, towers)}, scratch)
        scratch.replace(kept)
    told = torch.load(kept, weights_only=True, mmap=True)
    return Lesson(
        ids,
        Taught([pair.chinese for pair in pairs], *told["translations"]),
        Taught([pair.chinese for pair in listed], *told["words"]),
        spoken,
        functional.normalize(_pictures(images, towers, cache_dir)[:, :-1], dim=-1),
        _spoken(check, corpus.written),
        _pictures(check, towers, cache_dir),
    )


def characters_for(
    sentences: Sequence[str], entries: Sequence[Mapping[str, Any]], most: int
) -> dict[str, int]:
    """An id for each of the commonest characters, of the sentences first, then of the dictionary's words.

    The ids are less than `most`. Traditional characters have the id of the simplified ones that stand for them.
    """
    spoken = Counter(sign for text in sentences for sign in text if not sign.isspace())
    words = [entry["simplified"] for entry in entries if len(entry["simplified"]) <= _LONGEST_WORD]
    listed = Counter(sign for word in words for sign in word if not _NOT_CHINESE.match(sign))
    ranked = [sign for sign, count in spoken.most_common() if count > 1]
    ranked += [sign for sign, _ in listed.most_common() if sign not in spoken]
    ids = {sign: number for number, sign in enumerate(ranked[: most - UNKNOWN - 1], start=UNKNOWN + 1)}
    for entry in entries:
        for simplified, traditional in zip(entry["simplified"], entry["traditional"], strict=False):
            if simplified in ids:
                ids.setdefault(traditional, ids[simplified])
    return ids


def dictionary_pairs(entries: Sequence[Mapping[str, Any]], known: set[str]) -> list[Pair]:
    """Words of known characters with their first meanings; no names of people and places."""
    pairs = []
    for entry in entries:
        word = entry["simplified"]
        if len(word) > _LONGEST_WORD or not set(word) <= known:
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


def _digest(pairs: Sequence[Pair], towers: DualTowers) -> str:
    digest = hashlib.sha256("\0".join(pair.english for pair in pairs).encode())
    for weight in towers.state_dict().values():
        digest.update(weight.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


@torch.no_grad()
def _told(pairs: Sequence[Pair], towers: DualTowers, batch: int = 256) -> tuple[Tensor, Tensor]:
    """What the English encoder and the text towers make of the English side."""
    encoder = minilm.shared()
    order = sorted(range(len(pairs)), key=lambda at: len(pairs[at].english))
    sentence = torch.empty(len(pairs), minilm.DIMENSION)
    joint = torch.empty(len(pairs), len(towers.querybank.mean))
    for start in tqdm(range(0, len(order), batch), desc="teacher", leave=False):
        chosen = order[start : start + batch]
        states, mask = encoder.tokens([pairs[at].english for at in chosen])
        sentence[chosen] = sentence_means(states, mask).cpu()
        joint[chosen] = towers.joint_texts(states, mask).cpu()
    return sentence, joint


@torch.no_grad()
def _pictures(images: Sequence[CaptionedImage], towers: DualTowers, cache_dir: Path) -> Tensor:
    """Vectors (N, dimension) of pictures as they are indexed."""
    seen = cached_features([image.path for image in images], cache_dir / "features", view="plain")
    rows = []
    for start in range(0, len(images), 250):
        grid = torch.from_numpy(seen.grid[start : start + 250]).float()
        rows.append(towers.images(grid, torch.from_numpy(seen.logits[start : start + 250])))
    return torch.cat(rows)


def _translations(images: Sequence[CaptionedImage], translated: CaptionDataset) -> list[Pair]:
    there = {image.path.name: image.captions for image in translated.split("train")}
    return [
        Pair(chinese, english)
        for image in images
        for english, chinese in zip(image.captions, there.get(image.path.name, ()), strict=False)
    ]


def _spoken(images: Sequence[CaptionedImage], written: CaptionDataset) -> list[Spoken]:
    said = {image.path.name: image.captions for split in written.splits.values() for image in split}
    return [Spoken(text, row) for row, image in enumerate(images) for text in said.get(image.path.name, ())]
