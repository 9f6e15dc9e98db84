"""What is known of photos and items, read for the few that are compared."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from captioning.models import AutoTag, Caption
from captioning.selectors import Sentence, sentences_of
from core.ids import Prepared, any_of
from library.models import Asset, AssetTag, Frame
from recommender.item_index import item_index
from recommender.item_vectors import encoded
from recommender.models import Item
from recommender.refs import Ref
from recommender.scoring.copies import Trait
from recommender.scoring.relatedness import Known, Vector
from recommender.scoring.words import stems
from search.active import TEXTURES, active_embedders, active_models, ids_of
from search.encoding import query_vectors
from search.keywords.words import STOP_WORDS, words_of
from search.models import Embedding

LOOKS, SENTENCES = "image", "caption"


@dataclass(frozen=True)
class Thing:
    """A photo or an item with what is known of it. asset: the photo, or the item's picture, if it has one."""

    ref: Ref
    known: Known
    trait: Trait
    asset: Asset | None = None
    item: Item | None = None


#: What is told of a photo, or compared.
ASSET_FIELDS = (
    *("sha256", "perceptual_hash", "blurhash", "title", "visibility", "width_px", "height_px"),
    "owner",
)


_FRAMES = Prepared(
    # The first of an asset last, so that it is the one that stays.
    lambda ids: Frame.objects.filter(asset_id__in=ids).order_by("-number").values_list("asset_id", "pk")
)
_CLASSES = Prepared(
    lambda ids: AutoTag.objects.filter(frame_id__in=ids).order_by("pk").values_list("frame_id", "name")
)
_TAGS = Prepared(
    lambda ids: AssetTag.objects.filter(asset_id__in=ids).order_by().values_list("asset_id", "name")
)
_VECTORS = Prepared(
    # By frame alone, of which each has a few: with a space named, a database may walk through all of that space.
    lambda ids: (
        Embedding.objects.filter(frame_id__in=ids)
        .order_by("pk")
        .values_list("frame_id", "space", "model_id", "vector")
    )
)


def things_of(
    assets: Sequence[Asset], items: Sequence[Item], models: Mapping[str, str] | None = None
) -> list[Thing]:
    """First the photos, then the items, in order, in a handful of queries however many they are.

    models: ids of the active ones by space, of who asked for them already.
    """
    pictures = {asset.pk: asset for asset in assets}
    pictures |= {item.asset.pk: item.asset for item in items if item.asset is not None}
    models = models or active_models()
    seen = _seen_of(list(pictures), models)
    words = _words_of([item.pk for item in items], models)
    tags = _tags_of([asset.pk for asset in assets])
    things = [_photo(asset, seen[asset.pk], tags.get(asset.pk, frozenset())) for asset in assets]
    for item in items:
        picture = seen[item.asset_id] if item.asset_id is not None else Known()
        things.append(_article(item, picture, words))
    return things


def named_things(refs: Iterable[Ref]) -> list[Thing]:
    """Those of these that are still there."""
    ids: dict[bool, list[int]] = {True: [], False: []}
    for ref in refs:
        ids[ref.is_item].append(ref.pk)
    assets = Asset.objects.filter(pk__in=any_of(ids[False])).only(*ASSET_FIELDS)
    items = Item.objects.filter(pk__in=any_of(ids[True])).select_related("asset")
    return things_of(list(assets), list(items))


def fresh_item(item: Item) -> Thing:
    """An item as it is this moment: one whose words no worker has encoded yet is encoded here."""
    (thing,) = things_of([], [item])
    if thing.known.words is not None or not (item.title or item.text or item.tags):
        return thing
    models = active_embedders()
    words = {space: {item.pk: encoded([item], space, model)[0]} for space, model in models.items()}
    picture = Known()
    if item.asset_id is not None:
        picture = _seen_of([item.asset_id], ids_of(models))[item.asset_id]
    return _article(item, picture, words)


def told(text: str, look: Vector | None = None) -> Known:
    """What is known of a text, or a picture's vector, or both, that somebody sends to ask by."""
    vectors = query_vectors(text, active_embedders()) if text else {}
    return Known(
        look=look,
        words_look=vectors.get(LOOKS),
        words=vectors.get(SENTENCES),
        stems=_stems(text),
        title=text,
    )


