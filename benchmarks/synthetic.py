"""A library of synthetic photos for benchmarks: rows as the stages would have written them, without files."""

import numpy as np
from django.contrib.auth.models import User
from django.db import transaction
from numpy.typing import NDArray
from tqdm import tqdm

from captioning.models import AutoTag, Caption
from captioning.services import active_caption_model_id
from captioning.vision.tags import class_names
from library.models import Asset, AssetTag, Frame
from search import embeddings
from search.active import active_model_id, spaces
from search.encoding import embedder
from search.indexing import index_frames, rebuild_index
from search.keywords.words import normalised
from search.models import KeywordDocument
from search.suggesting import count_words

SEED = 20_26
CHUNK = 1_000
#: Rows numbered after the generation was sealed: a running site always has some.
TAIL = 200
_WORDS = """
    street beach kitchen lawn snow field river mountain room park bridge market stage garden road
    running sitting standing jumping eating playing looking sleeping riding holding walking swimming
    black white brown red blue green small big young old wet striped wooden bright
"""
_SYLLABLES = [f"{first}{second}" for first in "bdfgklmnprstvz" for second in "aeiou"]
_INVENTED = 30_000
_PLACES, _DEEDS, _LOOKS = (line.split() for line in _WORDS.strip().splitlines())


def fill(assets: int) -> list[str]:
    """So many indexed public photos of one owner. Returns the nouns that their captions use, commonest first."""
    random = np.random.default_rng(SEED)
    nouns = [names[0].lower() for names in class_names()]
    owner = User.objects.create_user("benchmark")
    chances = _zipf(len(nouns))
    sealed = max(assets - TAIL, 0)
    starts = [*range(0, sealed, CHUNK), sealed]
    centres = {space: random.standard_normal((len(nouns), embedder(space).dimension)) for space in spaces()}
    with tqdm(total=assets, unit=" photos", desc="filling") as bar:
        for start, end in zip(starts, [*starts[1:], assets], strict=True):
            if start == sealed:
                rebuild_index()
            seen = random.choice(len(nouns), size=(end - start, 2), p=chances)
            frame_ids = _rows(owner, start, nouns, seen, random)
            for space in spaces():
                embeddings.record(
                    space, active_model_id(space), frame_ids, _near(centres[space], seen, random)
                )
            index_frames(frame_ids)
            bar.update(end - start)
    return nouns


def fill_words(assets: int, tags_each: int = 2) -> None:
    """So many public photos with the words of a caption and people's tags, and nothing else: no frames, no vectors.

    The tags are invented words, a few of them common and thousands of them rare, as tags are.
    """
    random = np.random.default_rng(SEED)
    nouns = [names[0].lower() for names in class_names()]
    owner = User.objects.create_user("benchmark")
    invented = sorted({"".join(random.choice(_SYLLABLES, size=3)) for _ in range(_INVENTED)})
    chances, tag_chances = _zipf(len(nouns)), _zipf(len(invented))
    for start in tqdm(range(0, assets, CHUNK), unit_scale=CHUNK, unit=" photos", desc="filling"):
        count = min(CHUNK, assets - start)
        photos = Asset.objects.bulk_create(_asset(owner, start + at) for at in range(count))
        seen = random.choice(len(nouns), size=(count, 2), p=chances)
        tags = [
            sorted(set(drawn)) for drawn in random.choice(invented, size=(count, tags_each), p=tag_chances)
        ]
        AssetTag.objects.bulk_create(
            AssetTag(asset=photo, name=name)
            for photo, names in zip(photos, tags, strict=True)
            for name in names
        )
        KeywordDocument.objects.bulk_create(
            KeywordDocument(
                asset=photo,
                names=" ".join(names),
                captions=normalised([_sentence(nouns[first], nouns[second], random)]),
                asset_updated_at=photo.updated_at,
            )
            for photo, names, (first, second) in zip(photos, tags, seen, strict=True)
        )
        with transaction.atomic():
            count_words(photo.pk for photo in photos)


def queries(nouns: list[str], count: int) -> list[str]:
    """So many distinct queries, as people type them: some words common, some rare."""
    random = np.random.default_rng(SEED + 1)
    made: dict[str, None] = {}
    while len(made) < count:
        first, second = random.choice(len(nouns), size=2, p=_zipf(len(nouns)))
        made[_sentence(nouns[first], nouns[second], random)] = None
    return list(made)


def _rows(
    owner: User, start: int, nouns: list[str], seen: NDArray[np.int64], random: np.random.Generator
) -> list[int]:
    assets = Asset.objects.bulk_create(_asset(owner, start + at) for at in range(len(seen)))
    frames = Frame.objects.bulk_create(Frame(asset=asset) for asset in assets)
    model_id = active_caption_model_id()
    Caption.objects.bulk_create(
        Caption(
            frame=frame,
            source=Caption.Source.MODEL,
            model_id=model_id,
            text=_sentence(nouns[first], nouns[second], random),
        )
        for frame, (first, second) in zip(frames, seen, strict=True)
    )
    AutoTag.objects.bulk_create(
        AutoTag(frame=frame, model_id="synthetic", name=nouns[first], confidence=0.9)
        for frame, (first, _) in zip(frames, seen, strict=True)
    )
    return [frame.pk for frame in frames]


def _asset(owner: User, number: int) -> Asset:
    return Asset(
        owner=owner,
        sha256=f"{number:064x}",
        mime_type="image/jpeg",
        original_key=f"originals/{number}.jpg",
        size_bytes=100_000,
        width_px=1024,
        height_px=768,
        perceptual_hash=f"{number:016x}",
        visibility=Asset.Visibility.PUBLIC,
    )


def _sentence(first: str, second: str, random: np.random.Generator) -> str:
    look, deed, place = (str(random.choice(words)) for words in (_LOOKS, _DEEDS, _PLACES))
    return f"a {look} {first} is {deed} near a {second} in the {place}"


def _near(
    centres: NDArray[np.float64], seen: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.float32]:
    """Unit vectors around the nouns of each photo."""
    vectors = centres[seen].sum(axis=1) + random.standard_normal((len(seen), centres.shape[1]))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(unit, dtype=np.float32)


def _zipf(count: int) -> NDArray[np.float64]:
    chances = 1.0 / np.arange(1, count + 1)
    return np.asarray(chances / chances.sum())
