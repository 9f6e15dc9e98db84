"""A library of synthetic photos for benchmarks: rows as the stages would have written them, without files."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from django.contrib.auth.models import User
from django.db import transaction
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks import drawing
from benchmarks.bulk import insert, own_sequences, settle
from captioning.models import AutoTag, Caption
from captioning.services import active_caption_model_id
from captioning.vision.tags import class_names
from library.models import Asset, AssetTag, Frame
from search import columns
from search.active import active_model_id, spaces
from search.encoding import embedder
from search.indexing import rebuild_index
from search.keywords.words import STOP_WORDS, normalised
from search.models import Embedding, IndexPosition, KeywordDocument, SuggestedWords, Suggestion
from search.suggesting import count_words

SEED = 20_26
CHUNK = 1_000
#: Rows numbered after the generation was sealed: a running site always has some.
TAIL = 200
#: Of a hundred photos one is this member's, and private; one is somebody else's, and private; the others are public.
OWNER, MEMBER, OTHER = "benchmark", "member", "other"
_PRIVATE_EACH = 100
_TAGS_EACH = 2
_FIRST_DAY = datetime(2015, 1, 1, tzinfo=UTC)
_DAYS = 4_000


@dataclass
class _Library:
    """What all photos are drawn from, and what was counted of those that were made."""

    random: np.random.Generator
    nouns: list[str]
    tags: list[str]
    centres: dict[str, NDArray[np.float32]]
    directions: dict[str, NDArray[np.float32]]
    owners: dict[str, int]
    models: dict[str, str]
    written_at: datetime
    numbered: int = 0
    counted: Counter[tuple[int, str, str]] = field(default_factory=Counter)


def fill(assets: int) -> list[str]:
    """So many indexed photos, nearly all public, in an empty database. Returns the nouns of their captions, commonest
    first.
    """
    library = _library()
    sealed = max(assets - TAIL, 0)
    starts = [*range(0, sealed, CHUNK), sealed]
    with tqdm(total=assets, unit=" photos", desc="filling") as bar:
        for start, end in zip(starts, [*starts[1:], assets], strict=True):
            if start == sealed:
                _numbered_up_to(library)
                rebuild_index()
            with transaction.atomic():
                _photos(library, range(start + 1, end + 1))
            bar.update(end - start)
    _numbered_up_to(library)
    _count(library)
    own_sequences(Asset, AssetTag, Frame, Caption, AutoTag, Embedding, Suggestion)
    settle()
    return library.nouns


def fill_words(assets: int) -> None:
    """So many public photos with the words of a caption and people's tags, and nothing else: no frames, no vectors.

    The tags are invented words, a few of them common and thousands of them rare, as tags are.
    """
    random = np.random.default_rng(SEED)
    nouns = known_nouns()
    owner = User.objects.create_user(OWNER)
    invented = drawing.invented(random)
    chances, tag_chances = drawing.zipf(len(nouns)), drawing.zipf(len(invented))
    for start in tqdm(range(0, assets, CHUNK), unit_scale=CHUNK, unit=" photos", desc="filling"):
        count = min(CHUNK, assets - start)
        photos = Asset.objects.bulk_create(
            Asset(owner=owner, **_about(start + at), visibility=Asset.Visibility.PUBLIC)
            for at in range(count)
        )
        seen = random.choice(len(nouns), size=(count, 2), p=chances)
        tags = [sorted(set(drawn)) for drawn in random.choice(invented, size=(count, 2), p=tag_chances)]
        AssetTag.objects.bulk_create(
            AssetTag(asset=photo, name=name)
            for photo, names in zip(photos, tags, strict=True)
            for name in names
        )
        KeywordDocument.objects.bulk_create(
            KeywordDocument(
                asset=photo,
                names=" ".join(names),
                captions=normalised([drawing.sentence(nouns[first], nouns[second], random)]),
                asset_updated_at=photo.updated_at,
            )
            for photo, names, (first, second) in zip(photos, tags, seen, strict=True)
        )
        with transaction.atomic():
            count_words(photo.pk for photo in photos)


def known_nouns() -> list[str]:
    """The nouns that captions use, commonest first."""
    return [names[0].lower() for names in class_names()]


def queries(nouns: list[str], count: int) -> list[str]:
    """So many distinct queries, as people type them: some words common, some rare."""
    random = np.random.default_rng(SEED + 1)
    made: dict[str, None] = {}
    while len(made) < count:
        first, second = random.choice(len(nouns), size=2, p=drawing.zipf(len(nouns)))
        made[drawing.sentence(nouns[first], nouns[second], random)] = None
    return list(made)


def _library() -> _Library:
    random = np.random.default_rng(SEED)
    nouns, tags = known_nouns(), drawing.invented(random)
    dimensions = {space: embedder(space).dimension for space in spaces()}

    def drawn(rows: int) -> dict[str, NDArray[np.float32]]:
        return {
            space: random.standard_normal((rows, dimension), dtype=np.float32)
            for space, dimension in dimensions.items()
        }

    IndexPosition.objects.get_or_create(pk=1)
    return _Library(
        random,
        nouns,
        tags,
        centres=drawn(len(nouns)),
        directions=drawn(drawing.DIRECTIONS),
        owners={name: User.objects.create_user(name).pk for name in (OWNER, MEMBER, OTHER)},
        models={space: active_model_id(space) for space in spaces()},
        written_at=datetime.now(UTC),
    )


def _photos(library: _Library, numbers: range) -> None:
    """Photos of these primary keys, which are those of their frames and captions, too."""
    random, nouns = library.random, library.nouns
    seen = random.choice(len(nouns), size=(len(numbers), 2), p=drawing.zipf(len(nouns)))
    said = [drawing.sentence(nouns[first], nouns[second], random) for first, second in seen]
    drawn = random.choice(library.tags, size=(len(numbers), _TAGS_EACH), p=drawing.zipf(len(library.tags)))
    tags = [sorted(set(names)) for names in drawn.tolist()]
    days = random.integers(_DAYS, size=len(numbers)).tolist()
    at, model_id = library.written_at, active_caption_model_id()
    insert(Asset, (_asset(library, number, day) for number, day in zip(numbers, days, strict=True)))
    insert(AssetTag, (
        {"asset_id": number, "name": name}
        for number, names in zip(numbers, tags, strict=True) for name in names
    ))  # fmt: skip
    insert(Frame, ({"id": number, "asset_id": number, "number": 0} for number in numbers))
    columns.refresh(numbers)
    insert(Caption, (
        {"frame_id": number, "source": Caption.Source.MODEL.value, "model_id": model_id, "text": text,
         "created_at": at, "updated_at": at}
        for number, text in zip(numbers, said, strict=True)
    ))  # fmt: skip
    insert(AutoTag, (
        {"frame_id": number, "model_id": "synthetic", "name": nouns[first], "confidence": 0.9}
        for number, (first, _) in zip(numbers, seen.tolist(), strict=True)
    ))  # fmt: skip
    for space in library.centres:
        insert(Embedding, _embeddings(library, space, numbers, seen))
    documents = [
        (number, " ".join(names), normalised([text]), normalised([nouns[first]]))
        for number, names, text, (first, _) in zip(numbers, tags, said, seen.tolist(), strict=True)
    ]
    insert(KeywordDocument, (
        {"asset_id": number, "names": names, "captions": captions, "auto_tags": classes, "description": "",
         "asset_updated_at": at, "captions_updated_at": at}
        for number, names, captions, classes in documents
    ))  # fmt: skip
    insert(SuggestedWords, (_suggested(library, *document) for document in documents))


def _asset(library: _Library, number: int, day: int) -> dict[str, object]:
    private = {0: MEMBER, 1: OTHER}.get(number % _PRIVATE_EACH)
    return _about(number) | {
        "id": number,
        "owner_id": library.owners[private or OWNER],
        "visibility": Asset.Visibility.PRIVATE.value if private else Asset.Visibility.PUBLIC.value,
        "kind": Asset.Kind.IMAGE.value,
        "original_name": "",
        "blurhash": "",
        "title": "",
        "description": "",
        "camera": "",
        "taken_at": _FIRST_DAY + timedelta(days=day),
        "created_at": library.written_at,
        "updated_at": library.written_at,
    }


def _about(number: int) -> dict[str, object]:
    return {
        "sha256": f"{number:064x}",
        "mime_type": "image/jpeg",
        "original_key": f"originals/{number}.jpg",
        "size_bytes": 100_000,
        "width_px": 1024,
        "height_px": 768,
        "perceptual_hash": f"{number:016x}",
    }


def _embeddings(
    library: _Library, space: str, numbers: range, seen: NDArray[np.int64]
) -> Iterator[dict[str, object]]:
    vectors = drawing.near(library.centres[space], library.directions[space], seen, library.random)
    for number, vector in zip(numbers, vectors, strict=True):
        library.numbered += 1
        yield {
            "frame_id": number,
            "space": space,
            "model_id": library.models[space],
            "vector": vector.astype("<f4").tobytes(),
            "number": library.numbered,
        }


def _suggested(library: _Library, number: int, names: str, captions: str, classes: str) -> dict[str, object]:
    """What `search.suggesting` would count of a document, and it is counted."""
    private = {0: MEMBER, 1: OTHER}.get(number % _PRIVATE_EACH)
    audience = library.owners[private] if private else SuggestedWords.EVERYBODY
    words = [word for word in dict.fromkeys(captions.split()) if word not in STOP_WORDS and len(word) > 1]
    tags = names.split()
    others = [word for word in dict.fromkeys(f"{names} {classes}".split()) if word not in words]
    kinds = {Suggestion.Kind.WORD: words, Suggestion.Kind.TAG: tags, Suggestion.Kind.OTHER: others}
    library.counted.update((audience, kind.value, text) for kind, texts in kinds.items() for text in texts)
    return {
        "asset_id": number,
        "audience": audience,
        "words": f" {' '.join(words)} ",
        "tags": "\n" + "".join(f"{tag}\n" for tag in tags),
        "others": f" {' '.join(others)} ",
    }


def _numbered_up_to(library: _Library) -> None:
    IndexPosition.objects.filter(pk=1).update(last_number=library.numbered)


def _count(library: _Library) -> None:
    with transaction.atomic():
        insert(
            Suggestion,
            (
                {"audience": audience, "kind": kind, "text": text, "count": count}
                for (audience, kind, text), count in library.counted.items()
            ),
        )