def _words_of(item_ids: list[int], models: Mapping[str, str]) -> dict[str, dict[int, Vector]]:
    """By space the vectors of items' words."""
    if not item_ids:
        return {space: {} for space in models}
    return {space: item_index(space, model_id).vectors(item_ids) for space, model_id in models.items()}


def _seen_of(asset_ids: Sequence[int], models: Mapping[str, str]) -> dict[int, Known]:
    """What pictures show: their look, their caption, and the words of both. models: ids of the active ones."""
    if not asset_ids:
        return {}
    frame_of = dict(_FRAMES.rows(asset_ids))
    sentences, classes_of = sentences_of(frame_of.values()), _classes_in(list(frame_of.values()))
    vectors, backbones = _frame_vectors(list(frame_of.values()), models)
    seen = {}
    for asset_id in asset_ids:
        frame_id = frame_of.get(asset_id, 0)
        standing = sentences.get(frame_id)
        believed = standing.text if standing is not None and not _is_doubted(standing) else ""
        classes = " ".join(classes_of.get(frame_id, []))
        seen[asset_id] = Known(
            look=vectors[LOOKS].get(frame_id),
            texture=vectors[TEXTURES].get(frame_id),
            backbone=backbones.get(frame_id, ""),
            caption=vectors[SENTENCES].get(frame_id) if believed else None,
            caption_stems=_stems(f"{believed} {classes}"),
            sentence=believed,
            shown=standing.text if standing is not None else "",
        )
    return seen


def _classes_in(frame_ids: Sequence[int]) -> dict[int, list[str]]:
    """Names of the classes seen in frames."""
    names: dict[int, list[str]] = {}
    for frame_id, name in _CLASSES.rows(frame_ids):
        names.setdefault(frame_id, []).append(name)
    return names


def _tags_of(asset_ids: Sequence[int]) -> dict[int, frozenset[str]]:
    """What people call photos, without regard to case; those without tags are left out."""
    tags: dict[int, set[str]] = {}
    if asset_ids:
        for asset_id, name in _TAGS.rows(asset_ids):
            tags.setdefault(asset_id, set()).add(name.casefold())
    return {asset_id: frozenset(names) for asset_id, names in tags.items()}


def _is_doubted(sentence: Sentence) -> bool:
    """Whether the screen sent it to review and nobody has looked: a sentence that may be wrong relates nothing."""
    return sentence.state == Caption.State.TO_REVIEW


def _frame_vectors(
    frame_ids: Sequence[int], models: Mapping[str, str]
) -> tuple[dict[str, dict[int, Vector]], dict[int, str]]:
    """By space the vectors of frames, and by frame the backbone of its newest texture."""
    vectors: dict[str, dict[int, Vector]] = {LOOKS: {}, SENTENCES: {}, TEXTURES: {}}
    backbones: dict[int, str] = {}
    for frame_id, space, model_id, vector in _VECTORS.rows(frame_ids):
        if space == TEXTURES:
            backbones[frame_id] = model_id
        if space == TEXTURES or models.get(space) == model_id:
            vectors[space][frame_id] = np.frombuffer(bytes(vector), dtype="<f4")
    return vectors, backbones


def _photo(asset: Asset, seen: Known, tags: frozenset[str]) -> Thing:
    """A photo's own words are its title and tags; they have no vector, and its caption speaks for it."""
    known = Known(
        look=seen.look,
        texture=seen.texture,
        backbone=seen.backbone,
        shown=seen.shown,
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
    title = words_of(item.title)
    known = Known(
        look=picture.look,
        words_look=_some(words[LOOKS].get(item.pk)),
        texture=picture.texture,
        backbone=picture.backbone,
        shown=picture.shown,
        caption=picture.caption,
        words=_some(words[SENTENCES].get(item.pk)),
        caption_stems=picture.caption_stems,
        stems=stems([*title, *words_of(" ".join(item.tags))], STOP_WORDS),
        tags=frozenset(tag.casefold() for tag in item.tags),
        sentence=picture.sentence,
        title=item.title,
    )
    asset = item.asset
    trait = Trait(
        asset.sha256 if asset else "",
        asset.perceptual_hash if asset else "",
        " ".join(title),
        picture.look,
        known.words,
    )
    return Thing(Ref(True, item.pk), known, trait, asset, item)


def _some(vector: Vector | None) -> Vector | None:
    """None for the zeros that stand for an item without words."""
    return vector if vector is not None and vector.any() else None


def _stems(text: str) -> frozenset[str]:
    return stems(words_of(text), STOP_WORDS)
