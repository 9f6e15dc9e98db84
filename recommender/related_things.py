"""What is known of photos and items, read for the few that are compared."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

import numpy as np
from django.db.models import Prefetch

from captioning.models import Caption
from captioning.selectors import auto_tags_of, captions_of
from library.models import Asset, AssetTag, Frame
from recommender.item_index import item_index
from recommender.item_vectors import encoded
from recommender.models import Item
from recommender.scoring.copies import Trait
from recommender.scoring.relatedness import Known, Vector
from recommender.scoring.words import stems
from search.active import TEXTURES, active_model_id, spaces
from search.encoding import query_vectors
from search.ids import any_of
from search.keywords.words import STOP_WORDS, words_of
from search.models import Embedding

LOOKS, SENTENCES = "image", "caption"


class Ref(NamedTuple):
    """Which thing: an item or an asset, by primary key."""

    is_item: bool
    pk: int


@dataclass(frozen=True)
class Thing:
    """A photo or an item with what is known of it. asset: the photo, or the item's picture, if it has one."""

    ref: Ref
    known: Known
    trait: Trait
    asset: Asset | None = None
    item: Item | None = None


def assets_with_words(assets: Iterable[int]) -> dict[int, Asset]:
    tags = Prefetch("tags", AssetTag.objects.only("asset_id", "name"))
    found = Asset.objects.filter(pk__in=any_of(assets)).prefetch_related(tags)
    return {asset.pk: asset for asset in found}


def things_of(assets: Sequence[Asset], items: Sequence[Item]) -> list[Thing]:
    """First the photos, then the items, in order, in a handful of queries however many they are."""
    pictures = {asset.pk: asset for asset in assets}
    pictures |= {item.asset.pk: item.asset for item in items if item.asset is not None}
    seen = _seen_of(list(pictures))
    words = {space: item_index(space).vectors([item.pk for item in items]) for space in spaces()}
    things = [_photo(asset, seen[asset.pk]) for asset in assets]
    for item in items:
        picture = seen[item.asset_id] if item.asset_id is not None else Known()
        things.append(_article(item, picture, words))
    return things


def fresh_item(item: Item) -> Thing:
    """An item as it is this moment: one whose words no worker has encoded yet is encoded here."""
    (thing,) = things_of([], [item])
    if thing.known.words is not None or not (item.title or item.text or item.tags):
        return thing
    words = {space: {item.pk: encoded([item], space)[0]} for space in spaces()}
    picture = _seen_of([item.asset_id])[item.asset_id] if item.asset_id is not None else Known()
    return _article(item, picture, words)


def told(text: str, look: Vector | None = None) -> Known:
    """What is known of a text, or a picture's vector, or both, that somebody sends to ask by."""
    vectors = query_vectors(text) if text else {}
    return Known(
        look=look,
        words_look=vectors.get(LOOKS),
        words=vectors.get(SENTENCES),
        stems=_stems(text),
        title=text,
    )


def _seen_of(asset_ids: Sequence[int]) -> dict[int, Known]:
    """What pictures show: their look, their caption, and the words of both."""
    frame_of = dict(
        Frame.objects.filter(asset_id__in=any_of(asset_ids)).order_by("-number").values_list("asset_id", "pk")
    )
    captions, auto_tags = captions_of(frame_of.values()), auto_tags_of(frame_of.values())
    vectors = _frame_vectors(list(frame_of.values()))
    seen = {}
    for asset_id in asset_ids:
        frame_id = frame_of.get(asset_id, 0)
        caption = captions[frame_id].text if frame_id in captions else ""
        believed = caption if frame_id in captions and not _is_doubted(captions[frame_id]) else ""
        classes = " ".join(tag.name for tag in auto_tags.get(frame_id, []))
        seen[asset_id] = Known(
            look=vectors[LOOKS].get(frame_id),
            texture=vectors[TEXTURES].get(frame_id),
            caption=vectors[SENTENCES].get(frame_id) if believed else None,
            caption_stems=_stems(f"{believed} {classes}"),
            sentence=believed,
        )
    return seen


def _is_doubted(caption: Caption) -> bool:
    """Whether the screen sent it to review and nobody has looked: a sentence that may be wrong relates nothing."""
    return caption.state == Caption.State.TO_REVIEW


def _frame_vectors(frame_ids: Sequence[int]) -> dict[str, dict[int, Vector]]:
    vectors: dict[str, dict[int, Vector]] = {LOOKS: {}, SENTENCES: {}, TEXTURES: {}}
    models = {space: active_model_id(space) for space in spaces()} | _texture_model()
    rows = Embedding.objects.filter(frame_id__in=any_of(frame_ids), model_id__in=list(models.values()))
    for frame_id, space, model_id, vector in rows.values_list("frame_id", "space", "model_id", "vector"):
        if models.get(space) == model_id and space in vectors:
            vectors[space][frame_id] = np.frombuffer(bytes(vector), dtype="<f4")
    return vectors


def _texture_model() -> dict[str, str]:
    """The backbone that saw the newest photo: vectors of two backbones never meet."""
    newest = (
        Embedding.objects.filter(space=TEXTURES).order_by("-pk").values_list("model_id", flat=True).first()
    )
    return {} if newest is None else {TEXTURES: newest}


def _photo(asset: Asset, seen: Known) -> Thing:
    """A photo's own words are its title and tags; they have no vector, and its caption speaks for it."""
    tags = frozenset(tag.name.casefold() for tag in asset.tags.all())
    known = Known(
        look=seen.look,
        texture=seen.texture,
        caption=seen.caption,
        caption_stems=seen.caption_stems,
        sentence=seen.sentence,
        stems=_stems(f"{asset.title} {' '.join(tags)}"),
        tags=tags,
        title=asset.title,
    )
    trait = Trait(asset.sha256, asset.perceptual_hash, look=seen.look)
    return Thing(Ref(False, asset.pk), known, trait, asset)


def _article(item: Item, picture: Known, words: dict[str, dict[int, Vector]]) -> Thing:
    known = Known(
        look=picture.look,
        words_look=_some(words[LOOKS].get(item.pk)),
        texture=picture.texture,
        caption=picture.caption,
        words=_some(words[SENTENCES].get(item.pk)),
        caption_stems=picture.caption_stems,
        stems=_stems(f"{item.title} {' '.join(item.tags)}"),
        tags=frozenset(tag.casefold() for tag in item.tags),
        sentence=picture.sentence,
        title=item.title,
    )
    said = " ".join(words_of(f"{item.title} {item.text}"))
    asset = item.asset
    trait = Trait(
        asset.sha256 if asset else "",
        asset.perceptual_hash if asset else "",
        sha256(said.encode()).hexdigest() if said else "",
        picture.look,
    )
    return Thing(Ref(True, item.pk), known, trait, asset, item)


def _some(vector: Vector | None) -> Vector | None:
    """None for the zeros that stand for an item without words."""
    return vector if vector is not None and vector.any() else None


def _stems(text: str) -> frozenset[str]:
    return stems(words_of(text), STOP_WORDS)
